"""The page Notifications: what is shown beside the page in this browser, and addresses for alerts of one's own."""

from __future__ import annotations

from threading import BoundedSemaphore
from typing import NamedTuple
from urllib.parse import urlsplit

from flask import Response, make_response, redirect, render_template, request, url_for

from .. import clock
from ..auth import gate
from ..auth.access import Access, needs
from ..domain.language import marked
from ..errors import BadRequest, Conflict, Forbidden, NotFound, TaskFailed, TooMany, shown
from ..jobs import alert_addresses
from ..jobs.alert_addresses import OPERATOR, AlertAddressRow, Wanted
from ..service import service, transaction
from ..upkeep import posting
from . import site
from .actions import keep_for_next_page
from .blueprint import bp
from .context import page

CHOICES = (
    ("on_failed", marked("My job failed, was lost or expired")),
    ("on_done", marked("My job or plan is done")),
    ("on_stopped", marked("Somebody sends a stop here")),
    ("on_plan", marked("My plan is paused or has ended")),
)
_EXAMPLES = {"ntfy": "https://ntfy.sh/my-secret-topic", "gotify": "https://HOST/message?token=…"}
_FIRST_CHOSEN = ("on_failed", "on_stopped", "on_plan")
_TEST = "This is a test: alerts of your own from jobs_server arrive here."
_MOST_TRIES_AT_ONCE = 2
_trying = BoundedSemaphore(_MOST_TRIES_AT_ONCE)
"""Each try holds a thread of the server until the address answers."""


class Owner(NamedTuple):
    """Whose addresses the page shows."""

    id: str
    name: str
    may_reach_all: bool


class Tried(NamedTuple):
    """What came of a try of an address."""

    id: int
    is_taken: bool
    sentence: str


@bp.get("/notifications")
@needs(Access.ANYBODY)
def notifications() -> Response:
    """Show what is shown in this browser, and the visitor's addresses."""
    return make_response(_show())


@bp.post("/act/name-alert-address")
@needs(Access.PERSON)
def name_alert_address() -> Response:
    """Keep an address, or show what is wrong with it."""
    owner, wanted, code = _needed_owner(), _wanted(), site.needed_code()
    try:
        with transaction(code) as connection:
            alert_addresses.add(connection, wanted, owner[:2], code, clock.read(), may_reach_all=owner.may_reach_all)
    except (BadRequest, Conflict) as refusal:
        sentence = refusal.sentence.removeprefix("Error: ")
        return make_response(_show(wanted=wanted, fault=sentence[:1].upper() + sentence[1:]), refusal.status)
    return _back("address")


@bp.post("/act/choose-alerts")
@needs(Access.PERSON)
def choose_alerts() -> Response:
    """Change what is sent to an address."""
    owner = _needed_owner()
    with transaction(page().site) as connection:
        alert_addresses.choose(connection, owner.id, _number(), _wanted())
    return _back("saved")


@bp.post("/act/remove-alert-address")
@needs(Access.PERSON)
def remove_alert_address() -> Response:
    """Forget an address."""
    owner = _needed_owner()
    with transaction(page().site) as connection:
        alert_addresses.remove(connection, owner.id, _number())
    return _back("deleted")


@bp.post("/act/try-alert-address")
@needs(Access.PERSON)
def try_alert_address() -> Response:
    """Send a test to an address, and say what came of it."""
    owner = _needed_owner()
    service().limits.alert_try(owner.id)
    with page().snapshot() as connection:
        address = alert_addresses.found(connection, owner.id, _number())
    return make_response(_show(tried=_try(address)))


def _try(address: AlertAddressRow) -> Tried:
    """Send a test, with no connection to the database held meanwhile."""
    if not _trying.acquire(blocking=False):
        raise TooMany("Error: other addresses are being tried just now; try again in a moment", retry_after_seconds=5)
    try:
        posting.post(page().settings, address, _TEST)
    except TaskFailed as failure:
        return Tried(address.id, False, f"It did not arrive: {failure.message}.")
    finally:
        _trying.release()
    with transaction(address.site) as connection:  # What waited because the address failed is sent now.
        alert_addresses.note_taken(connection, address._replace(left_out=0), clock.now_ms())
    return Tried(address.id, True, f"{urlsplit(address.url).hostname} took it. Does it show where you look?")


def _show(*, wanted: Wanted | None = None, fault: str = "", tried: Tried | None = None) -> str:
    owner = _owner()
    with page().reading() as connection:
        addresses = alert_addresses.of_person(connection, owner.id) if owner else []
    chosen = set(_FIRST_CHOSEN) if wanted is None else {name for name, _ in CHOICES if getattr(wanted, name)}
    return render_template(
        "pages/notifications.html",
        owner=owner,
        is_offered=page().settings.own_alerts == "on",
        addresses=addresses,
        most=alert_addresses.MOST_ADDRESSES,
        choices=CHOICES,
        examples=_EXAMPLES,
        chosen=chosen,
        wanted=wanted,
        fault=fault,
        tried=tried,
        networks=page().settings.own_alert_networks,
        host_of=lambda url: urlsplit(url).hostname or "?",
    )


def _back(what: str) -> Response:
    """Redirect to the page, which says what was done."""
    response = redirect(url_for("pages.notifications", site=page().site), 303)
    return keep_for_next_page(response, what)  # type: ignore[arg-type]


def _owner() -> Owner | None:
    """Return whose addresses the visitor may see: a person's own; without sign-in the operator's, at the PC alone."""
    if page().settings.own_alerts == "off":
        return None
    if page().is_open:
        return Owner(OPERATOR, "", True) if page().may_administer else None
    if gate.signed_in() is None:
        return None
    actor = page().actor
    return Owner(actor.id, actor.name, actor.is_admin)


def _needed_owner() -> Owner:
    """Return whose addresses the visitor may change. Raises Forbidden."""
    owner = _owner()
    if owner is None:
        where = "on this server" if page().settings.own_alerts == "off" else "from here: it is done at the server's PC"
        raise Forbidden(f"Error: no addresses for alerts can be named {where}")
    return owner


def _wanted() -> Wanted:
    given = request.form
    if any("\0" in value for value in given.values()):
        raise BadRequest("Error: the form holds characters that no text has")
    return Wanted(given.get("kind", "ntfy"), given.get("url", ""), *(given.get(name) == "yes" for name, _ in CHOICES))


def _number() -> int:
    """Return the number of the address that a form is about. Raises NotFound."""
    number = request.form.get("address", "")
    if not number.isdecimal() or len(number) > 17:
        raise NotFound(f"Error: you have no address {shown(number)}")
    return int(number)
