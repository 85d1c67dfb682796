"""Who asks: every change of a job is somebody's."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from .language import marked


class Known(StrEnum):
    """How somebody is known."""

    SAID = "said"  # a person, by their own word: no sign-in is set
    SIGNED_IN = "signed in"  # a person, by the word of the issuer
    CONSOLE = "console"  # whoever sits at the observatory's PC
    SITE = "site"  # the software beside the telescope
    SERVER = "server"  # this service itself


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks, with which roles, and how they are known."""

    id: str
    name: str
    known: Known
    roles: tuple[str, ...] = ()
    is_admin: bool = False  # of this service; a role that a job carries is no such right by itself


def said(user_id: str, user_name: str, roles: tuple[str, ...]) -> Actor:
    """Return a person by their own word, as the open mode does: the roles go with their jobs, nobody is an admin."""
    return Actor(user_id, user_name, Known.SAID, roles)


def console(user_id: str, user_name: str, roles: tuple[str, ...] = (), *, is_admin: bool = False) -> Actor:
    """Return the person at the observatory's PC."""
    return Actor(user_id, user_name, Known.CONSOLE, roles, is_admin)


def called(name: str) -> str:
    """Return how a person is called on pages and terminals: "somebody" whose name is blank."""
    return name if name.strip() else SOMEBODY


@lru_cache(1024)
def site(code: str) -> Actor:
    """Return the software of a site."""
    return Actor(code, code, Known.SITE)


SOMEBODY = marked("somebody")
SERVER = Actor("server", "server", Known.SERVER)
