"""Who asks: every request becomes an Actor here, and nowhere else.

A view names what it needs (`needs`), and asks for its actor once it knows for whom or where it acts (`person`, `site`).
"""

from __future__ import annotations

from . import links, people, sessions
from .gate import issuer_keys, issuer_tokens, owner, person, register, signed_in, site, visitor
from .rules import Access, needs

__all__ = [
    "Access",
    "issuer_keys",
    "issuer_tokens",
    "links",
    "needs",
    "owner",
    "people",
    "person",
    "register",
    "sessions",
    "signed_in",
    "site",
    "visitor",
]
