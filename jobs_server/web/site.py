"""The page Site: lock-out, the site's profile, tokens, and how the service is."""

from __future__ import annotations

import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from flask import Response, make_response, render_template, request

from .. import clock, config
from ..auth import site_tokens
from ..auth.access import Access, needs
from ..auth.site_tokens import SiteTokenRow
from ..config import Settings
from ..domain import commands
from ..domain.commands import LiftLockout, LockOut
from ..errors import BadRequest, shown
from ..jobs import lockouts, queries
from ..observatory import own_targets, profiles
from ..observatory.coordinates import sexagesimal
from ..observatory.target_lists import Reading
from ..service import service
from ..storage import migrations, sqlite
from ..storage.migrations import Storage
from ..upkeep import backups, checks, clock_checks
from . import configs
from .actions import done
from .blueprint import bp
from .context import page

SHOWN_TARGETS = 100
"""How many targets of the site's own list stand on the page."""
_TIME_FOR_A_BACKUP_SECONDS = 3600


class Health(NamedTuple):
    """How the service is."""

    database: str
    size_bytes: int | None
    version: str
    software: str
    python: str
    system: str
    last_backup_ms: int | None
    is_backup_missing: bool
    """Whether there is none though there are jobs that one should hold."""
    backup_count: int
    is_on_sqlite: bool
    clock: list[str]
    """What is wrong with the clock, and with what is dated in the future."""


@bp.get("/settings")
@needs(Access.ANYBODY)
def settings() -> Response:
    """Show lock-outs, the site's profile and how the service is; with sign-in, what is set is for admins alone."""
    return make_response(show())


def show(made: tuple[SiteTokenRow, str] | None = None, imported: Reading | None = None) -> str:
    """Render the page, with a token that was just made and is shown this once, or a list that was just brought in."""
    sees_settings = page().is_open or page().actor.is_admin
    with page().reading() as connection:
        earlier_lockouts = lockouts.latest(connection, page().site, 10)
        tokens = site_tokens.list_all(connection) if page().may_administer else []
        own = own_targets.listed(connection, page().site, most=SHOWN_TARGETS)
        target_count = own_targets.count(connection, page().site)
        kept_in = migrations.storage(connection)
        oldest_ms = queries.oldest_ms(connection)
        companion = configs.of_page(connection)
        of_the_clock = [finding.alert for finding in clock_checks.dates(connection, page().settings) if finding.alert]
    return render_template(
        "pages/settings.html",
        earlier_lockouts=earlier_lockouts,
        health=_health(page().settings, kept_in, of_the_clock, oldest_ms),
        sees_settings=sees_settings,
        file=Path(page().settings.instance) / profiles.FILE,
        in_force=[
            (config.variable(name), config.shown(page().settings, name)) for name in config.names() if sees_settings
        ],
        tokens=tokens,
        made=made,
        imported=imported,
        own_targets=own,
        target_count=target_count,
        sexagesimal=sexagesimal,
        companion=companion,
    )


@bp.post("/act/lock-out")
@needs(Access.PERSON)
def lock_out() -> Response:
    """Lock the site's telescope out."""
    note = request.form.get("note", "").strip()
    if not note:
        raise BadRequest("Error: say why, so that others know what they would disturb")
    asked = _asked(LockOut, note=note)
    actor = page().actor
    service().desk.lock_out(asked, actor)
    return done("locked")


@bp.post("/act/lift-lock-out")
@needs(Access.PERSON)
def lift() -> Response:
    """Lift the lock-out of the site's telescope."""
    asked = _asked(LiftLockout, cancelWaiting=request.form.get("keep") != "yes")
    actor = page().actor
    service().desk.lift(asked, actor)
    return done("unlocked")


def needed_code() -> str:
    """Return the code of the page's site. Raises BadRequest when it is none of this server."""
    code, known = page().site, page().settings.sites
    if not code.strip() or "\0" in code or (known and code not in known):
        raise BadRequest(f"Error: {shown(code)} is no site of this server")
    return code


def _asked(model: type[commands.AnyCommand], **more: object) -> commands.AnyCommand:
    """Return a command of the visitor. Raises BadRequest."""
    who = {"site": page().site, "user_id": page().actor.id, "user_name": page().actor.name}
    made = commands.checked(model, {**who, **more})
    commands.check_site(made, page().settings.sites)
    return made


def _health(settings: Settings, kept_in: Storage, of_the_clock: list[str], oldest_ms: int | None) -> Health:
    kept = backups.listed(settings.backups)
    newest = backups.newest(kept, clock.utc_now())
    return Health(
        database=settings.url.render_as_string(hide_password=True),
        size_bytes=_size(settings) if kept_in.size_bytes is None else kept_in.size_bytes,
        version=version("jobs-server"),
        software=kept_in.software,
        python=platform.python_version(),
        system=platform.platform(terse=True),
        last_backup_ms=round(newest.made.timestamp() * 1000) if newest else None,
        is_backup_missing=_serves_long() and (oldest_ms or clock.now_ms()) < clock.now_ms() - clock.DAY_MS,
        backup_count=len(kept),
        is_on_sqlite=settings.url.get_backend_name() == sqlite.NAME,
        clock=of_the_clock,
    )


def _serves_long() -> bool:
    """Whether this server has had time for a backup of what it found."""
    since = service().health.serving_since
    return since is None or time.monotonic() - since > _TIME_FOR_A_BACKUP_SECONDS


def _size(settings: Settings) -> int | None:
    """Add up the database's file and its log; none when it is no file."""
    sizes = checks.file_sizes(settings.url)
    return sum(sizes.values()) if sizes else None
