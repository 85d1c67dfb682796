"""Who asks: every change of a job is somebody's."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Known(StrEnum):
    """Say how somebody is known."""

    SAID = "said"  # a person, by their own word: no sign-in is set
    SITE = "site"  # the software beside the telescope
    SERVER = "server"  # this service itself


@dataclass(frozen=True, slots=True)
class Actor:
    """Hold who asks, with which roles, known how."""

    id: str
    name: str
    known: Known
    roles: tuple[str, ...] = ()


def said(user_id: str, user_name: str, roles: tuple[str, ...]) -> Actor:
    """Take a person at their word, as the open mode does."""
    return Actor(user_id, user_name, Known.SAID, roles)


def site(code: str) -> Actor:
    """Name the software of a site."""
    return Actor(code, code, Known.SITE)


SERVER = Actor("server", "server", Known.SERVER)
