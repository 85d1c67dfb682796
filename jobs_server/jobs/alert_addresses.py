"""Where people have alerts of their own sent, and what is due to each address."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit, urlunsplit

from sqlalchemy import BigInteger, BindParameter, bindparam, delete, func, insert, select, text, update

from ..clock import Now
from ..errors import BadRequest, Conflict, Fault, NotFound, shown
from ..storage.models import AlertAddress, AlertDue, AlertMark
from ..storage.statement import Connection, Statement
from . import events

OPERATOR = ""
"""Stands for the person who looks after a service without sign-in: nobody else's name could be believed there."""
KINDS = ("ntfy", "gotify", "webhook")
MOST_ADDRESSES = 5
"""So many addresses one person may have."""
MOST_DUE = 50
"""So many alerts wait for one address; of later ones only the number is kept."""
LONGEST_URL = 1000

_GOTIFY = "/message"


class AlertAddressRow(NamedTuple):
    """One row of the table `alert_address`; see `models.AlertAddress`."""

    id: int
    person_id: str
    person_name: str
    site: str
    kind: str
    url: str
    on_failed: int
    on_done: int
    on_stopped: int
    on_plan: int
    may_reach_all: int
    made_ms: int
    since_seq: int
    tries: int
    not_before_ms: int
    left_out: int
    taken_ms: int | None
    failing_since_ms: int | None
    failure: str | None

    @property
    def place(self) -> str:
        """Return where alerts go as people and logs may see it, without what is secret in the address."""
        return f"{self.kind} at {urlsplit(self.url).hostname or '?'}"


class DueRow(NamedTuple):
    """An alert that is to be sent."""

    id: int
    sentence: str
    at_ms: int


class Wanted(NamedTuple):
    """An address as somebody names it."""

    kind: str
    url: str
    on_failed: bool
    on_done: bool
    on_stopped: bool
    on_plan: bool


class Mark(NamedTuple):
    """Up to where the history of a site was looked through."""

    seq: int
    plan_number: int


_ALL = tuple(getattr(AlertAddress, name) for name in AlertAddressRow._fields)
_VALUES: dict[str, BindParameter[object]] = {name: bindparam(name) for name in AlertAddressRow._fields if name != "id"}
_PERSON = AlertAddress.person_id == bindparam("of_person")
_THIS = AlertAddress.id == bindparam("which")
_LIST = Statement(select(*_ALL).order_by(AlertAddress.id))
_OF_PERSON = Statement(select(*_ALL).where(_PERSON).order_by(AlertAddress.id))
_FIND = Statement(select(*_ALL).where(_PERSON, _THIS))
_INSERT = Statement(insert(AlertAddress).values(_VALUES).returning(*_ALL))
_DELETE = Statement(delete(AlertAddress).where(_THIS))
_DELETE_ALL_DUE = Statement(delete(AlertDue).where(AlertDue.address_id == bindparam("which")))
_CHOOSE = Statement(
    update(AlertAddress)
    .where(_PERSON, _THIS)
    .values({name: bindparam(f"new_{name}") for name in ("on_failed", "on_done", "on_stopped", "on_plan")})
    .returning(*_ALL)
)
_COUNT_DUE = Statement(select(AlertDue.address_id, func.count()).group_by(AlertDue.address_id))
_INSERT_DUE = Statement(
    insert(AlertDue).values({each: bindparam(each) for each in ("address_id", "sentence", "at_ms")})
)
_LEAVE_OUT = Statement(
    update(AlertAddress).where(_THIS).values(left_out=AlertAddress.left_out + bindparam("more", type_=BigInteger))
)
_DUE = Statement(
    select(AlertDue.id, AlertDue.sentence, AlertDue.at_ms)
    .where(AlertDue.address_id == bindparam("which"))
    .order_by(AlertDue.id)
)
_DROP_DUE = Statement(delete(AlertDue).where(AlertDue.id == bindparam("due_id")))
_TAKEN = Statement(
    update(AlertAddress)
    .where(_THIS)
    .values(
        tries=0,
        not_before_ms=0,
        left_out=AlertAddress.left_out - bindparam("told", type_=BigInteger),
        taken_ms=bindparam("at_ms"),
        failing_since_ms=None,
        failure=None,
    )
)
_NOT_TAKEN = Statement(
    update(AlertAddress)
    .where(_THIS)
    .values(
        tries=AlertAddress.tries + 1,
        not_before_ms=bindparam("again_ms"),
        failing_since_ms=func.coalesce(AlertAddress.failing_since_ms, bindparam("at_ms", type_=BigInteger)),
        failure=bindparam("reason"),
    )
)
_MARKS = Statement(select(AlertMark.site, AlertMark.seq, AlertMark.plan_number))
_SET_MARK = Statement(
    text(
        "INSERT INTO alert_mark (site, seq, plan_number) VALUES (:of_site, :seq, :plan_number)"
        " ON CONFLICT (site) DO UPDATE SET seq = excluded.seq, plan_number = excluded.plan_number"
    )
)


def checked_url(kind: str, url: str) -> str:
    """Return an address as it is kept. Raises BadRequest when it is none of its kind."""
    url = url.strip()
    try:
        parts = urlsplit(url)
        is_http = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of a port that is no number
        is_http = False
    if not is_http or len(url) > LONGEST_URL or not url.isprintable() or " " in url:
        raise _wrong("write an address that begins with https:// or http://")
    if kind not in KINDS:
        raise _wrong(f"choose one of {', '.join(KINDS)}")
    if kind == "ntfy" and parts.path.strip("/") == "":
        raise _wrong("write ntfy's address with a topic at its end, such as https://ntfy.sh/my-secret-topic")
    if kind != "gotify":
        return url
    if not parse_qs(parts.query).get("token"):
        raise _wrong("write Gotify's address with the token, such as https://gotify.example.org/message?token=A1b2")
    path = parts.path.rstrip("/").removesuffix(_GOTIFY) + _GOTIFY
    return urlunsplit(parts._replace(path=path))


