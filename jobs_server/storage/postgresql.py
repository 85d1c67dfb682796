"""What is special about PostgreSQL: many processes and machines write at once, and none may break the order of a site.

**Locks.** A write unit of a site holds two advisory locks until its commit is done: a shared one on the whole database,
and one on its site that nobody else can hold. A write unit that names no site holds the first alone, not shared. So:

- The write units of a site happen one after the other, and each sees all that came before. Claims are exactly-once by
  this alone: a claim runs when no other write of its site is under way, and `SKIP LOCKED` would find nothing to skip.
- The numbers of a site's events (`job_event.seq`) become visible in order. A number is drawn under the site's lock and
  seen before the lock is free, so whoever has read a site up to a number has missed none below it. Across sites this
  does not hold: number 7 of one site may be seen before number 6 of another. That is why, on PostgreSQL, the feed reads
  site by site, and positions of a stream are numbers of its own site.
- What spans sites (pruning, imports) happens alone, as everything does on SQLite.

ULIDs are drawn above all that can be seen, under the site's lock: each is above the earlier ones of its site, and
above those of every job whose sender had its answer before; of two sites' jobs made at the same moment either may be
the lower.

**Stops first.** Locks are served in the order they are asked for. So a write unit that is not urgent first takes a lock
that stands for its site's line (one line more for those of the whole database), and the urgent ones do not: behind the
unit that is under way wait only urgent ones and the first of the line.

Locks are taken in one order (line, database, site), so that no two write units wait for each other. Transactions are
READ COMMITTED, whatever the default: a snapshot taken before the lock would not see what the lock was waited for.

**Time-outs.** Each statement has one, and each wait for a lock: a table that somebody has locked (VACUUM FULL does)
holds no request for longer than the database may, and uses up no connections. Two more of them are kept for what is
urgent: a stop passes although all others wait for something. What PostgreSQL's own time-outs cannot see, a network that
keeps TCP alive and passes nothing, is seen by deadlines on this side (`psycopg_connection`).

**Waking.** NOTIFY holds a lock of its own over the whole server until the commit is on the disk, which would let no
two sites commit at once. So it is sent right after the commit, in the same round trip. What is lost when a process
dies between the two, the slow look behind it finds.
"""

from __future__ import annotations

import hashlib
import math
import os
import select
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import InvalidatePoolError

from .. import program
from ..errors import BadRequest, DatabaseUnavailable, StartRefused
from .disk_room import FULL
from .sqlite import BUSY

NAME = "postgresql"
OLDEST = 13
"""The oldest major version that is served."""
_ENDS_SILENT = 14_00_00
"""The oldest version that ends silent connections."""
CHANNEL = "jobs_server"
"""The channel of commits; a notice is the process that made it, a space and the site (none: the whole database)."""
PROCESS = f"{os.urandom(6).hex()}"

_UNKNOWN = (
    "Error: the connection to the database was lost at the last moment: this may or may not have been done;"
    " look before you send it again, or send it again with the same Idempotency-Key or claimId"
)
_LOCKS = "jobs_server"
"""Advisory locks are shared by all who use a database: ours are numbered by hashes of names that begin so."""
_UNKEEPABLE = (None, "22003", "22021", "22P05")
"""SQLSTATEs of a value that the database has no place for: a NUL, a number, a character."""
_LONGEST_NOTICE = 7000
"""How many bytes of a site code a notice holds at most; the server takes 8000 in all."""
_IDLE_SECONDS, _AGAIN_SECONDS, _TRIES = 10, 5, 3
"""When a silent connection is probed, how soon again, and how often."""
_STATEMENT_WAITS = 3
"""How many times the longest wait for the database one statement may take."""
_ANSWER_MORE_SECONDS = 2.0
"""How much longer than PostgreSQL may take by its time-outs its answer may take, on its way too."""
_DEAD_MS = 15_000
"""How long a write unit may stand still, and a connection be without an answer, before it is ended."""


