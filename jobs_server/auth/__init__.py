"""Who asks: every request becomes an Actor here, and nowhere else.

A view names what it needs (`needs`), and asks for its actor once it knows for whom or where it acts (`person`, `site`).
"""

from __future__ import annotations

from typing import cast

from flask import current_app

from .. import actors
from ..actors import Actor
from ..config import EXTENSION, Loaded, Settings
from .rules import Access, needs, register

__all__ = ["Access", "needs", "person", "register", "site"]


def person(user_id: str, user_name: str) -> Actor:
    """Give the person who asks; `user_id` and `user_name` are what the body says."""
    return actors.said(user_id, user_name, _settings().open_roles)


def site(code: str) -> Actor:
    """Give the software of a site, which asks for its jobs or reports on them."""
    return actors.site(code)


def _settings() -> Settings:
    return cast(Loaded, current_app.extensions[EXTENSION]).settings
