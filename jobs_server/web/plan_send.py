"""The form that sends a plan: a target, a series of exposures, its times, with its length and end as one types."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from itertools import accumulate
from typing import Any, NamedTuple

from flask import Response, jsonify, make_response, redirect, render_template, request, url_for

from .. import clock
from ..auth.access import Access, needs
from ..domain import commands
from ..domain.commands import parse_key
from ..domain.plan_commands import MOST_BODY_BYTES, ListTemplates
from ..errors import BadRequest, JobsError, KeyReused, NotFound
from ..history import now, plan_skies, plan_views
from ..jobs import plan_edits, plan_queries, plans, templates
from ..jobs.plan_rows import TemplateRow
from ..observatory import catalogue, describe, sequence_steps
from ..observatory.sequences import Sequence as Brought
from ..service import service
from ..storage.statement import Connection
from . import kept_templates, plan_additions, plan_order, pointing, series
from .actions import keep_for_next_page
from .blueprint import bp
from .context import page
from .order import what_of
from .plan_order import PlanOrder
from .texts import gettext, said

_ONE_PRESS_MS = 10_000
_USED = "this form has sent another plan already; press Send to send what stands here now"
_LISTED = 60
"""So many steps are listed beside the form."""


class Line(NamedTuple):
    """A step as it is listed beside the form."""

    begins_ms: int
    text: str


class Summary(NamedTuple):
    """What a plan would be, as far as that can be read."""

    order: PlanOrder
    fault: str = ""
    """Why it would be refused."""
    lines: tuple[Line, ...] = ()
    steps: int = 0
    seconds: float = 0.0
    end_ms: int | None = None
    cautions: tuple[str, ...] = ()
    roles: str = ""
    risks: tuple[str, ...] = ()
    sky: tuple[str, ...] = ()
    """What is to be said of where the plan points the telescope, as each slew's turn comes and ends."""


@bp.get("/plans/new")
@needs(Access.ANYBODY)
def new_plan() -> Response:
    """Show the form of a plan: empty, of a template, or of a plan to be sent again."""
    given = {"slew": "yes"} | dict(request.args)
    with page().reading() as connection:
        _ = page().abilities, page().pause  # in the page's own transaction
        if name := request.args.get("template"):
            given |= _of_template(connection, name, of_site=bool(request.args.get("of_site")))
        elif again := request.args.get("again"):
            given |= _of_plan(connection, again)
        elif "to" in given:
            given |= plan_additions.beginning(connection, given["to"])
        elif "raw" in given:
            given["raw"] = given["raw"] or "[]"
        order = _read(connection, given)
        order.faults.clear()  # Nobody has filled it in yet.
        shown = _summary(connection, order)
        rows = of_visitor(connection)
    return make_response(_render(shown, rows))


@bp.post("/plans/new")
@needs(Access.PERSON)
def send_plan() -> Response:
    """Read the form: change its rows, show what it comes to, keep it as a template, or send the plan."""
    request.max_content_length = MOST_BODY_BYTES
    given, do = dict(request.form), request.form.get("do", "send")
    is_shown = do == "preview" or series.is_deed(do)
    with page().reading() as connection:
        _ = page().pause  # in the page's own transaction
        order = _read(connection, given)
        shown = _summary(connection, order)
        rows = of_visitor(connection)
    if is_shown and not page().wants_page:
        return jsonify(_preview(shown))
    unseen = order.pointing is not None and order.pointing.is_new
    asks = bool(shown.risks or shown.sky) and given.get("sure") != order.digest and do == "send"
    if is_shown or order.faults or unseen:
        if series.is_deed(do):
            order.faults.clear()
        return make_response(_render(shown, rows, is_unsent=not is_shown), 400 if order.faults else 200)
    if do == "save":
        return _save(shown, rows)
    if asks:
        return make_response(_render(shown, rows, asks=True))
    return _send(shown, rows)


def _read(connection: Connection, given: Mapping[str, str]) -> PlanOrder:
    """Read the form; steps that are added to a plan begin when the plan would have ended."""
    order = plan_order.from_form(page(), with_devices(connection, given))
    if to := order.given.get("to"):
        order.not_before_ms = plan_additions.begins_ms(connection, to)
    return order


