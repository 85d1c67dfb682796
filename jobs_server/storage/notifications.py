"""The notices by which the servers on one PostgreSQL hear of each other's commits, on a connection of their own.

A notice says at which site something was committed. By the same connection one of the servers is on duty for what only
one should do: labels, pruning, alerts. It is on duty for as long as the connection stands; then another one is.

The duty lapses on both sides. This server is on duty only until a moment after PostgreSQL last said so, and PostgreSQL
ends a connection on which nothing was asked for some seconds, whatever the network keeps alive. (PostgreSQL 13 cannot:
there the duty of a server behind such a network is free when TCP gives the connection up.)
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

from ..worker import Worker
from . import postgresql
from .database import Database, reason_of

_DUTY_SECONDS = 2.0
"""How soon another server sees that the one on duty has gone."""
_LAPSE_SECONDS = 8.0
"""How long after PostgreSQL last said so this server is on duty; several questions fit into that."""
_SILENT_SECONDS = 15.0
"""After how long without a question PostgreSQL ends the connection, and with it the duty: later than it has lapsed."""
_ANSWER_SECONDS = 5.0
"""How long PostgreSQL may take to answer the listener; longer than it waits for notices."""
HEARING_SECONDS = 5.0
"""How long a server waits for its own notice; later none comes."""
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.2, 2.0

log = logging.getLogger(__name__)


class Listener:
    """Hear what other servers commit, and know whether this one is on duty."""

    def __init__(self, database: Database) -> None:
        self.duty_until = 0.0
        """Until when this server is on duty, by the monotonic clock."""
        self.hears = False
        self.on_notice: list[Callable[[str | None], None]] = []
        """Called with the site of each commit of another process; None: of any site, perhaps of many."""
        self._database = database
        self._pause_seconds = _FIRST_PAUSE_SECONDS
        self.worker = Worker(
            "listener",
            self._next_pause_seconds,
            self._listen_while_it_can,
            does="hears what other servers commit",
            failure="other servers' changes are heard late",
        )

    @property
    def on_duty(self) -> bool:
        """Whether this server is on duty: PostgreSQL said so just now."""
        return time.monotonic() < self.duty_until

    def _listen_while_it_can(self) -> None:
        began = time.monotonic()
        try:
            self._listen()
        except Exception as error:  # Whatever failed, this server must not stay deaf.
            log.warning("other servers' changes are heard late: %s", reason_of(error))
        self.hears, self.duty_until = False, 0.0
        if time.monotonic() - began > _LONGEST_PAUSE_SECONDS:
            self._pause_seconds = _FIRST_PAUSE_SECONDS

    def _next_pause_seconds(self) -> float:
        pause_seconds = self._pause_seconds
        self._pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)
        return pause_seconds

    def _listen(self) -> None:
        with closing(self.connect()) as raw:
            raw.execute(f"LISTEN {postgresql.CHANNEL}")
            self.hears = hears_itself(raw)
            postgresql.end_when_silent(raw, _SILENT_SECONDS)
            raw.answer_seconds = _ANSWER_SECONDS
            self._call_back(None)  # What was committed before was missed.
            has_duty = False
            while True:
                ask = "true" if has_duty else f"pg_try_advisory_lock({postgresql.lock_key('duty')})"
                asked = time.monotonic()
                has_duty = raw.execute(f"SELECT {ask}").fetchone()[0]  # This fails when the connection is lost.
                self.duty_until = asked + _LAPSE_SECONDS if has_duty else 0.0
                for notice in raw.notifies(timeout=_DUTY_SECONDS):
                    process, _, site = notice.payload.partition(" ")
                    if process != postgresql.PROCESS:
                        self._call_back(site or None)

    def connect(self) -> Any:
        """Make a connection beside the pool's."""
        made = self._database.engine.raw_connection()
        raw = made.driver_connection
        made.detach()
        return raw

    def _call_back(self, site: str | None) -> None:
        for noticed in self.on_notice:
            noticed(site)


def hears_itself(raw: Any, hearing_seconds: float = HEARING_SECONDS) -> bool:
    """Whether notices come through: a pooler that lends a connection for a transaction swallows them."""
    raw.execute("SELECT pg_notify(%s, %s)", (postgresql.CHANNEL, postgresql.notice(None)))
    if any(notice.payload.startswith(postgresql.PROCESS) for notice in raw.notifies(timeout=hearing_seconds)):
        return True
    log.warning(
        "other servers' changes are heard late: the database's notices do not come through;"
        " connect to it directly, or by PgBouncer in session mode"
    )
    return False


def listener_of(database: Database) -> Listener | None:
    """Make the listener of a database on PostgreSQL, none on SQLite; nothing runs yet."""
    return Listener(database) if database.kind.name == postgresql.NAME else None