class PostgreSQL:
    """Speak to PostgreSQL by psycopg 3."""

    name = NAME
    one_writer = False
    in_memory = False
    reserved = 2

    def __init__(self, engine: Engine, timeout_seconds: float) -> None:
        from psycopg import Error

        self.failure: type[Exception] = Error
        self._statement_ms = statement_ms(timeout_seconds)
        _set_up(engine, timeout_seconds)

    def begin(self, raw: Any, site: str | None, timeout_ms: int, waited_ms: int, *, urgent: bool = False) -> None:
        """Open a write unit and wait for its locks, for all of them together, in one round trip."""
        left_ms = max(1, timeout_ms - waited_ms)
        usual, raw.answer_seconds = raw.answer_seconds, left_ms / 1000 + _ANSWER_MORE_SECONDS
        raw.execute(
            f"BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = {left_ms};"
            f" SELECT {', '.join(_locks(site, urgent=urgent))}; SET LOCAL statement_timeout = {self._statement_ms}"
        )
        raw.answer_seconds = usual

    def is_full(self) -> bool:
        """Return False: what is wrong is known only when PostgreSQL is asked."""
        return False

    def fault(self) -> None:
        """Return nothing: what is wrong is known only when PostgreSQL is asked."""

    def announced(self) -> AbstractContextManager[None]:
        """Do nothing: the locks of the database are the same for all processes."""
        return nullcontext()

    def begin_reading(self, raw: Any) -> None:
        """Open a read transaction."""
        raw.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")

    def commit(self, raw: Any, site: str | None) -> None:
        """Commit a write unit, then wake other processes: to wake them needs no disk and holds up nobody."""
        from psycopg import InterfaceError, OperationalError, sql
        from psycopg.pq import TransactionStatus

        if raw.info.transaction_status != TransactionStatus.INTRANS:
            raise InterfaceError("a write unit that failed cannot be committed")  # Else the server rolls it back.
        try:
            raw.execute(sql.SQL("COMMIT; SELECT pg_notify({}, {})").format(CHANNEL, notice(site)))
        except OperationalError as error:
            if raw.closed:
                raise DatabaseUnavailable(_UNKNOWN) from error
            raise

    def rollback(self, raw: Any) -> None:
        """Undo a write unit; on a connection that is lost the server has done so."""
        from psycopg import OperationalError

        with suppress(OperationalError):
            raw.rollback()

    def repair(self) -> None:
        """Do nothing: a failure of PostgreSQL leaves nothing behind that is for a client to put right."""

    def meaning(self, error: Exception) -> str | type[Exception]:
        """Return why the database failed; BadRequest when it cannot keep a value, Exception when the fault is ours."""
        from psycopg import DataError, IntegrityError, ProgrammingError, errors

        if isinstance(error, errors.ProgramLimitExceeded) or (
            isinstance(error, DataError) and error.sqlstate in _UNKEEPABLE
        ):
            return BadRequest
        of_the_database = (errors.UndefinedTable, errors.InsufficientPrivilege, errors.InvalidCatalogName)
        ours = (DataError, IntegrityError, ProgrammingError)
        if isinstance(error, ours) and not isinstance(error, of_the_database):
            return Exception
        return reason(error)


def lock_key(*names: str) -> int:
    """Return the number of an advisory lock."""
    name = "\0".join((_LOCKS, *names)).encode()
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "big", signed=True)


def _locks(site: str | None, *, urgent: bool) -> Iterator[str]:
    """Write the locks of a write unit, in their order.

    Who is not urgent waits in a line of the site's own until it is the first one there, and only then with the urgent
    ones for the lock of the site itself: of all that wait and are not urgent, an urgent one meets one at most.
    """
    if not urgent:
        yield f"pg_advisory_xact_lock({lock_key('line', site or '')})"
    if site is None:
        yield f"pg_advisory_xact_lock({lock_key('database')})"
    else:
        yield f"pg_advisory_xact_lock_shared({lock_key('database')})"
        yield f"pg_advisory_xact_lock({lock_key('site', site)})"


def notice(site: str | None) -> str:
    """Write the notice of a commit, for other processes; a site code that is too long is left out."""
    at = site or ""
    return f"{PROCESS} {at if len(at.encode()) <= _LONGEST_NOTICE else ''}"


def engine_options(connections: int, timeout_seconds: float) -> dict[str, Any]:
    """Return the options with which SQLAlchemy makes the engine."""
    return {
        "pool_size": connections,
        "max_overflow": 0,
        "pool_timeout": timeout_seconds,
        "pool_use_lifo": True,
        "connect_args": {
            "connect_timeout": max(2, math.ceil(timeout_seconds)),
            "application_name": "jobs_server",
            "client_encoding": "utf8",  # Whatever the role's own is: as SQL_ASCII, texts would come back as bytes.
            # A network that swallows everything must not hold a request for longer than a proxy waits.
            "keepalives_idle": _IDLE_SECONDS,
            "keepalives_interval": _AGAIN_SECONDS,
            "keepalives_count": _TRIES,
            "tcp_user_timeout": _DEAD_MS,
        },
    }


def check(connection: Connection) -> None:
    """Refuse a server that is too old, or a database whose texts are not Unicode. Raises StartRefused."""
    version, encoding = connection.exec_driver_sql(
        "SELECT current_setting('server_version_num')::int / 10000, pg_encoding_to_char(encoding)"
        " FROM pg_database WHERE datname = current_database()"
    ).one()
    if version < OLDEST:
        raise StartRefused(f"the server is PostgreSQL {version}; this service needs {OLDEST} or newer")
    if encoding != "UTF8":
        raise StartRefused(f"the database keeps texts as {encoding}; make one with ENCODING 'UTF8'")


def _set_up(engine: Engine, timeout_seconds: float) -> None:
    """Make every connection of an engine durable and its transactions explicit; notice at once when one is lost."""

    @event.listens_for(engine, "do_connect")
    def on_do_connect(_dialect: object, _record: object, given: Any, named: Any) -> Any:
        from .psycopg_connection import Connection as InTime

        made = InTime.connect(*given, **named)
        made.answer_seconds = answer_seconds(timeout_seconds)
        return made

    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: object) -> None:
        set_up(connection, timeout_seconds)

    @event.listens_for(engine, "begin")
    def on_begin(connection: Any) -> None:
        # SQLAlchemy's own transactions are those of migrations, repairs and moves, which take as long as they take.
        connection.connection.driver_connection.answer_seconds = None
        connection.exec_driver_sql(
            "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0"
        )

    @event.listens_for(engine, "checkout")
    def on_checkout(connection: Any, _record: object, _proxy: object) -> None:
        if is_lost(connection):
            # The server was restarted, or the network was away: the others are lost as well.
            raise InvalidatePoolError
        connection.answer_seconds = answer_seconds(timeout_seconds)


