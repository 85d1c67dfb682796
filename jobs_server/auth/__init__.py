"""Who asks: every request becomes an Actor here, and nowhere else.

A view names what it needs (`needs`), and asks for its actor once it knows for whom or where it acts (`person`, `site`).
"""

from __future__ import annotations

from . import sessions
from .gate import owner, person, register, signed_in, site, visitor
from .rules import Access, needs

__all__ = ["Access", "needs", "owner", "person", "register", "sessions", "signed_in", "site", "visitor"]
