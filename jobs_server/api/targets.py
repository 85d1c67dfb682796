"""The routes of targets: names to places over a site, and the site's own list."""

from __future__ import annotations

from typing import Any

import orjson
from flask import Blueprint, Response, request

from .. import clock
from ..auth import gate
from ..auth.access import Access, needs
from ..domain import commands, target_commands
from ..domain.commands import AnyCommand
from ..errors import NotFound
from ..observatory import own_targets, target_search
from ..observatory.abilities import Abilities
from ..observatory.own_targets import OwnTarget
from ..observatory.profiles import Profile
from ..observatory.target_search import Asked, Found
from ..observatory.tonight import Visibility
from ..service import reading, service, transaction
from ..state import capabilities
from ..storage.statement import Connection
from . import request_body, schemas
from .describe import describe

bp = Blueprint("targets", __name__)

LISTED = 500
"""How many targets of a site's own list come at once."""
_ALTITUDE = 2  # decimals of degrees, hours and degrees apart


@bp.get("/targets")
@describe(gives=list[schemas.Target], query=target_commands.FindTargets)
@needs(Access.ANYBODY)
def find_targets() -> Response:
    """Find targets by name, best first, where they stand now: at most 20; without `q` the site's own list.

    The own list comes in the order of the names, 500 at once; `after`, the last name, leads on.
    Known without the internet are the site's own list, Messier, Caldwell, NGC, IC and common names, named stars, sun,
    moon and planets. Altitudes and what is reckoned from them are null where the site's place is not known.
    """
    command = commands.parse_query(target_commands.FindTargets, request.args)
    commands.check_site(command, service().settings.sites)
    now_ms = clock.now_ms()
    with reading() as connection:
        asked = Asked(_abilities(connection, command.site), now_ms)
        if command.q.strip():
            own = own_targets.like(connection, command.site, command.q)
        else:
            rows = own_targets.listed(connection, command.site, command.after, LISTED)
    if command.q.strip():
        return _json([_public(each) for each in target_search.search(command.q, asked, own)])
    mine = own_targets.as_targets(rows, now_ms, asked.site.profile.place)
    return _json([_public(each) for each in target_search.over_the_site(mine, asked)])


@bp.post("/savetargets")
@describe(gives=schemas.SavedTargets, body=target_commands.SaveTargets, refusals=(NotFound,))
@needs(Access.PERSON)
def save_targets() -> Response:
    """Put targets into a site's own list, in the place of those of the same names.

    One without coordinates is looked up by its name each time, and refused where that name is not known.
    """
    command = _parse(target_commands.SaveTargets)
    actor = gate.person(command)
    now = clock.read()
    wanted = [own_targets.checked(_row(each, actor.name, now.wall_ms)) for each in command.targets]
    with transaction() as connection:
        saved = own_targets.save(connection, command.site, wanted)
    return _json({"site": command.site, "saved": saved})


@bp.post("/deletetarget")
@describe(gives=schemas.DeletedTarget, body=target_commands.DeleteTarget, refusals=(NotFound,))
@needs(Access.PERSON)
def delete_target() -> Response:
    """Take a target off a site's own list."""
    command = _parse(target_commands.DeleteTarget)
    gate.person(command)
    with transaction() as connection:
        name = own_targets.remove(connection, command.site, command.name)
    return _json({"site": command.site, "deleted": name})


def _row(target: target_commands.TargetToSave, by_name: str, at_ms: int) -> OwnTarget:
    return OwnTarget(**target.model_dump(), by_name=by_name, at_ms=at_ms)


def _abilities(connection: Connection, site: str) -> Abilities:
    profile = service().profiles.all().get(site) or Profile(code=site)
    said = capabilities.of_site(connection, site)
    return Abilities(profile, said.devices if said else {})


def _public(found: Found) -> dict[str, Any]:
    target, seen = found.target, found.seen
    public: dict[str, Any] = {
        "name": target.name,
        "other_names": target.other_names,
        "kind": target.kind,
        "ra_hours": target.direction.ra_hours,
        "dec_degrees": target.direction.dec_degrees,
    }
    if target.magnitude is not None:
        public["magnitude"] = target.magnitude
    values = seen._asdict() if seen else dict.fromkeys(Visibility._fields)
    rounded = {name: None if value is None else round(value, _ALTITUDE) for name, value in values.items()}
    return public | rounded | {"moves": target.moves, "cautions": found.cautions}


def _parse(model: type[AnyCommand]) -> AnyCommand:
    command = commands.parse(model, request_body.read())
    commands.check_site(command, service().settings.sites)
    return command


def _json(content: object) -> Response:
    return Response(orjson.dumps(content), mimetype="application/json")
