"""The form that sends a job: made from the catalogue and the site's profile, with a preview as JSON."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Any, NamedTuple

from flask import Response, jsonify, make_response, redirect, render_template, request, url_for

from ..auth.access import Access, needs
from ..domain.commands import parse_key
from ..errors import JobsError, KeyReused, NotFound
from ..history import now
from ..jobs import queries
from ..jobs.plan_rows import TemplateRow
from ..jobs.rows import JobRow
from ..observatory import catalogue, describe
from ..service import service
from ..storage.statement import Connection
from . import forms, kept_templates, offers, plan_send, pointing, wall_clocks
from .actions import keep_for_next_page
from .blueprint import bp
from .context import SENT_WITH_CAUTION, page
from .order import Order, from_form
from .texts import gettext, said

_THEN_KEYS = ("time", "image_type", "count", "filter")
_ONE_PRESS_MS = 10_000
"""How long after a job was sent the same form means the same press of Send: a double click, a reply that was lost."""
_USED = "this form has sent another job already; press Send to send what stands here now"


class Choices(NamedTuple):
    """What a form offers that stands in the database."""

    instances: dict[str, str]
    """The instance that is most likely meant, of the device that is shown and of the camera."""
    templates: list[TemplateRow]
    """Commands that were kept to be used again."""


@bp.get("/send")
@needs(Access.ANYBODY)
def send() -> Response:
    """Show the form of an action, of a job to be sent again, of a template, or an empty one for raw JSON."""
    given = dict(request.args)
    with page().reading() as connection:
        if again := request.args.get("again") or request.args.get("edit"):
            given |= _as_given(_job(connection, again))
        elif template := request.args.get("template"):
            given |= _of_template(connection, template)
        elif "raw" in given:
            given["raw"] = given["raw"] or _example()
        _ = page().abilities, page().is_busy  # in the page's own transaction
        choices = _choices(connection, given)
    return make_response(_render(given, None, choices))


@bp.post("/send")
@needs(Access.PERSON)
def send_it() -> Response:
    """Read the form; show what is wrong or risky, or send the jobs."""
    given = dict(request.form)
    is_preview = given.get("do") == "preview"
    if is_preview and not page().wants_page:
        order = from_form(page(), given)
        faults = {name: said(fault) for name, fault in order.faults.items()}
        preview = {"faults": faults, "readings": order.readings, "lines": order.lines, "json": order.text}
        preview |= {"held": order.is_held, "risks": order.risks, "cautions": _cautions(order)}  # type: ignore[dict-item]
        return jsonify(preview | _of_target(order))
    with page().reading() as connection:
        _ = page().is_busy  # in the page's own transaction
        order = from_form(page(), given)
        down = order.sky_cautions(page().abilities, page().now_ms)
        is_kept = given.get("do") == "save"
        asks = not (order.faults or is_preview or is_kept)
        asks = asks and bool(order.risks or down) and given.get("sure") != order.digest
        unseen = order.pointing is not None and order.pointing.is_new
        again = _choices(connection, given) if order.faults or is_preview or asks or unseen else None
    if again is not None:
        asks = asks and not unseen
        return make_response(_render(given, order, again, asks=asks), 400 if order.faults else 200)
    if is_kept:
        return kept_templates.ask_for_name(order)
    try:
        sent = _submit(order, given.get("key"))
    except KeyReused as error:
        return _unsent(given, order, _USED, error.status)
    except JobsError as error:
        order.faults[""] = error.sentence.removeprefix("Error: ")
        return make_response(_show(given, order), error.status)
    if sent[0].timestamp_ms < page().now_ms - _ONE_PRESS_MS:
        at = f"{page().times.instant(sent[0].timestamp_ms)} {page().times.unit}"
        return _unsent(given, order, f"this was sent already, at {at}; press Send to send it once more", 409)
    onward = redirect(url_for("pages.now", site=sent[0].site), 303)
    line = gettext(", then: ").join(describe.describe_job(job, page().language) for job in sent)
    if beyond := order.beyond(page().abilities):
        caution = describe.shorten("; ".join(beyond).replace("\n", " "))
        return keep_for_next_page(onward, SENT_WITH_CAUTION, sent[0].ulid, f"{caution}\n{line}")  # type: ignore[arg-type]
    return keep_for_next_page(onward, "sent", sent[0].ulid, line)  # type: ignore[arg-type]


def _unsent(given: Mapping[str, str], order: Order, fault: str, status: int) -> Response:
    """Show the form with a fresh key: a browser that went back may show a page whose key has made its jobs."""
    order.faults[""] = fault
    return make_response(_show({name: text for name, text in given.items() if name != "key"}, order), status)


def _submit(order: Order, key: str | None) -> list[JobRow]:
    """Queue the jobs of an order one after the other, in one transaction."""
    commands = order.submits(page())
    key = parse_key(key or None)
    keyed = [(command, f"{key}-{number}" if key else None) for number, command in enumerate(commands)]
    return service().desk.post_all(keyed, page().actor)


def _show(given: Mapping[str, str], order: Order) -> str:
    with page().reading() as connection:
        choices, _ = _choices(connection, given), page().is_busy
    return _render(given, order, choices)


def _render(given: Mapping[str, str], order: Order | None, choices: Choices, *, asks: bool = False) -> str:
    instances = choices.instances
    device, action = _chosen(given)
    script = given.get("script", "")
    form = page().form(device, action, script)
    expose = page().form("camera", "expose")
    assert expose is not None
    what = {"device": device, "action": action, "instance": instances[device]}
    shown = order or from_form(page(), what | dict(given))
    if order and order.pointing:
        given = order.pointing.given
    return render_template(
        "pages/send.html",
        given=given,
        device=device,
        action=action,
        script=script,
        known=catalogue.action(device, action),
        form=None if "raw" in given else form,
        then=[field for field in expose.fields if field.key in _THEN_KEYS],
        instances=instances,
        offers=offers.offers(page().abilities),
        stops=offers.stops_beside(page().abilities),
        names=page().abilities.instances(device) or (),
        cautions=_cautions(shown) if shown.bodies else _known_cautions(_named(device, action, script)),
        order=order,
        shown=shown,
        by=wall_clocks.called(given["clock"], page().profile) if given.get("clock") else page().times,
        seen=_seen(shown),
        templates=choices.templates,
        asks=asks,
        key=given.get("key") or secrets.token_urlsafe(18),
    )


def _cautions(order: Order) -> dict[str, str]:
    """Return what to warn of before sending; `beyond` is what the site is not known to have or to do."""
    beyond = order.beyond(page().abilities)
    down = order.sky_cautions(page().abilities, page().now_ms)
    warned = {"beyond": beyond, "sky": down}
    return _known_cautions(order) | {name: ". ".join(map(said, found)) + "." for name, found in warned.items() if found}


def _of_target(order: Order) -> dict[str, Any]:
    """Return what a page that is open fills in and shows of a slew's target."""
    found = order.pointing
    if found is None:
        return {}
    fragment = render_template("pages/_target.html", pointing=found, seen=_seen(order), given=found.given)
    return {"filled": found.filled, "target": fragment}


