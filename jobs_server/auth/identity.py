"""Somebody whom the issuer vouches for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody whom the issuer vouches for."""

    sub: str
    name: str | None
    roles: tuple[str, ...]
    until: float
    """When this knowledge ends, in seconds since 1970."""
