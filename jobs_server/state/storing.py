"""How the state of devices comes to the disk and back, to other servers, and into curves.

What is written beside the requests is written in one transaction for all sites: on SQLite at most twice a minute, with
the minute's samples in it; on PostgreSQL within a second into an unlogged table, for which nothing waits for the disk.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import orjson
from sqlalchemy import BigInteger, bindparam, delete, or_, select, text

from .. import clock
from ..storage.database import Database
from ..storage.models import DeviceSample, DeviceState
from ..storage.statement import Connection, Statement
from ..worker import Worker
from . import devices
from .devices import DeviceStates, SeenDevice, StoredState

OURS = " state"
"""This stands for a site in the write units of what sites say of themselves; no site's name begins so."""
KEPT_MS = 14 * clock.DAY_MS
"""How long samples are kept, and the state of a device of which nothing more is heard."""
_FORGOTTEN_MS = 60 * 60 * 1000
"""How long it is kept that a device was forgotten, for servers that have yet to hear it."""
_SLACK_MS = 2_000  # A row that was heard earlier may become visible so much later.
_TRANSACTION_BYTES = 256 * 1024
_MOST_SAMPLE_BYTES = 8 * 1024
_MOST_SAMPLED_SITES = 100  # Anybody can make up site codes.

SAMPLED = (
    *("temperature_c", "setpoint_c", "cooler_percent", "position_um", "angle_degrees", "azimuth_degrees"),
    *("alt_degrees", "az_degrees", "humidity_percent", "dew_point_c", "wind_m_per_s", "rain_mm_per_h"),
    *("cloud_percent", "sky_temperature_c", "pressure_hpa"),
)
"""The numbers of which there are curves."""


@dataclass(frozen=True, kw_only=True)
class StoringTimes:
    """Times of what is written and read beside the requests, all in seconds."""

    write_seconds: float = 31.0
    """How often at most a site's devices are written on SQLite: twice a minute at most."""
    look_seconds: float = 5.0
    """How often it is seen what is due, and on PostgreSQL what other servers wrote without a notice."""
    deaf_look_seconds: float = 1.0
    """The same while the notices of other servers cannot be heard."""
    rest_seconds: float = 0.5
    """What is reported within so long is written together."""


DB_NOW = "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)"  # All servers go by one clock.
_COLUMNS = "site, device, state, at_ms, at_boot_ms, grey_after_ms"
_UPSERT = (
    f"INSERT INTO device_state ({_COLUMNS}, heard_ms)"  # noqa: S608
    " VALUES (:site, :device, :state, :at_ms, :at_boot_ms, :grey_after_ms, {heard})"
    " ON CONFLICT (site, device) DO UPDATE SET state = excluded.state, at_ms = excluded.at_ms,"
    " at_boot_ms = excluded.at_boot_ms, grey_after_ms = excluded.grey_after_ms, heard_ms = excluded.heard_ms"
)
_IS_NEWER = f" WHERE excluded.heard_ms >= device_state.heard_ms OR device_state.heard_ms > {DB_NOW} + 60000"
_WRITE = Statement(
    text(_UPSERT.format(heard=":at_ms + 0 * :age_ms")),
    on_postgresql=text(_UPSERT.format(heard=f"{DB_NOW} - CAST(:age_ms AS bigint)") + _IS_NEWER),
)
_READ = Statement(
    text(f"SELECT {_COLUMNS}, NULL, heard_ms FROM device_state WHERE heard_ms > :after ORDER BY heard_ms"),  # noqa: S608
    on_postgresql=text(
        f"SELECT {_COLUMNS}, {DB_NOW} - heard_ms, heard_ms FROM device_state"  # noqa: S608
        f" WHERE heard_ms > :after AND heard_ms <= {DB_NOW} + 60000 ORDER BY heard_ms"
    ),
)
SAMPLE = Statement(
    text(
        "INSERT INTO device_sample (site, at_ms, readings) VALUES (:site, :at_ms, :readings)"
        " ON CONFLICT (site, at_ms) DO NOTHING"
    )
)
_FROM_MS, _TO_MS = (bindparam(name, type_=BigInteger) for name in ("from_ms", "to_ms"))
_CURVES = Statement(
    select(DeviceSample.at_ms, DeviceSample.readings)
    .where(DeviceSample.site == bindparam("of_site"), DeviceSample.at_ms >= _FROM_MS, DeviceSample.at_ms < _TO_MS)
    .order_by(DeviceSample.at_ms)
)
_BEFORE_MS = bindparam("before_ms", type_=BigInteger)
_OLD_SAMPLES = Statement(delete(DeviceSample).where(DeviceSample.at_ms < _BEFORE_MS))
_OLD_STATES = Statement(
    delete(DeviceState).where(
        or_(
            DeviceState.heard_ms < _BEFORE_MS,
            DeviceState.state.is_(None) & (DeviceState.heard_ms < bindparam("forgotten_ms", type_=BigInteger)),
        )
    )
)


Rows = list[tuple[Statement, list[dict[str, Any]]]]


class Beside(Protocol):
    """What else is written together with the state of devices."""

    def due(self, every_seconds: float, sites: Collection[str], now: clock.Now) -> Rows:
        """Return what is to be written: of these sites, and of those that were written so long ago."""

    def note_written(self) -> None:
        """Note that what was due is on disk."""


