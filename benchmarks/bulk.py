"""A long believable history, written straight into the tables: the service's own operations would take days."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn
from ulid import ULID

from jobs_server.storage.models import Job, JobEvent
from jobs_server.storage.sqlite_driver import driver

SITES = ("wmd", "mrc1", "eco1", "tst", "sro")
DAY_MS = 24 * 60 * 60 * 1000
A_NIGHT = 400
"""Jobs of one site in one night."""

_COMMANDS = Path(__file__).parents[1] / "tests" / "data" / "commands.jsonl"
_NIGHT_MS = 10 * 60 * 60 * 1000
_AT_ONCE = 20_000
_PEOPLE = ("Vera", "Tycho", "Caroline", "Annie", "Henrietta", "Cecilia", "Edwin", "Jocelyn")
# What became of a hundred jobs: the statuses that each had after UNREAD, so that there are three events on average.
_LIVES = (
    *[("RECEIVED", "COMPLETE")] * 88,
    *[("RECEIVED", "STARTED", "COMPLETE")] * 5,
    *[("RECEIVED", "FAILED")] * 2,
    *[("CANCELED",)] * 4,
    ("EXPIRED",),
)
_WITHDRAWN = {"CANCELED", "EXPIRED"}
_STEP_MS = 1500
_AT_THEIR_DEFAULT = (
    "covers_site",
    "result",
    "replica_seconds_until_complete",
    "replica_cancel_requested",
    "replica_against_label",
    "plan",
    "until_after_ms",
    "rank",
    "is_next",
    "carried_ms",
    "replica_carried_ms",
    "edit",
)

_Row = tuple[Any, ...]


class Filled(NamedTuple):
    """What was written."""

    jobs: int
    events: int
    bytes: int


def fill(path: str, count: int, until_ms: int, console: Console) -> Filled:
    """Write so many ended jobs into a prepared database, the last of them in the night that ends at a time."""
    connection = driver.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")  # nothing is promised to anybody yet
    job, event = _insert(Job), _insert(JobEvent)
    history, events = _history(count, until_ms), 0
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress("filling", *columns, console=console, transient=True) as progress:
        task = progress.add_task("filling", total=count)
        while batch := list(islice(history, _AT_ONCE)):
            lives = [each for _, life in batch for each in life]
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(job, [row for row, _ in batch])
            connection.executemany(event, lives)
            connection.execute("COMMIT")
            events += len(lives)
            progress.advance(task, len(batch))
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return Filled(count, events, Path(path).stat().st_size)


def _insert(table: type[Job] | type[JobEvent]) -> str:
    names = [name for name in (column.key for column in table.__table__.columns) if name not in _AT_THEIR_DEFAULT]
    return f"INSERT INTO {table.__tablename__} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"


def _history(count: int, until_ms: int) -> Iterator[tuple[_Row, list[_Row]]]:
    """Make jobs night by night, site by site, each with its events."""
    chance, seqs = random.Random(7), iter(range(1, 2**62))
    commands, lives = cycle(_commands(chance)), cycle(chance.sample(_LIVES, len(_LIVES)))
    nights = -(-count // (A_NIGHT * len(SITES)))
    made = 0
    for night in range(nights):
        begin_ms = until_ms - (nights - 1 - night) * DAY_MS - _NIGHT_MS
        for number in range(A_NIGHT):
            at_ms = begin_ms + number * (_NIGHT_MS // A_NIGHT)
            for offset, site in enumerate(SITES):
                if made == count:
                    return
                made += 1
                yield _job(made, site, at_ms + offset, next(commands), next(lives), seqs)


def _job(number: int, site: str, at_ms: int, command: _Row, life: tuple[str, ...], seqs: Iterator[int]) -> Any:
    ulid = str(ULID(at_ms.to_bytes(6, "big") + number.to_bytes(10, "big")))
    end, end_ms = life[-1], at_ms + len(life) * _STEP_MS
    phase, heard_ms = ("withdrawn", None) if end in _WITHDRAWN else ("ended", end_ms)
    *texts, user_name, user_id = command
    accepted = (at_ms, at_ms, 0, 0, 900_000, None, 0, 0)
    job = (number, ulid, site, *texts, user_name, user_id, "[]", 0, *accepted, end, phase, None, heard_ms, heard_ms)
    replica = ("UNREAD", "withdrawn", None, None, None)
    told = [
        (next(seqs), number, site, at_ms, 0, "UNREAD", None, "said", user_id, user_name, None, None),
        *(
            (next(seqs), number, site, at_ms + step * _STEP_MS, 0, status, None, "site", site, site, None, None)
            for step, status in enumerate(life, start=1)
        ),
    ]
    return (*job, *replica), told


def _commands(chance: random.Random) -> list[_Row]:
    """Take real commands, with people of our own."""
    lines = _COMMANDS.read_text(encoding="utf-8").splitlines()
    found = []
    for line in lines:
        command, person = json.loads(line), chance.choice(_PEOPLE)
        params = (json.dumps(command.get(name) or {}) for name in ("required_params", "optional_params"))
        place = (str(command[name]) for name in ("device", "instance", "action"))
        found.append((*place, *params, person, f"auth0|{person.lower()}"))
    return found
