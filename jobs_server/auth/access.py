"""What each route needs: declared beside its view; `gate` checks it before the view runs."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, TypeVar

from flask import Flask

View = TypeVar("View", bound=Callable[..., Any])

_MARK = "jobs_server_access"


class Access(Enum):
    """Who may use a route."""

    ANYBODY = "anybody"  # The route shows what every screen shows, or lies on the way to signing in.
    PERSON = "person"  # The route commands: for somebody who is signed in, or anybody while no sign-in is set.
    SITE = "site"  # The route is for the software beside the telescope, with a site token where one is required.
    ADMIN = "admin"  # The route is for those who look after the server.


def needs(access: Access) -> Callable[[View], View]:
    """Declare what a view needs."""

    def mark(view: View) -> View:
        setattr(view, _MARK, access)
        return view

    return mark


def declared(app: Flask, endpoint: str) -> Access | None:
    """Return what an endpoint needs; None when nothing is declared."""
    if endpoint == "static" or endpoint.endswith(".static"):
        return Access.ANYBODY  # These are Flask's own views of the files in a `static` folder.
    return access_of(app.view_functions[endpoint])


def access_of(view: Callable[..., Any]) -> Access | None:
    """Return what a view needs; None when nothing is declared."""
    return getattr(view, _MARK, None)