class Storing:
    """Write what sites say of their devices, and read what other servers wrote of it."""

    def __init__(
        self,
        database: Database,
        states: DeviceStates,
        on_duty: Callable[[], bool] = lambda: True,
        times: StoringTimes | None = None,
    ) -> None:
        """`on_duty`: whether it is this server, of several on one database, that keeps samples."""
        self.times = times or StoringTimes()
        self.hears: Callable[[], bool] = lambda: True
        """Whether this process hears of the others' commits, on PostgreSQL."""
        self.also: list[Callable[[Connection], None]] = []
        """Called with a connection at each look: what else is to be read of other servers."""
        self.beside: list[Beside] = []
        """What else is written, in the same transactions."""
        self._database = database
        self._states = states
        self._on_duty = on_duty
        self._after_ms = -_SLACK_MS
        self._is_shared = not database.kind.one_writer
        self.worker = Worker(
            "state",
            lambda: self.times.look_seconds if self.hears() else self.times.deaf_look_seconds,
            self.sync,
            does="keeps the state of devices",
            failure="the state of devices is kept late",
            rest_seconds=self.times.rest_seconds,
        )
        if self._is_shared:
            states.on_news.append(lambda _site: self.worker.wake())

    def hear(self, site: str | None) -> None:
        """Read soon what another server wrote, if its notice is about what sites say of themselves."""
        if site is None or site == OURS:
            self.worker.wake()

    def sync(self) -> None:
        """Write what is due, and read what the other servers wrote. Raises Unavailable."""
        now = clock.read()
        every_seconds = 0.0 if self._is_shared else self.times.write_seconds
        due = self._states.due(every_seconds)
        minute = now.wall_ms // 60_000
        samples = self._samples(minute, now, None if self._is_shared else due)
        more: Rows = [(SAMPLE, samples)] if samples else []
        for each in self.beside:
            more += each.due(every_seconds, due, now)
        for rows in _in_pieces(due, now):
            self._write([(_WRITE, rows), *more])
            more = []
        if more:
            self._write(more)
        self._states.note_written(due)
        for each in self.beside:
            each.note_written()
        with self._database.reading() as connection:
            found = connection.rows(_READ, after=self._after_ms)
            for look in self.also:
                look(connection)
        self._states.load()
        self._states.hear(StoredState._make(row[:-1]) for row in found)
        self._after_ms = max([self._after_ms, *(row[-1] - _SLACK_MS for row in found)])

    def _write(self, rows: Rows) -> None:
        with self._database.transaction(OURS) as connection:
            for statement, values in rows:
                connection.run_many(statement, values)

    def _samples(self, minute: int, now: clock.Now, due: Mapping[str, Any] | None) -> list[dict[str, Any]]:
        """Return the rows of this minute; on SQLite of the sites alone that are written now anyway."""
        if not self._on_duty():
            return []
        fresh = self._states.fresh(minute, now)
        sites = [site for site in fresh if due is None or site in due][:_MOST_SAMPLED_SITES]
        self._states.note_sampled(sites, minute)
        found = ((site, _readings(fresh[site])) for site in sites)
        return [{"site": site, "at_ms": minute * 60_000, "readings": each} for site, each in found if each != "{}"]


def stored_states(database: Database) -> list[StoredState]:
    """Return all that is on disk of the devices. Raises Unavailable."""
    with database.reading() as connection:
        return [StoredState._make(row[:-1]) for row in connection.rows(_READ, after=-1)]


def curves(
    connection: Connection, site: str, from_ms: int, to_ms: int
) -> Iterator[tuple[int, Mapping[str, Mapping[str, float]]]]:
    """Yield what a site's devices measured within a span of time, minute by minute: by device, numbers by name."""
    for at_ms, readings in connection.rows(_CURVES, of_site=site, from_ms=from_ms, to_ms=to_ms):
        yield at_ms, orjson.loads(readings)


def prune(database: Database, now_ms: int) -> None:
    """Delete samples that are too old, and the state of devices of which nothing was heard for as long."""
    with database.transaction(OURS) as connection:
        connection.run(_OLD_SAMPLES, before_ms=now_ms - KEPT_MS)
        connection.run(_OLD_STATES, before_ms=now_ms - KEPT_MS, forgotten_ms=now_ms - _FORGOTTEN_MS)


def _in_pieces(due: Mapping[str, list[devices.DeviceState]], now: clock.Now) -> Iterator[list[dict[str, Any]]]:
    """Yield what is to be written in pieces: while one is written, a stop waits for it."""
    rows: list[dict[str, Any]] = []
    size = 0
    for site, states in due.items():
        for state in states:
            rows.append(_row(site, state, now))
            size += len(state.text or "") + 100
            if size > _TRANSACTION_BYTES:
                yield rows
                rows, size = [], 0
    if rows:
        yield rows


def _row(site: str, state: devices.DeviceState, now: clock.Now) -> dict[str, Any]:
    at_ms, at_boot_ms = state.source
    age_ms = max(0, clock.age_ms(now, state.heard))
    kept = {"state": state.text, "at_ms": at_ms, "at_boot_ms": at_boot_ms, "age_ms": age_ms}
    return {"site": site, "device": state.device, "grey_after_ms": state.grey_after_ms} | kept


def _readings(seen: Iterable[SeenDevice]) -> str:
    """Return the numbers of which there are curves, as JSON: what goes past the bound of a minute is left out."""
    found: dict[str, dict[str, float]] = {}
    left = _MOST_SAMPLE_BYTES
    for device in seen:
        numbers = {name: device.values[name] for name in SAMPLED if _is_number(device.values.get(name))}
        left -= len(device.key.encode()) + 40 * len(numbers)
        if numbers and left >= 0:
            found[device.key] = {name: round(float(number), 4) for name, number in numbers.items()}
    return orjson.dumps(found).decode()


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15