def _wrong(sentence: str) -> BadRequest:
    return BadRequest(f"Error: {sentence}", [Fault("url", sentence)])


def add(
    connection: Connection, wanted: Wanted, person: tuple[str, str], site: str, now: Now, *, may_reach_all: bool
) -> AlertAddressRow:
    """Keep an address of a person, who is given by id and name, for what happens from now on.

    Raises BadRequest, and Conflict when the person has as many as may be.
    """
    url = checked_url(wanted.kind, wanted.url)
    known = of_person(connection, person[0])
    if any(each.url == url and each.site == site for each in known):
        raise Conflict("Error: this address is named already")
    if len(known) >= MOST_ADDRESSES:
        raise Conflict(f"Error: {MOST_ADDRESSES} addresses are named, as many as may be; remove one first")
    values: dict[str, object] = {
        **dict.fromkeys(("tries", "not_before_ms", "left_out"), 0),
        **dict.fromkeys(("taken_ms", "failing_since_ms", "failure"), None),
        **_choices(wanted),
        "person_id": person[0],
        "person_name": person[1],
        "site": site,
        "kind": wanted.kind,
        "url": url,
        "may_reach_all": int(may_reach_all),
        "made_ms": now.wall_ms,
        "since_seq": events.newest(connection),
    }
    return AlertAddressRow._make(connection.rows(_INSERT, **values)[0])


def choose(connection: Connection, person_id: str, address_id: int, wanted: Wanted) -> AlertAddressRow:
    """Change what is sent to an address of a person. Raises NotFound."""
    chosen = {f"new_{name}": value for name, value in _choices(wanted).items()}
    row = connection.row(_CHOOSE, of_person=person_id, which=address_id, **chosen)
    return AlertAddressRow._make(_there(row, address_id))


def remove(connection: Connection, person_id: str, address_id: int) -> None:
    """Forget an address of a person, and what is due to it. Raises NotFound."""
    found(connection, person_id, address_id)
    connection.run(_DELETE_ALL_DUE, which=address_id)
    connection.run(_DELETE, which=address_id)


def found(connection: Connection, person_id: str, address_id: int) -> AlertAddressRow:
    """Return an address of a person. Raises NotFound."""
    return AlertAddressRow._make(_there(connection.row(_FIND, of_person=person_id, which=address_id), address_id))


def _there(row: tuple[object, ...] | None, address_id: int) -> tuple[object, ...]:
    if row is None:
        raise NotFound(f"Error: you have no address {shown(str(address_id))}")
    return row


def _choices(wanted: Wanted) -> dict[str, int]:
    return {name: int(value) for name, value in wanted._asdict().items() if name.startswith("on_")}


def of_person(connection: Connection, person_id: str) -> list[AlertAddressRow]:
    """List the addresses of a person."""
    return [AlertAddressRow._make(row) for row in connection.rows(_OF_PERSON, of_person=person_id)]


def list_all(connection: Connection) -> list[AlertAddressRow]:
    """List the addresses of all."""
    return [AlertAddressRow._make(row) for row in connection.rows(_LIST)]


def marks(connection: Connection) -> dict[str, Mark]:
    """Return by site up to where its history was looked through."""
    return {site: Mark(*mark) for site, *mark in connection.rows(_MARKS)}


def set_mark(connection: Connection, site: str, mark: Mark) -> None:
    """Keep up to where the history of a site was looked through."""
    connection.run(_SET_MARK, of_site=site, **mark._asdict())


def put_due(connection: Connection, alerts: Iterable[tuple[int, str, int]]) -> None:
    """Keep what is to be sent, each with its address's id and when it happened; count what finds no place."""
    waiting: dict[int, int] = dict(connection.rows(_COUNT_DUE))
    kept: list[dict[str, object]] = []
    left_out: dict[int, int] = {}
    for address_id, sentence, at_ms in alerts:
        waiting[address_id] = waiting.get(address_id, 0) + 1
        if waiting[address_id] > MOST_DUE:
            left_out[address_id] = left_out.get(address_id, 0) + 1
        else:
            kept.append({"address_id": address_id, "sentence": sentence, "at_ms": at_ms})
    if kept:
        connection.run_many(_INSERT_DUE, kept)
    for address_id, more in left_out.items():
        connection.run(_LEAVE_OUT, which=address_id, more=more)


def waiting(connection: Connection) -> set[int]:
    """Return the ids of the addresses to which something is due."""
    return {row[0] for row in connection.rows(_COUNT_DUE)}


def due(connection: Connection, address_id: int) -> list[DueRow]:
    """List what is due to an address, oldest first."""
    return [DueRow._make(row) for row in connection.rows(_DUE, which=address_id)]


def drop(connection: Connection, alerts: Sequence[DueRow]) -> None:
    """Forget what was sent, or is too old to be sent."""
    if alerts:
        connection.run_many(_DROP_DUE, [{"due_id": each.id} for each in alerts])


def note_taken(connection: Connection, address: AlertAddressRow, at_ms: int) -> None:
    """Note that an address took what was sent, with the number of those that had been left out."""
    connection.run(_TAKEN, which=address.id, told=address.left_out, at_ms=at_ms)


def note_not_taken(connection: Connection, address: AlertAddressRow, reason: str, at_ms: int, again_ms: int) -> None:
    """Note that an address took nothing, why, and when it is tried again."""
    connection.run(_NOT_TAKEN, which=address.id, reason=reason, at_ms=at_ms, again_ms=again_ms)
