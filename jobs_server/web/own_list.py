"""A site's own list of targets on the page Site: added to, taken off, brought in from planning programs, taken out."""

from __future__ import annotations

from datetime import datetime

from flask import Response, make_response, request

from .. import clock
from ..auth.access import Access, needs
from ..domain import commands
from ..domain.target_commands import DeleteTarget, SaveTargets
from ..errors import BadRequest
from ..observatory import coordinate_pairs, list_writers, own_targets, target_lists, targets
from ..observatory.own_targets import OwnTarget
from ..observatory.target_lists import Reading
from ..service import transaction
from . import site
from .actions import done
from .blueprint import bp
from .context import page


@bp.post("/act/save-target")
@needs(Access.PERSON)
def save_target() -> Response:
    """Put a target into the site's own list: a name with a pair of coordinates, or a name that is known."""
    given = {name: " ".join(request.form.get(name, "").split()) for name in ("name", "where", "note")}
    wanted: dict[str, object] = {"name": given["name"], "note": given["note"]}
    if given["where"]:
        wanted |= _place(given["where"])
    actor = page().actor
    who = {"user_id": actor.id, "user_name": actor.name}
    asked = commands.checked(SaveTargets, {"site": page().site, "targets": [wanted], **who})
    commands.check_site(asked, page().settings.sites)
    row = OwnTarget(**asked.targets[0].model_dump(), by_name=actor.name, at_ms=clock.now_ms())
    checked = own_targets.checked(row)
    with transaction() as connection:
        own_targets.save(connection, asked.site, [checked])
    return done("saved")


@bp.post("/act/delete-target")
@needs(Access.PERSON)
def delete_target() -> Response:
    """Take a target off the site's own list."""
    asked = commands.checked(DeleteTarget, {"site": page().site, "name": request.form.get("name", "")})
    with transaction() as connection:
        own_targets.remove(connection, asked.site, asked.name)
    return done("deleted")


@bp.post("/act/import-targets")
@needs(Access.PERSON)
def import_targets() -> Response:
    """Put the targets of a planning program's list into the site's own list, and say what was not understood."""
    file = request.files.get("file")
    if file is None or not file.filename:
        raise BadRequest("Error: choose a file")
    now_ms, actor = page().now_ms, page().actor
    try:
        reading = target_lists.read(file.read(), lambda name: targets.named(name, now_ms, None))
    except ValueError as error:
        return make_response(site.show(imported=Reading(problems=[str(error)])), 400)
    rows = [row._replace(by_name=actor.name, at_ms=now_ms) for row in reading.targets]
    code = site.needed_code()
    if rows:
        with transaction() as connection:
            own_targets.save(connection, code, rows)
    return make_response(site.show(imported=reading))


@bp.get("/own-targets.csv")
@needs(Access.ANYBODY)
def targets_csv() -> Response:
    """Send the site's own list as CSV."""
    return _file(list_writers.to_csv(_rows()), "text/csv; charset=utf-8", "csv")


@bp.get("/own-targets.sol")
@needs(Access.ANYBODY)
def targets_stellarium() -> Response:
    """Send the site's own list as an observing list of Stellarium."""
    written = datetime.fromtimestamp(page().now_ms / 1000, page().profile.zone)
    text = list_writers.to_stellarium(_rows(), page().profile.title, written)
    return _file(text, "application/json", "sol")


def _rows() -> list[OwnTarget]:
    with page().snapshot() as connection:
        return own_targets.listed(connection, page().site)


def _file(text: str, content_type: str, ending: str) -> Response:
    response = Response(text, content_type=content_type)
    response.headers.set("Content-Disposition", "attachment", filename=f"targets-{page().site}.{ending}")
    return response


def _place(text: str) -> dict[str, object]:
    """Read a pair of coordinates. Raises BadRequest when it is none, or can be read in two ways."""
    try:
        readings = coordinate_pairs.read(text, page().now_ms)
    except ValueError as error:
        raise BadRequest(f"Error: {error}") from None
    if len(readings) > 1:
        raise BadRequest("Error: is the right ascension in hours or in degrees? Write h or deg behind it")
    return readings[0].direction._asdict()
