"""Who asks: every request becomes an Actor here, and nowhere else.

A view names what it needs (`needs`), and asks for its actor once it knows for whom or where it acts (`person`, `site`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .access import Access, needs
    from .gate import guard, issuer_keys, issuer_tokens, owner, person, signed_in, site, visitor

__all__ = [
    "Access",
    "guard",
    "issuer_keys",
    "issuer_tokens",
    "needs",
    "owner",
    "person",
    "signed_in",
    "site",
    "visitor",
]


def __getattr__(name: str) -> object:
    """Import what an app asks for when it first does: commands use links and site tokens, and load no gate."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import access, gate

    globals()[name] = found = getattr(access if hasattr(access, name) else gate, name)
    return found