def _send(shown: Summary, rows: list[TemplateRow]) -> Response:
    order = shown.order
    try:
        if to := order.given.get("to"):
            plan_additions.add(to, order.steps, parse_key(order.given.get("key") or None))
            onward = redirect(url_for("pages.plan", ulid=to, site=page().site), 303)
            return keep_for_next_page(onward, "plan-added")  # type: ignore[arg-type]
        command = order.command(page())
        plan, _ = service().plans.new(command, page().actor, parse_key(order.given.get("key") or None))
    except KeyReused as error:
        return _refused(shown, rows, _USED, error.status)
    except JobsError as error:
        return _refused(shown, rows, error.sentence.removeprefix("Error: "), error.status, keeps_key=True)
    if plan.created_ms < page().now_ms - _ONE_PRESS_MS:
        at = f"{page().times.instant(plan.created_ms)} {page().times.unit}"
        return _refused(shown, rows, f"this was sent already, at {at}; press Send to send it once more", 409)
    onward = redirect(url_for("pages.plan", ulid=plan.ulid, site=plan.site), 303)
    return keep_for_next_page(onward, "plan-sent")  # type: ignore[arg-type]


def _refused(shown: Summary, rows: list[TemplateRow], fault: str, status: int, *, keeps_key: bool = False) -> Response:
    shown.order.faults[""] = fault
    if not keeps_key:
        shown.order.given.pop("key", None)
    return make_response(_render(shown, rows, is_unsent=True), status)


def _save(shown: Summary, rows: list[TemplateRow]) -> Response:
    given, order = shown.order.given, shown.order
    plan = {key: value for key, value in order.body().items() if key in ("title", "steps", "onFailure")}
    try:
        kept = kept_templates.keep(given, order.title, {"plan": plan})
    except JobsError as error:
        return _refused(shown, rows, error.sentence.removeprefix("Error: "), error.status, keeps_key=True)
    where = url_for("pages.new_plan", site=page().site, template=kept.name, of_site=None if kept.owner_id else "yes")
    onward = redirect(where, 303)
    return keep_for_next_page(onward, "template")  # type: ignore[arg-type]


def _summary(connection: Connection, order: PlanOrder) -> Summary:
    """Return what a plan comes to, with the rows that can be read."""
    if not order.steps:
        return Summary(order)
    sky = tuple(order.jobs.sky_cautions(page().abilities, order.begins_ms(page().now_ms)))
    try:
        draft = plans.drafted(order.command(page()), page().actor, clock.read())
    except BadRequest as error:
        key = next((key for key in ("until", "not_before") if key.replace("_", "") in error.sentence.lower()), "")
        order.faults.setdefault(key, error.sentence.removeprefix("Error: "))
        return Summary(order, fault=error.sentence.removeprefix("Error: "), sky=sky)
    at_once = service().profiles.is_at_once(page().site)
    public = plan_views.whole(connection, service().plan_times, *draft, clock.read(), at_once=at_once)
    jobs, seconds = order.jobs, [step["estimated_seconds"] for step in public["steps"]]
    begins_ms = list(accumulate((1000 * each for each in seconds), initial=order.begins_ms(page().now_ms)))
    return Summary(
        order,
        lines=tuple(_lines(order, begins_ms)),
        steps=len(public["steps"]),
        seconds=public["estimated_seconds"],
        end_ms=public["estimated_end_ms"],
        cautions=(*public["cautions"], *jobs.beyond(page().abilities)),
        roles=gettext(" or ").join(jobs.missing_roles(page().actor.roles)),
        risks=tuple(jobs.risks),
        sky=tuple(plan_skies.cautions(page().abilities, jobs.bodies, begins_ms, public["estimated_end_ms"], _says)),
    )


def _says(at_ms: float) -> str:
    return f"{page().times.hour(round(at_ms))} {page().times.unit}"


def _lines(order: PlanOrder, begins_ms: list[float]) -> list[Line]:
    found = []
    for step, at_ms in zip(order.jobs.bodies[:_LISTED], begins_ms, strict=False):
        found.append(Line(round(at_ms), describe.describe(*what_of(step), page().language)))
    return found


