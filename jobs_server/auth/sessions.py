"""Who is signed in on the pages: a signed cookie that the browser keeps for a night."""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path

from flask import Flask, current_app, session
from flask.sessions import SecureCookieSessionInterface

from ..config import Settings
from ..errors import StartRefused
from .identity import Person

KEY_FILE = "session.key"
COOKIE = "jobs_session"
_PERSON = "person"


class Sessions(SecureCookieSessionInterface):
    """Sessions in a cookie that goes over https alone where the page came over https, and to this service alone."""

    def get_cookie_path(self, app: Flask) -> str:  # noqa: ARG002
        """Return the path below which the service is reached."""
        from flask import request

        return request.root_path or "/"

    def get_cookie_secure(self, app: Flask) -> bool:  # noqa: ARG002
        """Whether the cookie may go over https alone."""
        from flask import request

        return request.is_secure


def set_up(app: Flask, settings: Settings) -> None:
    """Set an app's sessions up; they begin to work when the app has its key (`prepare`)."""
    app.session_interface = Sessions()
    app.config |= {
        "SESSION_COOKIE_NAME": COOKIE,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_REFRESH_EACH_REQUEST": False,
    }
    app.config["PERMANENT_SESSION_LIFETIME"] = settings.session_hours * 60 * 60


def prepare(app: Flask, settings: Settings) -> None:
    """Read or make the key that an app's sessions are signed with; the key outlives the server. Raises StartRefused."""
    if settings.is_open or app.secret_key is not None:
        return
    path = Path(settings.instance) / KEY_FILE
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_hex(32))
        except FileExistsError:
            pass
        app.secret_key = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise StartRefused(f"the key of the sign-in sessions, {path}, cannot be made or read: {error}") from None
    if len(app.secret_key) < 32:
        raise StartRefused(f"the key of the sign-in sessions, {path}, is too short; delete it, and a new one is made")


def person() -> Person | None:
    """Return who is signed in on the pages; None when nobody is, or no longer."""
    if current_app.secret_key is None:
        return None
    kept = session.get(_PERSON)
    if not kept or kept["until"] <= time.time():
        return None
    return Person(kept["sub"], kept["name"], tuple(kept["roles"]), kept["until"])


def sign_in(found: Person) -> None:
    """Sign somebody in on the pages, for as long as the setting says."""
    session.clear()
    session.permanent = True
    until = time.time() + float(current_app.permanent_session_lifetime.total_seconds())
    session[_PERSON] = {"sub": found.sub, "name": found.name, "roles": list(found.roles), "until": until}


def sign_out() -> None:
    """Sign out whoever is signed in."""
    session.clear()
