"""Sending a job once more by one press; what is to be looked at before that is shown in its form."""

from __future__ import annotations

import json

from flask import Response, redirect, request, url_for

from ..auth.access import Access, needs
from ..domain.commands import parse_key
from ..errors import NotFound
from ..jobs import queries
from ..jobs.rows import JobRow
from ..observatory import describe, solar_system
from ..service import service
from .actions import keep_for_next_page
from .blueprint import bp
from .context import page
from .order import Order, from_form


@bp.post("/act/again")
@needs(Access.PERSON)
def send_again() -> Response:
    """Send a job once more as it was, with the note that can take that back."""
    ulid = request.form.get("ulid", "?")
    with page().reading() as connection:
        job = queries.job(connection, page().site, ulid)
        _ = page().abilities  # in the page's own transaction
    if job is None:
        raise NotFound(f"Error: site {page().site} has no job {ulid}")
    order = _order(job)
    if _wants_a_look(order):
        return redirect(url_for("pages.send", site=page().site, again=ulid), 303)  # type: ignore[return-value]
    (command,) = order.submits(page())
    # Two presses on one page are one; the page that comes after it has another key.
    key = parse_key(f"again-{ulid}-{request.form.get('key', '')}")
    sent = service().desk.post(command, page().actor, key)
    onward = redirect(url_for("pages.now", site=page().site), 303)
    return keep_for_next_page(onward, "again", sent.ulid, describe.describe_job(sent))  # type: ignore[arg-type]


def _order(job: JobRow) -> Order:
    what = {"device": job.device, "instance": job.instance, "action": job.action}
    params = {key: json.loads(getattr(job, key)) for key in ("required_params", "optional_params")}
    return from_form(page(), {"raw": json.dumps(what | params)})


def _wants_a_look(order: Order) -> bool:
    """Whether there is something to be said before the order is sent: of a target that moves, where it is now."""
    known = page().abilities
    said = order.faults or order.risks or order.sky_cautions(known, page().now_ms) or order.beyond(known)
    return bool(said) or order.is_stop or any(_is_to_moving(body["optional_params"]) for body in order.bodies)


def _is_to_moving(params: dict[str, object]) -> bool:
    return solar_system.called(str(params.get("object", ""))) is not None
