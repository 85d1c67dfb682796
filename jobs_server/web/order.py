"""What a sent form asks for: one job or two, read out of the form, checked, and shown before they are sent."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..domain import commands, lifecycle, strict_json
from ..domain.commands import SubmitJob
from ..domain.language import ENGLISH, Language
from ..errors import BadRequest
from ..observatory import abilities, catalogue, describe, target_cautions
from ..observatory.abilities import Abilities
from ..observatory.decimals import with_points
from . import filled_forms, formats, pointing, wall_clocks
from .context import Page
from .pointing import Pointing

THEN = "then."
"""Before the names of what follows a slew."""

HELD = "not_before_seconds"
"""The field that says how long an order is held back, in seconds, or until when."""
_A_TIME = re.compile(r"\d:\d")


@dataclass
class Order:
    """What is to be sent, and what is wrong with it."""

    bodies: list[dict[str, Any]] = field(default_factory=list)
    """Request bodies of `newjob`, in the order in which they go out."""
    faults: dict[str, str] = field(default_factory=dict)
    """By name of the form's field, a sentence."""
    readings: dict[str, str] = field(default_factory=dict)
    pointing: Pointing | None = None
    """What the form says of a slew's target."""
    language: Language = ENGLISH

    @property
    def lines(self) -> list[str]:
        """Return what the jobs ask for, a line for each job."""
        return [describe.describe(*what_of(body), self.language) for body in self.bodies]

    @property
    def risks(self) -> list[str]:
        """Return what is risky about the order, a sentence for each risk."""
        found = (catalogue.risk(body["device"], body["action"], body["required_params"]) for body in self.bodies)
        return [self.language.text(risk) for risk in found if risk]

    def missing_roles(self, own: Collection[str]) -> list[str]:
        """Return the roles that the site wants for the order, and that jobs with these roles lack."""
        wanted = [catalogue.roles(body["device"], body["action"], body["required_params"]) for body in self.bodies]
        return list(dict.fromkeys(role for each in wanted if not set(each) & set(own) for role in each))

    def beyond(self, known: Abilities) -> list[str]:
        """Return what the order asks for that the site is not known to have or to do, a sentence for each."""
        found = (abilities.cautions(known, *what_of(body)) for body in self.bodies)
        return list(dict.fromkeys(sentence for each in found for sentence in each))

    def sky_cautions(self, known: Abilities, now_ms: int) -> list[str]:
        """Return what is to be said of where the order points a telescope, a sentence for each."""
        found = (target_cautions.of_job(known, *what_of(body), _begins_ms(body, now_ms)) for body in self.bodies)
        return list(dict.fromkeys(sentence for each in found for sentence in each))

    @property
    def shortcomings(self) -> list[str]:
        """Return `ignored` or `broken` where the public site software is known to do so with a job of the order."""
        found = (catalogue.action(body["device"], body["action"]).get("site", "") for body in self.bodies)
        return [known for known in dict.fromkeys(found) if known in ("ignored", "broken")]

    @property
    def text(self) -> str:
        """Write the exact JSON."""
        return "\n".join(json.dumps(body, indent=2, ensure_ascii=False) for body in self.bodies)

    @property
    def digest(self) -> str:
        """Return a name of exactly this order: whoever confirms one order has not confirmed another.

        Of a target that moves the name counts, and not where the target stands at the moment.
        """
        text = self.text
        if self.pointing and self.pointing.follows:
            bodies = [{**each, "required_params": self.pointing.given["target"]} for each in self.bodies]
            text = json.dumps(bodies)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]

    @property
    def is_stop(self) -> bool:
        """Whether one of the jobs is a stop command, which is never held up by a question."""
        return any(lifecycle.is_stop(body["action"], body["required_params"]) for body in self.bodies)

    @property
    def is_held(self) -> bool:
        """Whether the order is held back for a while, and does not go out now."""
        return any(body.get("notBefore") or body.get("notBeforeSeconds") for body in self.bodies)

    def submits(self, page: Page) -> list[SubmitJob]:
        """Return the commands. Raises BadRequest when one is not what the service takes."""
        made = [_command(body) for body in self.bodies]
        for each in made:
            commands.check_site(each, page.settings.sites)
        return made


def _command(body: Mapping[str, Any]) -> SubmitJob:
    try:
        strict_json.check_nesting(body)  # each parameter was read by itself, and stands deeper in the body
    except ValueError as error:
        raise BadRequest(f"Error: the body is not JSON: {error}") from None
    return commands.checked(SubmitJob, body)


def from_form(page: Page, given: Mapping[str, str]) -> Order:
    """Read an order out of a sent form: raw JSON, an action of the catalogue, or one that it does not know."""
    order = Order(language=page.language)
    try:
        if "raw" in given:
            order.bodies.append(_addressed(page, filled_forms.read_object(given["raw"], "the command")))
        else:
            _from_fields(page, given, order)
    except BadRequest as error:
        order.faults[""] = error.sentence.removeprefix("Error: ")
    return order


