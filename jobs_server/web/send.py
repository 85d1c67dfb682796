"""The form that sends a job: made from the catalogue and the site's profile, shown as JSON before it goes out."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, jsonify, make_response, redirect, render_template, request, url_for

from ..auth import Access, needs
from ..domain.commands import parse_key
from ..errors import JobsError, NotFound
from ..history import now
from ..jobs import queries
from ..jobs.queries import JobRow
from ..observatory import catalogue
from ..service import reading, service
from . import forms
from . import order as orders
from .context import page
from .order import Order

_FIRST = {"device": "camera", "action": "expose"}
_THEN_KEYS = ("time", "image_type", "count", "filter")


def add_to(bp: Blueprint) -> None:
    """Add the routes."""
    bp.add_url_rule("/send", view_func=send)
    bp.add_url_rule("/send", endpoint="send_it", view_func=send_it, methods=["POST"])


@needs(Access.ANYBODY)
def send() -> Response:
    """Show the form of an action, of a job to be sent again, or an empty one for raw JSON."""
    given = dict(request.args)
    again = request.args.get("again") or request.args.get("edit")
    if again:
        given |= _as_given(_job(again), whole="again" in request.args)
    elif "raw" in given:
        given["raw"] = given["raw"] or _example()
    return make_response(_show(given, None))


@needs(Access.PERSON)
def send_it() -> Response:
    """Read the form; show what is wrong or risky, or send it."""
    given = dict(request.form)
    order = orders.from_form(page(), given)
    if given.get("do") == "preview" and not page().wants_page:
        told = {"faults": order.faults, "readings": order.readings, "lines": order.lines, "json": order.text}
        return jsonify(told | {"risks": order.risks, "cautions": _cautions(order)})
    if order.faults or given.get("do") == "preview":
        return make_response(_show(given, order), 400 if order.faults else 200)
    if order.risks and given.get("sure") != order.digest:
        return make_response(_show(given, order, asks=True))
    try:
        sent = _submit(order, given.get("key"))
    except JobsError as error:
        order.faults[""] = error.sentence.removeprefix("Error: ")
        return make_response(_show(given, order), error.status)
    response = redirect(url_for("pages.now", site=sent[0].site), 303)
    response.set_cookie("done", "sent", max_age=20, httponly=True, samesite="Lax")
    return response  # type: ignore[return-value]


def _submit(order: Order, key: str | None) -> list[JobRow]:
    """Queue the jobs of an order one after the other, in one transaction."""
    commands = order.submits(page())
    key = parse_key(key or None)
    keyed = [(command, f"{key}-{number}" if key else None) for number, command in enumerate(commands)]
    return service().desk.post_all(keyed, page().actor)


def _show(given: Mapping[str, str], order: Order | None, *, asks: bool = False) -> str:
    device, action = given.get("device", ""), given.get("action", "")
    if not device and "raw" not in given:
        device, action = _FIRST["device"], _FIRST["action"]
    script = given.get("script", "")
    form = forms.form(device, action, page().profile, script)
    expose = forms.form("camera", "expose", page().profile)
    assert expose is not None
    instances = {name: _instance(name) for name in (device, "camera")}
    what = {"device": device, "action": action, "instance": instances[device]}
    shown = order or orders.from_form(page(), what | dict(given))
    return render_template(
        "pages/send.html",
        given=given,
        device=device,
        action=action,
        script=script,
        known=catalogue.action(device, action),
        devices=catalogue.devices(),
        form=None if "raw" in given else form,
        then=[field for field in expose.fields if field.key in _THEN_KEYS],
        instances=instances,
        cautions=_cautions(shown if shown.bodies else _named(device, action, script)),
        order=order,
        shown=shown,
        asks=asks,
        key=given.get("key") or secrets.token_urlsafe(18),
    )


def _cautions(order: Order) -> dict[str, str]:
    """Give what to say before sending: which roles jobs from here do not carry, and what the site will not do."""
    roles = " or ".join(order.missing_roles(page().actor.roles))
    return ({"roles": roles} if roles else {}) | dict.fromkeys(order.fates, "")


def _named(device: str, action: str, script: str) -> Order:
    """Stand in for an order that cannot be read yet."""
    return Order([{"device": device, "action": action, "required_params": {"script": script}}])


def _instance(device: str) -> str:
    """Name the device of a type that is most likely meant."""
    own = page().profile.device(device).instances
    if own:
        return own[0]
    with reading() as connection:
        last = now.last_instance(connection, page().site, device)
    instances = catalogue.devices().get(device, {}).get("instances", {})
    return last or instances.get("always") or instances.get("example") or ""


def _job(ulid: str) -> JobRow:
    with reading() as connection:
        found = queries.job(connection, page().site, ulid)
    if found is None:
        raise NotFound(f"Error: site {page().site} has no job {ulid}")
    return found


def _as_given(job: JobRow, *, whole: bool) -> dict[str, str]:
    """Fill a form with a job: its own form where that can hold it, else raw JSON."""
    required, optional = json.loads(job.required_params), json.loads(job.optional_params)
    script = str(required.pop("script", "")) if (job.device, job.action) == ("sequencer", "run") else ""
    form = forms.form(job.device, job.action, page().profile, script)
    if whole or form is None or not forms.fits(form, required, optional):
        body: dict[str, Any] = {"device": job.device, "instance": job.instance, "action": job.action}
        body |= {"required_params": json.loads(job.required_params), "optional_params": json.loads(job.optional_params)}
        return {"raw": json.dumps(body, indent=2, ensure_ascii=False)}
    what = {"device": job.device, "instance": job.instance, "action": job.action, "script": script}
    return what | {"filled": "yes"} | forms.values_of(form, required, optional)


def _example() -> str:
    body = {"device": "", "instance": "", "action": "", "required_params": {}, "optional_params": {}}
    return json.dumps(body, indent=2)