def _preview(shown: Summary) -> dict[str, Any]:
    """Return what an open page fills in and shows while somebody fills in the form."""
    order = shown.order
    found: dict[str, Any] = {
        "faults": {name: said(fault) for name, fault in order.faults.items()},
        "readings": order.readings,
        "title": order.title,
    }
    found["summary"] = render_template("pages/_plan_summary.html", shown=shown, sky=shown.sky)
    found["rows"] = render_template("pages/_plan_rows.html", order=order, **_choices())
    found["filled"] = order.pointing.filled if order.pointing else {}
    found["target"] = _target(order)
    return found


def _target(order: PlanOrder) -> str:
    return render_template("pages/_target.html", pointing=order.pointing, seen=_seen(order), given=order.given)


def _seen(order: PlanOrder) -> pointing.Seen | None:
    return pointing.seen(page(), order.jobs.bodies[0]) if order.pointing and order.steps else None


def _choices() -> dict[str, Any]:
    """Return which filters and binnings the form offers; none where nobody says which there are."""
    form = page().form("camera", "expose")
    assert form is not None
    offered = {each.key: each.texts for each in form.fields if each.key in ("filter", "bin")}
    return {"filters": offered["filter"], "binnings": offered["bin"]}


def show_brought(given: Mapping[str, str], brought: Brought) -> str:
    """Render the form with what was read out of files, for whoever sends it to look at."""
    with page().reading() as connection:
        _ = page().abilities, page().pause  # in the page's own transaction
        order = plan_order.from_form(page(), with_devices(connection, given))
        shown, rows = _summary(connection, order), of_visitor(connection)
    return _render(shown, rows, brought=brought)


def _render(
    shown: Summary,
    rows: list[TemplateRow],
    *,
    asks: bool = False,
    is_unsent: bool = False,
    brought: Brought | None = None,
) -> str:
    order, known = shown.order, page().abilities
    return render_template(
        "pages/plan_new.html",
        given=order.given,
        order=order,
        shown=shown,
        sky=shown.sky,
        asks=asks,
        is_unsent=is_unsent,
        brought=brought,
        seen=_seen(order),
        templates=[row for row in rows if row.kind == "plan"],
        cameras=known.instances("camera") or (),
        mounts=known.instances("mount") or (),
        focus=sequence_steps.focus_step(known),
        to=order.given.get("to", ""),
        key=order.given.get("key") or secrets.token_urlsafe(18),
        **_choices(),
    )


def with_devices(connection: Connection, given: Mapping[str, str]) -> dict[str, str]:
    """Return a form with the devices that are most likely meant, where it names none."""
    return dict(given) | {
        device: given.get(device, "").strip() or _instance(connection, device) for device in ("camera", "mount")
    }


def _instance(connection: Connection, device: str) -> str:
    if own := page().abilities.instances(device):
        return own[0]
    instances = catalogue.devices().get(device, {}).get("instances", {})
    return now.last_instance(connection, page().site, device) or str(instances.get("example", ""))


def of_visitor(connection: Connection) -> list[TemplateRow]:
    """List the templates of the site and of whoever looks."""
    actor = page().actor
    asked = commands.checked(ListTemplates, {"site": page().site or "?", "user_id": actor.id, "user_name": actor.name})
    return templates.listed(connection, asked, actor)


def _of_template(connection: Connection, name: str, *, of_site: bool) -> dict[str, str]:
    for row in of_visitor(connection):
        if row.name == name and row.kind == "plan" and (not row.owner_id) == of_site:
            plan = json.loads(row.content)
            return filled_with(plan["title"], plan["onFailure"], plan["steps"] * plan.get("repeat", 1))
    raise NotFound(f"Error: there is no template {name[:60]!r} at {page().site}")


def _of_plan(connection: Connection, ulid: str) -> dict[str, str]:
    found = plan_queries.found(connection, page().site, ulid)
    steps = [plan_edits.as_sent(each.step) for each in plan_queries.steps(connection, found.id)]
    return filled_with(found.title, found.on_failure, steps)


def filled_with(title: str, on_failure: str, steps: list[dict[str, Any]]) -> dict[str, str]:
    """Return a form that is filled with a plan: its own where that can hold the plan, else its steps as JSON."""
    common = {"title": title, "on_failure": on_failure, "slew": ""}
    form = plan_order.as_form(page(), steps)
    return common | (form or {"raw": json.dumps(steps, indent=2, ensure_ascii=False)})
