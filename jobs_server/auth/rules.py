"""What each route needs: declared beside its view, checked before it runs, refused where nothing is declared."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, TypeVar

from flask import Flask, current_app, request

from ..errors import Forbidden, shown

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
    return getattr(app.view_functions[endpoint], _MARK, None)


def register(app: Flask) -> None:
    """Check each request against what its route needs."""
    app.before_request(_check)


def _check() -> None:
    if request.endpoint is None or request.method == "OPTIONS":
        return  # no such route, or a question about one
    access = declared(current_app, request.endpoint)
    if access is None:
        raise Forbidden(f"Error: it is not declared who may use {shown(request.path)}")
    if access is Access.ADMIN:
        raise Forbidden("Error: nobody is an admin of this server while no sign-in is set; use `flask` on its PC")
