"""What each route needs: declared beside its view; `gate` checks it before the view runs."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, TypeVar

from flask import Flask

View = TypeVar("View", bound=Callable[..., Any])

_MARK = "jobs_server_access"


class Access(Enum):
    """Say who may use a route."""

    ANYBODY = "anybody"  # reads what every screen shows, or is on the way to signing in
    PERSON = "person"  # commands: somebody who is signed in, or anybody while no sign-in is set
    SITE = "site"  # the software beside the telescope, with a site token where one is required
    ADMIN = "admin"  # looks after the server


def needs(access: Access) -> Callable[[View], View]:
    """Declare what a view needs."""

    def mark(view: View) -> View:
        setattr(view, _MARK, access)
        return view

    return mark


def declared(app: Flask, endpoint: str) -> Access | None:
    """Give what an endpoint needs; None when nothing is declared."""
    if endpoint == "static" or endpoint.endswith(".static"):
        return Access.ANYBODY  # Flask's own views of the files in a `static` folder
    return access_of(app.view_functions[endpoint])


def access_of(view: Callable[..., Any]) -> Access | None:
    """Give what a view needs; None when nothing is declared."""
    return getattr(view, _MARK, None)
