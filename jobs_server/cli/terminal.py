"""How jobs look on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .. import clock
from ..domain import results
from ..domain.actors import called
from ..domain.lifecycle import UNREAD, Queue, Result, result_of
from ..errors import on_one_line

if TYPE_CHECKING:
    from ..auth.site_tokens import SiteTokenRow
    from ..client import JobChange
    from ..jobs.lockouts import LockoutRow
    from ..jobs.reservations import ReservationRow
    from ..jobs.rows import EventRow, JobRow, ListedJob


def print_jobs(rows: Iterable[ListedJob], reasons: Mapping[int, str]) -> None:
    """Print a list of jobs, with what was said of the end of those that did not come out well."""
    table = _table("UTC", "Job", "What", "By", "Status")
    for row in rows:
        cells = (_when(row.timestamp_ms), row.ulid, f"{row.action} {row.device} {row.instance}", called(row.user_name))
        why = "" if result_of(row.status) is Result.DONE else reasons.get(row.id, "")
        table.add_row(*map(_cell, (*cells, ": ".join(filter(None, (_status(row), why))))))
    Console().print(table)


def print_job(row: JobRow, events: Sequence[EventRow], pictures: Sequence[str]) -> None:
    """Print one job, what came of it and its history."""
    result = results.merged(event.result for event in events)
    facts = Table.grid(padding=(0, 2))
    for name, value in (
        ("Job", f"{row.action} for {row.device} {row.instance} at {row.site}"),
        ("Asked by", f"{_asked_by(row)}, {_when(row.timestamp_ms)} UTC"),
        ("Status", _status(row)),
        ("Parameters", row.required_params),
        ("Optional", row.optional_params),
        *([("Result", result)] if result is not None else []),
        *([("Pictures", ", ".join(pictures))] if pictures else []),
    ):
        facts.add_row(Text(name, "bold"), _cell(value))
    history = _table("UTC", "Status", "Estimate", "By", "Remark")
    for event in events:
        by = f"{event.actor_known} {called(event.actor_name)}"
        cells = (_when(event.at_ms), _event(event), _estimate(event.seconds_until_complete), by, _remark(event))
        history.add_row(*map(_cell, cells))
    console = Console()
    console.print(facts)
    console.print(history)


def print_lockouts(rows: Iterable[LockoutRow]) -> None:
    """Print lock-outs, newest first."""
    table = _table("UTC", "By", "Why", "Lifted", "Lifted by")
    for row in rows:
        lifted = (_when(row.lifted_ms), row.lifted_by_name or "") if row.lifted_ms is not None else ("in force", "")
        table.add_row(*map(_cell, (_when(row.since_ms), row.by_name, row.note, *lifted)))
    Console().print(table)


def print_reservations(rows: Iterable[ReservationRow]) -> None:
    """Print reservations, in order."""
    table = _table("From, UTC", "To, UTC", "Who", "Type", "Title", "Note", "Id")
    for row in rows:
        cells = (row.creator, row.reservation_type, row.title, row.note, row.event_id)
        table.add_row(*map(_cell, (_when(row.start_ms), _when(row.end_ms), *cells)))
    Console().print(table)


def print_tokens(rows: Iterable[SiteTokenRow]) -> None:
    """Print site tokens."""
    table = _table("Number", "Site", "For", "Made, UTC", "By", "Last used, UTC", "")
    for row in rows:
        used = "never" if row.used_ms is None else _when(row.used_ms)
        state = "" if row.revoked_ms is None else f"revoked {_when(row.revoked_ms)}"
        cells = (str(row.id), row.site, row.name, _when(row.created_ms), row.created_by, used, state)
        table.add_row(*map(_cell, cells))
    Console().print(table)


def event_line(event: EventRow, row: JobRow) -> str:
    """Write one event as a line."""
    remark = f" - {_remark(event)}" if _remark(event) else ""
    estimate = _estimate(event.seconds_until_complete)
    job = f"{row.ulid}  {row.device} {row.instance} {row.action}"
    return on_one_line(f"{_when(event.at_ms)}  {job}: {_event(event)} {estimate}{remark}").rstrip()


def change_line(change: JobChange) -> str:
    """Write one change of a service elsewhere as a line."""
    event, job = change.event, change.job
    status = f"{event.after} (alternate queue)" if event.alternate_queue else event.after
    said = "; ".join(filter(None, (event.mark, event.message)))
    what = f"{job.ulid}  {job.device} {job.instance} {job.action}"
    line = f"{_when(event.timestamp_ms)}  {what}: {status} {_estimate(event.seconds_until_complete)}"
    return on_one_line(f"{line} - {said}" if said else line).rstrip()


def _cell(text: str) -> Text:
    """Make a cell of a text that came from outside: it must not command the terminal."""
    return Text(on_one_line(text))


def _remark(event: EventRow) -> str:
    return "; ".join(filter(None, (event.mark, event.message)))


def _table(*headings: str) -> Table:
    """Make a table in which times and ULIDs, which are copied from it, are never cut."""
    table = Table(box=SIMPLE_HEAD, padding=0, pad_edge=False)
    for heading in headings:
        table.add_column(heading, no_wrap=heading in ("UTC", "Job"), overflow="fold")
    return table


def _status(row: JobRow | ListedJob) -> str:
    if row.replica_status in (UNREAD, row.status):  # most sites never read the alternate queue
        return row.status
    return f"{row.status} (alternate queue: {row.replica_status})"


def _asked_by(row: JobRow) -> str:
    return f"{called(row.user_name)} ({row.user_id})" if row.user_id.strip() else called(row.user_name)


def _event(event: EventRow) -> str:
    return event.status if event.queue == Queue.PRIMARY.value else f"{event.status} (alternate queue)"


def _estimate(seconds: int | None) -> str:
    return "" if seconds is None or seconds < 0 else f"{seconds} s left"


def _when(time_ms: int) -> str:
    """Write a moment; the year only where it is not this one."""
    moment = datetime.fromtimestamp(time_ms / 1000, UTC)
    this_year = moment.year == datetime.fromtimestamp(clock.now_ms() / 1000, UTC).year
    return moment.strftime("%m-%d %H:%M:%S" if this_year else "%Y-%m-%d %H:%M:%S")
