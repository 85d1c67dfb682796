"""Signing in and out on the pages."""

from __future__ import annotations

import time
from pathlib import Path

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from .. import program
from ..auth import console_links, gate, oidc_login, sessions
from ..auth.access import Access, needs
from ..auth.identity import Person
from ..errors import Forbidden, Unauthorized
from ..service import service
from .blueprint import bp
from .context import page


@bp.get("/sign-in")
@needs(Access.ANYBODY)
def sign_in() -> ResponseReturnValue:
    """Show who is signed in, and the way in or out."""
    return render_template("pages/sign_in.html", possible=oidc_login.is_possible())


@bp.get("/sign-in/go")
@needs(Access.ANYBODY)
def go() -> ResponseReturnValue:
    """Send the browser to the issuer."""
    service().limits.sign_in(request.remote_addr)
    if not oidc_login.is_possible():
        raise Forbidden("Error: people cannot sign in on these pages: JOBS_OIDC_CLIENT_ID is not set")
    return oidc_login.begin(gate.issuer_keys(), url_for("pages.callback", _external=True))


@bp.get("/sign-in/callback")
@needs(Access.ANYBODY)
def callback() -> ResponseReturnValue:
    """Take the browser back from the issuer."""
    service().limits.sign_in(request.remote_addr)
    if not oidc_login.is_possible():
        raise Forbidden("Error: people cannot sign in on these pages: JOBS_OIDC_CLIENT_ID is not set")
    sessions.sign_in(oidc_login.finish(gate.issuer_tokens(), page().settings.session_hours * 3600))
    return redirect(url_for("pages.now"), 303)


@bp.get("/sign-in/link/<secret>")
@needs(Access.ANYBODY)
def link(secret: str) -> ResponseReturnValue:
    """Sign in the person at this machine, once."""
    service().limits.sign_in(request.remote_addr)
    settings = page().settings
    if settings.is_open or not console_links.is_local(request.remote_addr, settings.host):
        raise Forbidden("Error: this link works only in a browser on the observatory's PC")
    user = console_links.use(Path(settings.instance), secret)
    if user is None:
        raise Unauthorized(
            f"Error: this link was used or is too old; make a new one with: {program.command('admin link')}"
        )
    until = time.time() + settings.session_hours * 3600
    sessions.sign_in(Person(f"console|{user}", user, settings.admin_roles, until))
    return redirect(url_for("pages.now"), 303)


@bp.post("/sign-out")
@needs(Access.ANYBODY)
def sign_out() -> ResponseReturnValue:
    """Sign out here; the issuer may still know the browser."""
    sessions.sign_out()
    return redirect(url_for("pages.sign_in"), 303)
