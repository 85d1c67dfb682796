"""A plan out of files of planning programs: what they hold fills the form of a plan, which somebody then sends."""

from __future__ import annotations

from flask import Response, make_response, request

from ..auth.access import Access, needs
from ..errors import BadRequest
from ..observatory import own_targets, sequence_steps, sequences, site_time, target_lines, target_lists, targets
from ..observatory.sequence_steps import Manner
from ..observatory.sequences import Sequence
from ..observatory.targets import Target
from . import formats, plan_send, site
from .blueprint import bp
from .context import page


@bp.post("/plans/from-list")
@needs(Access.PERSON)
def plan_from_list() -> Response:
    """Fill the form of a plan with a list or a sequence, and say what is not understood; nothing is sent."""
    files = [(each.filename, each) for each in request.files.getlist("file") if each.filename]
    if not files:
        raise BadRequest("Error: choose a file")
    site.needed_code()
    # Two files of one name are told apart by a folder of their own.
    read = {f"{at}/{name}": each.read(target_lists.MOST_BYTES + 1) for at, (name, each) in enumerate(files)}
    try:
        with page().snapshot() as connection:
            made = sequences.read(read, lambda name: _known(own_targets.called(connection, page().site, name), name))
        given = _filled(made)
    except ValueError as error:
        refused = Sequence(problems=[str(error)])
        return make_response(plan_send.show_brought({"slew": "yes"}, refused), 400)
    return make_response(plan_send.show_brought(given | _times(made), made))


def _known(own: list[own_targets.OwnTarget], name: str) -> list[Target]:
    at_ms, place = page().now_ms, page().profile.place
    return targets.named(name, at_ms, place, list(own_targets.as_targets(own, at_ms, place)))


def _filled(made: Sequence) -> dict[str, str]:
    """Return the form: of a list the targets one a line, of a sequence the rows, or the steps that no rows can hold.

    Raises ValueError when it is too long for a plan.
    """
    title = made.title[:200]
    if not made.has_exposures:
        if len(made.targets) > target_lines.MOST:
            raise ValueError(
                f"a plan may have {target_lines.MOST} targets, and these are {len(made.targets)}: part the list"
            )
        return {"title": title, "slew": "yes", "targets": target_lines.written(made.targets)}
    sequences.leave_out_idle(made)
    with page().snapshot() as connection:
        devices = plan_send.with_devices(connection, {})
    camera, mount = devices["camera"], devices["mount"]
    manner = Manner(site=page().abilities, camera=camera, mount=mount, at_ms=page().now_ms)
    return plan_send.filled_with(title, "stop", sequence_steps.steps_of(made.entries, manner))


def _times(made: Sequence) -> dict[str, str]:
    """Return the times that a file says, by the site's clock; one that is over or not understood is a remark."""
    found = dict[str, str]()
    for key, text, name in (("not_before", made.begins, "begin"), ("until", made.ends, "end")):
        if not text:
            continue
        zone = page().profile.zone
        try:
            at_ms = site_time.read_ms(text.replace("T", " ")[:16], zone, page().profile.timezone, page().now_ms)
        except ValueError as error:
            made.remarks.append(f"when it is to {name}: {error}")
            continue
        if at_ms <= page().now_ms:
            made.remarks.append(f"when it was to {name}, {text[:40]}, is over: say another time")
            continue
        found |= {key: formats.moment(at_ms, zone)[:16], "clock": page().profile.timezone}
        made.remarks.append(f"it is to {name} at {found[key]}, which is taken for a time of the site’s clock")
    return found
