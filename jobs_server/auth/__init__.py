"""Who asks: every request becomes an Actor here, and nowhere else.

A view names what it needs (`needs`), and asks for its actor once it knows for whom or where it acts (`person`, `site`).
"""

from __future__ import annotations

from . import console_links, oidc_login, sessions
from .access import Access, needs
from .gate import guard, issuer_keys, issuer_tokens, owner, person, signed_in, site, visitor

__all__ = [
    "Access",
    "console_links",
    "guard",
    "issuer_keys",
    "issuer_tokens",
    "needs",
    "oidc_login",
    "owner",
    "person",
    "sessions",
    "signed_in",
    "site",
    "visitor",
]
