"""Configs of sites for the public site software and UI: drawn, changed and restored by whoever looks after the server.

What keeps them is loaded only where the companion is on.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from flask import Response, make_response, render_template, request

from .. import clock
from ..auth.access import Access, needs
from ..errors import BadRequest, Forbidden, JobsError, NotFound
from ..service import service
from ..storage.statement import Connection
from .actions import done
from .blueprint import bp
from .context import page

if TYPE_CHECKING:
    from ..state.site_configs import KeptConfig

_LONGEST_NAME = 64


class Companion(NamedTuple):
    """What the page Site says of the companion."""

    sites: list[str]
    """Sites that have a config."""
    networks: tuple[str, ...]
    """From where what needs no token is taken."""


class Shown(NamedTuple):
    """What the page of a config shows."""

    name: str
    text: str
    kept: list[KeptConfig]
    names: list[str]
    fault: str


@bp.get("/settings/configs")
@needs(Access.ANYBODY)
def configs() -> Response:
    """Show a config, and those before it."""
    _require()
    return make_response(_form(_name()))


@bp.post("/settings/configs")
@needs(Access.PERSON)
def write_config() -> Response:
    """Put a config that a person wrote in force, or show what is wrong with it."""
    _require()
    from ..domain import lenient_json
    from ..state import site_configs

    name, text = _name(), request.form.get("config", "")
    try:
        if len(text) > site_configs.MOST_BYTES:
            raise BadRequest(f"Error: a config has at most {site_configs.MOST_BYTES} characters")
        config = lenient_json.read_object(text.encode("utf-8", "replace"))
        _put(name, site_configs.written(config))
    except JobsError as refusal:
        if refusal.status >= 500:
            raise
        return make_response(_form(name, text, refusal.sentence.removeprefix("Error: ")), 400)
    return done("config")


@bp.post("/act/restore-config")
@needs(Access.PERSON)
def restore_config() -> Response:
    """Put a config that is kept in force again."""
    _require()
    from ..state import site_configs

    number = request.form.get("config", "")
    at = int(number) if number.isdecimal() and len(number) < 18 else 0
    site_configs.restore(service().database, _name(), at, page().actor.name, clock.now_ms())
    return done("config")


@bp.post("/act/draw-configs")
@needs(Access.PERSON)
def draw_configs() -> Response:
    """Draw first configs from a site's profile: for the site, and for its wema where that is another."""
    _require()
    from ..observatory.first_configs import first_configs
    from ..state import site_configs

    site = page().site
    if site not in page().profiles:
        raise BadRequest("Error: write the site's profile first; the configs are drawn from it")
    wema = request.form.get("wema", "").strip() or site
    for name, config in first_configs(page().profile, _checked(wema), clock.now_ms()).items():
        _put(name, site_configs.written(config))
    return done("config")


def of_page(connection: Connection) -> Companion | None:
    """Return what the page Site says of the companion; None where it is off."""
    if service().companion is None:
        return None
    from ..auth import public_writers
    from ..state import site_configs

    return Companion(sorted(site_configs.in_force(connection)), tuple(public_writers.networks(page().settings)))


def _require() -> None:
    if service().companion is None:
        raise NotFound("Error: the companion is off; set JOBS_COMPANION=on")
    if not page().may_administer:
        where = "at the observatory's PC, or in its terminal" if page().is_open else "by an admin"
        raise Forbidden(f"Error: configs are looked after {where}")


def _name() -> str:
    """Return whose config is meant: the site's, or that of the wema that is named."""
    return _checked(request.values.get("name", "").strip() or page().site)


def _checked(name: str) -> str:
    known = page().settings.sites
    if not name or "\0" in name or len(name) > _LONGEST_NAME or (known and name not in known):
        raise BadRequest("Error: name a site of this server; a wema is to be in JOBS_SITES too where that is set")
    return name


def _put(name: str, config: str) -> None:
    from ..state import site_configs

    site_configs.put(service().database, name, config, page().actor.name, clock.now_ms())


def _form(name: str, text: str | None = None, fault: str = "") -> str:
    from ..state import site_configs

    with page().reading() as connection:
        in_force = site_configs.of_site(connection, name)
        kept = site_configs.kept(connection, name)
        names = sorted({*site_configs.in_force(connection), name})
    if text is None:
        text = _pretty(json.loads(in_force)) if in_force else ""
    return render_template("pages/configs.html", config=Shown(name, text, kept, names, fault))


def _pretty(config: Any) -> str:
    return json.dumps(config, indent=2, ensure_ascii=False)