def _seen(order: Order) -> pointing.Seen | None:
    return pointing.seen(page(), order.bodies[0]) if order.bodies and order.pointing else None


def _known_cautions(order: Order) -> dict[str, str]:
    """Return the roles that jobs from here lack for an order, and what the public site software will not do."""
    roles = gettext(" or ").join(order.missing_roles(page().actor.roles))
    return ({"roles": roles} if roles else {}) | dict.fromkeys(order.shortcomings, "")


def _named(device: str, action: str, script: str) -> Order:
    """Stand in for an order that cannot be read yet."""
    return Order([{"device": device, "action": action, "required_params": {"script": script}}])


def _chosen(given: Mapping[str, str]) -> tuple[str, str]:
    """Return the device and the action whose form is shown."""
    device, action = given.get("device", ""), given.get("action", "")
    if device or "raw" in given:
        return device, action
    offered = offers.offers(page().abilities)
    first = offered.get("camera") or next(iter(offered.values()))
    return first.device, "expose" if "expose" in first.actions else first.first


def _choices(connection: Connection, given: Mapping[str, str]) -> Choices:
    """Read what the form of an action offers."""
    instances = {device: _instance(connection, device) for device in (_chosen(given)[0], "camera")}
    return Choices(instances, [row for row in plan_send.of_visitor(connection) if row.kind == "command"])


def _instance(connection: Connection, device: str) -> str:
    if own := page().abilities.instances(device):
        return own[0]
    last = now.last_instance(connection, page().site, device)
    instances = catalogue.devices().get(device, {}).get("instances", {})
    return last or instances.get("always") or instances.get("example") or ""


def _job(connection: Connection, ulid: str) -> JobRow:
    found = queries.job(connection, page().site, ulid)
    if found is None:
        raise NotFound(f"Error: site {page().site} has no job {ulid}")
    return found


def _as_given(job: JobRow) -> dict[str, str]:
    what = {"device": job.device, "instance": job.instance, "action": job.action}
    params = {"required_params": json.loads(job.required_params), "optional_params": json.loads(job.optional_params)}
    return _filled(what | params)


def _of_template(connection: Connection, name: str) -> dict[str, str]:
    of_site = bool(request.args.get("of_site"))
    for row in plan_send.of_visitor(connection):
        if row.name == name and row.kind == "command" and (not row.owner_id) == of_site:
            return _filled({"required_params": {}, "optional_params": {}} | json.loads(row.content))
    raise NotFound(f"Error: there is no template {name[:60]!r} at {page().site}")


def _filled(body: Mapping[str, Any]) -> dict[str, str]:
    """Fill a form with a command: its own form where that can hold it, else raw JSON."""
    device, action = body["device"], body["action"]
    required, optional = dict(body["required_params"]), body["optional_params"]
    script = str(required.pop("script", "")) if (device, action) == ("sequencer", "run") else ""
    form = page().form(device, action, script)
    if form is None or not forms.fits(form, required, optional):
        return {"raw": json.dumps(body, indent=2, ensure_ascii=False)}
    what = {"device": device, "instance": body["instance"], "action": action, "script": script}
    times = {"expires_in_seconds": body.get("expiresInSeconds"), "not_before_seconds": body.get("notBeforeSeconds")}
    what |= {name: forms.written(seconds) for name, seconds in times.items() if seconds}
    return what | {"filled": "yes"} | forms.values_of(form, required, optional)


def _example() -> str:
    body = {"device": "", "instance": "", "action": "", "required_params": {}, "optional_params": {}}
    return json.dumps(body, indent=2)