def statement_ms(timeout_seconds: float) -> int:
    """Return how long one statement may take, in milliseconds: far longer than any should."""
    return max(1, round(timeout_seconds * _STATEMENT_WAITS * 1000))


def answer_seconds(timeout_seconds: float) -> float:
    """Return how long an answer may take: for longer than the longest statement, it is no answer that is waited for."""
    return statement_ms(timeout_seconds) / 1000 + _ANSWER_MORE_SECONDS


def set_up(connection: Any, timeout_seconds: float) -> None:
    """Set one connection as this service needs it."""
    from psycopg import OperationalError
    from psycopg.types.numeric import Int8Dumper

    if (encoding := connection.info.encoding) != "utf-8":
        raise OperationalError(f"the connection carries texts as {encoding} and not as utf-8")
    connection.autocommit = True  # The driver must not open transactions of its own.
    connection.adapters.register_dumper(int, Int8Dumper)  # There is one type, so that statements are prepared once.
    connection.execute(
        f"SET lock_timeout = {max(1, round(timeout_seconds * 1000))};"  # So long a table that is locked holds anybody.
        f" SET statement_timeout = {statement_ms(timeout_seconds)};"
        " SET jit = off;"  # Our statements take milliseconds: compiling them gains nothing.
        f" SET idle_in_transaction_session_timeout = {_DEAD_MS};"  # A server that froze must not hold a site.
        # A server whose machine died must not hold its locks: PostgreSQL would wait hours for it, nobody on duty.
        f" SET tcp_keepalives_idle = {_IDLE_SECONDS}; SET tcp_keepalives_interval = {_AGAIN_SECONDS};"
        f" SET tcp_keepalives_count = {_TRIES}; SET tcp_user_timeout = {_DEAD_MS};"
        " SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
    )


def end_when_silent(connection: Any, seconds: float) -> None:
    """Have PostgreSQL end a connection on which it is asked nothing for a time; version 13 cannot."""
    if connection.info.server_version >= _ENDS_SILENT:
        connection.execute(f"SET idle_session_timeout = {round(seconds * 1000)}")


def is_lost(connection: Any) -> bool:
    """Whether an idle connection was closed from the other side; this costs no round trip."""
    if connection.closed:
        return True
    poll = select.poll() if hasattr(select, "poll") else None
    if poll is None:  # Windows
        return bool(select.select([connection.fileno()], [], [], 0)[0])
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def reason(error: BaseException) -> str:
    """Return in a few words why the database failed."""
    state = getattr(error, "sqlstate", None) or ""
    for sign, sentence in _STATES.items():
        if state.startswith(sign):
            return sentence
    text = str(error)
    found = next((sentence for sign, sentence in _SIGNS.items() if sign in text.lower()), None)
    return found or (text.splitlines()[0] if text else "the connection to it was lost")


_AWAY = "it cannot be reached (is it running?)"
_STARTING = "it is starting or stopping"
_UNPREPARED = f"it was never prepared (serve once, or run `{program.command('db upgrade')}`)"
_STATES = {
    "55P03": BUSY,
    "57014": BUSY,  # a statement that took too long, mostly since it waited
    "40": BUSY,  # given up for another's sake
    "53100": FULL,
    "53300": "it has no connection left for this service",
    "25006": "it may only be read",
    "25P03": "this write stood still for too long",
    "42P01": _UNPREPARED,
    "42501": "this role lacks a right on it",
    "57P": _STARTING,
    "58": "its disk reports errors",
    "XX": "it is damaged",
}
_SIGNS = {
    "password authentication failed": "the password or the role is wrong",
    "no password supplied": "it wants a password",
    "no pg_hba.conf entry": "it does not let this machine, role or database in (pg_hba.conf)",
    "not permitted to log in": "this role may not log in",
    "permission denied": "this role lacks a right on it",
    "too many clients": "it has no connection left for this service",
    "remaining connection slots": "it has no connection left for this service",
    "starting up": _STARTING,
    "shutting down": _STARTING,
    "recovery mode": _STARTING,
    "terminating connection": "the connection to it was lost",
    "does not exist": "there is no such database or role",
    "resolve host": "its host's name is not known",
    "translate host name": "its host's name is not known",
    "connection refused": _AWAY,
    "timeout expired": _AWAY,
    "no route to host": _AWAY,
    "no answer in time": "it does not answer (is the network to it whole?)",
    "closed the connection unexpectedly": "the connection to it was lost",
    "consuming input failed": "the connection to it was lost",
    "connection is lost": "the connection to it was lost",
    "connection is closed": "the connection to it was lost",
    "connection failed": _AWAY,
}
