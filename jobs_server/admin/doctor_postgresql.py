"""What the doctor looks at where the jobs are kept in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import text

from .. import clock
from ..storage.statement import Statement
from . import repairs
from .installation import Finding, Grade, Patient

_CLOCKS_DIFFER_MS = 2_000
_OWN = 1  # connection of each process by which it is told of changes
_PROCESSES = 4  # of a server that says nothing else, at most

_SERVER = Statement(
    text(
        "SELECT current_setting('server_version'), current_setting('fsync'), current_setting('full_page_writes'),"
        " CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)"
    )
)
_CONNECTIONS = Statement(
    text(
        "SELECT CAST(current_setting('max_connections') AS int)"
        " - CAST(current_setting('superuser_reserved_connections') AS int),"
        " (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')"
    )
)


def server(patient: Patient) -> Iterator[Finding]:
    """Look at the server: whether it answers, keeps what it has acknowledged, and knows the time."""
    with patient.database.reading() as connection:
        ((version, *keeps, there_ms),) = connection.rows(_SERVER)
    unsafe = [name for name, value in zip(("fsync", "full_page_writes"), keeps, strict=True) if value == "off"]
    if unsafe:
        sentence = (
            f"PostgreSQL {version} runs with {' and '.join(unsafe)} off: a power cut there loses jobs or damages the"
            " database. Switch it on in postgresql.conf."
        )
        yield Finding("PostgreSQL", Grade.BAD, sentence)
    else:
        yield Finding("PostgreSQL", Grade.GOOD, f"PostgreSQL {version} answers, and keeps what it acknowledged.")
    apart_ms = abs(there_ms - clock.now_ms())
    if apart_ms > _CLOCKS_DIFFER_MS:
        sentence = f"PostgreSQL's clock and this one's are {apart_ms / 1000:,.0f} s apart: set both right by NTP."
        yield Finding("clock", Grade.NOTE, sentence)


def connections(patient: Patient) -> Iterator[Finding]:
    """Look at whether there are connections enough for this server."""
    with patient.database.reading() as connection:
        ((most, used),) = connection.rows(_CONNECTIONS)
    settings = patient.settings
    wanted = (settings.workers or _PROCESSES) * (settings.database_connections + _OWN)
    sentence = f"this server may open {wanted} connections of PostgreSQL's {most}, of which {used} are open now"
    if wanted > most:
        sentence += ": raise max_connections there, or lower JOBS_WORKERS or JOBS_DATABASE_CONNECTIONS here."
        yield Finding("connections", Grade.BAD, sentence)
    else:
        yield Finding("connections", Grade.GOOD, f"{sentence}; other servers need as many each.")


def indexes(patient: Patient) -> Iterator[Finding]:
    """Look at whether all indexes are there and whole; which of them a plan uses hangs on how much there is."""
    if lacking := repairs.lacking(patient.database):
        sentence = f"{', '.join(lacking)} are missing or not whole: polls will be slow with a long history."
        yield Finding("indexes", Grade.BAD, sentence, lambda: repairs.complete(patient))
    else:
        yield Finding("indexes", Grade.GOOD, "all are there and whole.")
