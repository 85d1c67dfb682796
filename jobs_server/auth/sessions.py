"""Who is signed in on the pages: a signed cookie that the browser keeps for a night.

Whoever signs out ends the session on the server, whatever copies of the cookie there are: which sessions have ended
before their time stands in the database, which all servers share.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Flask, current_app, request, session
from flask.sessions import SecureCookieSessionInterface
from sqlalchemy import BigInteger, bindparam, delete, insert, select

from .. import clock
from ..config import Settings
from ..errors import StartRefused
from ..service import reading, transaction
from ..storage.models import SessionEnd
from ..storage.statement import Statement
from .identity import Person

KEY_FILE = "session.key"
COOKIE = "jobs_session"
_PERSON = "person"
_LOCK = "(sessions)"

_HAS_ENDED = Statement(select(SessionEnd.session).where(SessionEnd.session == bindparam("session")))
_END = Statement(insert(SessionEnd).values({name: bindparam(name) for name in ("session", "until_ms")}))
_FORGET = Statement(delete(SessionEnd).where(SessionEnd.until_ms < bindparam("now_ms", type_=BigInteger)))


class Sessions(SecureCookieSessionInterface):
    """Sessions in a cookie that goes over https alone where the page came over https, and to this service alone."""

    def get_cookie_path(self, app: Flask) -> str:  # noqa: ARG002
        """Return the path below which the service is reached."""
        return request.root_path or "/"

    def get_cookie_secure(self, app: Flask) -> bool:  # noqa: ARG002
        """Whether the cookie may go over https alone."""
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


def is_shown() -> bool:
    """Whether a request brings a cookie of the pages' sessions, good or not."""
    return COOKIE in request.cookies


def person() -> Person | None:
    """Return who is signed in on the pages; None when nobody is, or no longer.

    Raises Unavailable when it cannot be read whether the session has ended.
    """
    kept = _kept()
    if kept is None:
        return None
    # What is posted may be a stop, which is to be held up by nobody who has all other connections in use.
    with reading(urgent=request.method == "POST") as connection:
        if connection.row(_HAS_ENDED, session=_name(kept)):
            return None
    return Person(kept["sub"], kept["name"], tuple(kept["roles"]), kept["until"])


def sign_in(found: Person) -> None:
    """Sign somebody in on the pages, for as long as the setting says."""
    session.clear()
    session.permanent = True
    until = time.time() + float(current_app.permanent_session_lifetime.total_seconds())
    session[_PERSON] = {
        "sub": found.sub,
        "name": found.name,
        "roles": list(found.roles),
        "until": until,
        "id": secrets.token_urlsafe(16),
    }


def sign_out() -> None:
    """Sign out whoever is signed in, and end the session for every copy of its cookie.

    Raises Unavailable when that cannot be written; then whoever is signed in stays so.
    """
    kept = _kept()
    if kept is not None:
        # Under a name of its own, so that neither a site nor the whole database has to wait.
        with transaction(_LOCK) as connection:
            connection.run(_FORGET, now_ms=clock.now_ms())
            if not connection.row(_HAS_ENDED, session=_name(kept)):
                connection.run(_END, session=_name(kept), until_ms=round(kept["until"] * 1000))
    session.clear()


def _kept() -> dict[str, Any] | None:
    """Return what the cookie says of somebody who is signed in, for as long as it does by itself."""
    if current_app.secret_key is None:
        return None
    kept = session.get(_PERSON)
    return kept if kept and kept["until"] > time.time() else None


def _name(kept: Mapping[str, Any]) -> str:
    """Return what names a session in the database; a cookie of the first edition has no id but when it ends."""
    return hashlib.sha256(f"{kept.get('id', '')} {kept['until']} {kept['sub']}".encode()).hexdigest()