def _from_fields(page: Page, given: Mapping[str, str], order: Order) -> None:
    device, action, script = (given.get(name, "").strip() for name in ("device", "action", "script"))
    form = page.form(device, action, script)
    if form is None:
        required = filled_forms.read_object(given.get("required_params", ""), "required_params")
        optional = filled_forms.read_object(given.get("optional_params", ""), "optional_params")
    else:
        if (device, action) == ("mount", "go"):
            order.pointing = pointing.read(page, given)
            given = order.pointing.given
        filled = filled_forms.read(form, given)
        order.faults |= filled.faults
        order.readings |= filled.readings
        required, optional = filled.required, filled.optional
        if order.pointing:
            order.faults |= order.pointing.faults
            required = pointing.in_icrs(required, page.now_ms)
        if device == "sequencer" and action == "run":
            required = {"script": script, **required}
            if not script:
                order.faults["script"] = "choose a script; a run without one stops the public site software's polling"
    order.bodies.append(_body(page, device, given.get("instance", "").strip(), action, required, optional))
    _add_seconds(order, given, "expires_in_seconds", "expiresInSeconds")
    _add_hold(page, order, given)
    if given.get("then") == "yes" and (device, action) == ("mount", "go"):
        _add_exposure(page, given, order, str(optional.get("object", "")))


def _add_exposure(page: Page, given: Mapping[str, str], order: Order, target: str) -> None:
    """Let an exposure follow a slew: posted after the slew, in the same transaction, it is handed over after it."""
    form = page.form("camera", "expose")
    assert form is not None
    filled = filled_forms.read(form, given, THEN)
    order.faults |= {THEN + key: sentence for key, sentence in filled.faults.items()}
    held = {key: order.bodies[0][key] for key in ("notBeforeSeconds", "notBefore") if key in order.bodies[0]}
    optional = filled.optional | ({"object_name": target} if target not in ("", "empty") else {})
    instance = given.get(f"{THEN}instance", "").strip()
    order.bodies.append(_body(page, "camera", instance, "expose", filled.required, optional) | held)
    if not instance:
        order.faults[f"{THEN}instance"] = "name the camera"


def _add_hold(page: Page, order: Order, given: Mapping[str, str]) -> None:
    """Hold the first job back for so many seconds, or until a time that somebody writes."""
    text = given.get(HELD, "").strip()
    if not _A_TIME.search(text):
        _add_seconds(order, given, HELD, "notBeforeSeconds")
        return
    name = given.get("clock", "")
    try:
        clock = wall_clocks.called(name, page.profile) if name else wall_clocks.of_site(page.profile)
        due_ms = clock.read(text, page.now_ms)
    except ValueError as error:
        order.faults[HELD] = str(error)
        return
    order.bodies[0]["notBefore"] = formats.iso(due_ms)
    order.readings[HELD] = page.times.both(due_ms)
    if due_ms > page.now_ms + commands.MOST_HOURS_AHEAD * commands.HOUR_MS:
        order.faults[HELD] = f"write a time at most {commands.MOST_HOURS_AHEAD} hours ahead; a plan may begin later"


def _add_seconds(order: Order, given: Mapping[str, str], name: str, key: str) -> None:
    text = given.get(name, "").strip()
    if not text:
        return
    try:
        pointed = with_points(text)
    except ValueError as error:
        order.faults[name] = str(error)
        return
    try:
        value = float(pointed)
        order.bodies[0][key] = int(value) if value == int(value) else value
    except (ValueError, OverflowError):
        order.faults[name] = f"{text[:40]!r} is no number of seconds"


def _body(page: Page, device: str, instance: str, action: str, required: Any, optional: Any) -> dict[str, Any]:
    body = {"site": page.site, "device": device, "instance": instance, "action": action}
    return _addressed(page, {**body, "required_params": required, "optional_params": optional})


def _addressed(page: Page, body: dict[str, Any]) -> dict[str, Any]:
    """Put in who sends the job: the person at this page, whatever the JSON says."""
    for key in ("required_params", "optional_params"):
        if not isinstance(body.setdefault(key, {}), dict):
            raise BadRequest(f"Error: {key} must be an object")
    for key in ("device", "instance", "action"):
        if not isinstance(body.get(key), str) or not body[key].strip():
            raise BadRequest(f"Error: name the {key}")
    who = {"user_name": page.actor.name, "user_id": page.actor.id}
    return {"site": page.site, **body, **who}


def _begins_ms(body: Mapping[str, Any], now_ms: int) -> int:
    """Return when a job may begin; at once where what is said is none that is taken."""
    try:
        return now_ms + max(0, _command(body).hold_ms(now_ms))
    except BadRequest:
        return now_ms


def what_of(body: Mapping[str, Any]) -> tuple[str, str, str, dict[str, Any], dict[str, Any]]:
    """Return what a body asks for: device, instance, action and both kinds of parameters."""
    return body["device"], body["instance"], body["action"], body["required_params"], body["optional_params"]
