"""The state of devices, as their sites say it: kept in memory, told to streams at once, and written now and then.

A site may report every second. So nothing is written by a report: `storing` writes what has changed, on SQLite at most
twice a minute a site, and on PostgreSQL within a second into an unlogged table, from which the other servers read it.

After a restart the state is shown with its old age; but whether a roof is open, and whether it is safe, is not known
until somebody says it anew.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson
from pydantic_core import from_json, to_json

from .. import clock
from ..clock import Now
from ..domain.state_commands import MOST_BYTES, MOST_DEVICES
from ..errors import Conflict, shown

GREY_MS = 60_000
"""From this age on a device's state is no news."""
FLEETING = frozenset(("enclosure", "dome", "roof", "weather", "safety", "safetymonitor", "observingconditions"))
"""Kinds of devices, each in one word, of which an old state is worse than none: somebody might rely on it."""
_BETWEEN_WORDS = str.maketrans("", "", "_- ")
_MAKES_ROOM_MS = clock.DAY_MS
"""A device that was not spoken of for so long makes room for others."""
_MOST_SITES = 500  # So many sites are remembered, since anybody can make up site codes.
_MOST_FORGOTTEN = 200  # So many devices of a site are remembered as forgotten, for streams and other servers.


class DeviceState(NamedTuple):
    """What was last said of one device."""

    device: str  # type/instance
    text: str | None  # JSON, an object; none: the site had the device forgotten
    heard: Now
    grey_after_ms: int
    number: int  # of all that this process heard, which was it
    steady: float  # when it was heard, by the clock that nobody can set
    source: tuple[int, int]  # both clocks of the server that heard it

    @property
    def kind(self) -> str:
        """Return the kind of device, such as mount."""
        return self.device.partition("/")[0]


@dataclass(frozen=True, slots=True)
class SeenDevice:
    """One device as a page shows it, with its age."""

    kind: str
    instance: str
    values: Mapping[str, Any]
    at_ms: int
    """When a server heard it, in ms since 1970 UTC."""
    age_ms: int
    is_grey: bool
    """Whether it is too old to be news."""
    grey_after_ms: int = GREY_MS
    """From which age on it is."""

    @property
    def key(self) -> str:
        """Return the device's name on the wire."""
        return f"{self.kind}/{self.instance}"

    @property
    def is_alarming(self) -> bool:
        """Whether the device says that it has failed or that it is not safe."""
        status = self.values.get("status")
        has_failed = isinstance(status, str) and status.strip().casefold() == "error"
        return has_failed or self.values.get("safe") is False or bool(self.values.get("unsafe_reason"))


class StoredState(NamedTuple):
    """What is kept on disk of one device; `age_ms` by the database's clock, where several servers share one."""

    site: str
    device: str
    text: str | None
    at_ms: int
    at_boot_ms: int
    grey_after_ms: int
    age_ms: int | None


@dataclass(slots=True)
class _Site:
    devices: dict[str, DeviceState] = field(default_factory=dict)
    unwritten: set[str] = field(default_factory=set)
    written: float = float("-inf")
    sampled_minute: int = 0
    number: int = 0


class DeviceStates:
    """Keep what sites say of their devices. All calls may come from any thread."""

    def __init__(self, load: Callable[[], Iterable[StoredState]] = tuple) -> None:
        """`load` returns what is on disk; it is called once, when somebody first speaks or asks."""
        self.on_news: list[Callable[[str], None]] = []
        """Called with each site of which something was heard, with nothing held."""
        self._load = load
        self._loading = threading.Lock()
        self._is_loaded = False
        self._lock = threading.Lock()
        self._sites: dict[str, _Site] = {}
        self._number = 0
        self._started = clock.steady_seconds()

    def report(
        self, site: str, devices: Mapping[str, Mapping[str, Any] | None], now: Now, grey_after_ms: int = GREY_MS
    ) -> None:
        """Keep what a site says: each device replaces what was said of it before, None forgets it.

        Raises Conflict when the site would have too many devices or too much said of them; then nothing is changed.
        """
        self.load()
        texts = {device: _text(values) for device, values in devices.items()}
        since = clock.steady_seconds() - max(0, clock.age_ms(clock.read(), now)) / 1000
        with self._lock:
            known = self._sites.get(site)
            gone = _making_room(site, known.devices if known else {}, texts, now)
            here = known or self._meet(site)
            for device in gone:
                del here.devices[device]
                here.unwritten.discard(device)
            for device, text in texts.items():
                if text is not None or device in here.devices:
                    self._put(here, DeviceState(device, text, now, grey_after_ms, 0, since, now))
                    here.unwritten.add(device)
            _forget_oldest(here)
        self._announce(site)

    def at(self, site: str) -> list[DeviceState]:
        """Return what is known of the devices of a site, by name."""
        self.load()
        with self._lock:
            known = self._sites.get(site)
            states = list(known.devices.values()) if known else []
        return sorted((state for state in states if state.text is not None), key=lambda state: state.device)

    def seen(self, site: str, now: Now | None = None) -> list[SeenDevice]:
        """Return the devices of a site as a page shows them, by name, each with its age."""
        now = now or clock.read()
        return [_seen(state, now) for state in self.at(site)]

    def unsafe(self, kinds: Container[str]) -> list[tuple[str, SeenDevice]]:
        """Return the devices of these kinds that say why they are not safe, each with its site."""
        self.load()
        with self._lock:
            sites = [
                site
                for site, here in self._sites.items()
                if any(state.kind in kinds and "unsafe_reason" in (state.text or "") for state in here.devices.values())
            ]
        seen = [(site, device) for site in sites for device in self.seen(site) if device.kind in kinds]
        return [(site, device) for site, device in seen if device.values.get("unsafe_reason")]

    def number(self, site: str) -> int:
        """Return a number that grows with each report of a site; 0 while nothing was heard."""
        known = self._sites.get(site)
        return known.number if known else 0

    def since(self, site: str, number: int) -> list[DeviceState]:
        """Return what was said of a site's devices after a number, forgotten devices too."""
        with self._lock:
            known = self._sites.get(site)
            return [state for state in known.devices.values() if state.number > number] if known else []

    def load(self) -> None:
        """Read what is on disk, once. Raises Unavailable when that cannot be done now."""
        if self._is_loaded:
            return
        with self._loading:
            if not self._is_loaded:
                self.hear(self._load())
                self._is_loaded = True

    def hear(self, stored: Iterable[StoredState]) -> None:
        """Take what is on disk where it is newer than what is known here, as other servers write it."""
        now, steady = clock.read(), clock.steady_seconds()
        news = set()
        with self._lock:
            for row in stored:
                heard = _heard(row, now)
                since = steady - clock.age_ms(now, heard) / 1000
                here = self._sites.get(row.site)
                before = here.devices.get(row.device) if here else None
                source = (row.at_ms, row.at_boot_ms)
                is_old = before is not None and (before.source == source or before.steady >= since)
                if is_old or (since < self._started and _is_fleeting(row.device)):
                    continue
                here = here or self._meet(row.site)
                self._put(here, DeviceState(row.device, row.text, heard, row.grey_after_ms, 0, since, source))
                news.add(row.site)
        for site in news:
            self._announce(site)

    def due(self, every_seconds: float) -> dict[str, list[DeviceState]]:
        """Return by site what is to be written: of a site that was written so long ago, or never."""
        now = clock.steady_seconds()
        with self._lock:
            return {
                site: [here.devices[device] for device in sorted(here.unwritten)]
                for site, here in self._sites.items()
                if here.unwritten and now - here.written >= every_seconds
            }

    def note_written(self, written: Mapping[str, Iterable[DeviceState]]) -> None:
        """Note what is on disk now."""
        with self._lock:
            for site, states in written.items():
                if here := self._sites.get(site):
                    here.written = clock.steady_seconds()
                    same = {state.device for state in states if here.devices.get(state.device) is state}
                    here.unwritten -= same

    def fresh(self, minute: int, now: Now) -> dict[str, list[SeenDevice]]:
        """Return by site the devices that are not grey, of the sites of which nothing was sampled in this minute."""
        with self._lock:
            due = [site for site, here in self._sites.items() if here.sampled_minute != minute and here.number]
        found = {site: [device for device in self.seen(site, now) if not device.is_grey] for site in due}
        return {site: devices for site, devices in found.items() if devices}

    def note_sampled(self, sites: Iterable[str], minute: int) -> None:
        """Note that sites were sampled in a minute."""
        with self._lock:
            for site in sites:
                if here := self._sites.get(site):
                    here.sampled_minute = minute

    def _meet(self, site: str) -> _Site:
        """Remember another site, in the place of the one that was silent for longest when there are too many."""
        if len(self._sites) >= _MOST_SITES:
            del self._sites[min(self._sites, key=lambda each: self._sites[each].number)]
        here = self._sites[site] = _Site()
        return here

    def _put(self, here: _Site, state: DeviceState) -> None:
        self._number += 1
        here.number = self._number
        here.devices[state.device] = state._replace(number=self._number)

    def _announce(self, site: str) -> None:
        for announce in self.on_news:
            announce(site)


def public(state: DeviceState) -> Any:
    """Return one device as it stands on the wire: what the site said, with `at_ms`; None for one that is forgotten."""
    if state.text is None:
        return None
    rest = state.text[1:] if state.text == "{}" else f",{state.text[1:]}"
    return orjson.Fragment(f'{{"at_ms":{state.heard.wall_ms}{rest}')


def public_site(site: str, states: Iterable[DeviceState], now_ms: int) -> dict[str, Any]:
    """Return devices of a site as a public object, with the time at which they were so."""
    return {"site": site, "now_ms": now_ms, "devices": {state.device: public(state) for state in states}}


def _text(values: Mapping[str, Any] | None) -> str | None:
    if values is None:
        return None
    # When it was is the server's word: ages must not hang on a clock of the site's.
    return to_json({key: value for key, value in values.items() if key != "at_ms"}).decode()


def _making_room(site: str, known: Mapping[str, DeviceState], texts: Mapping[str, str | None], now: Now) -> list[str]:
    """Return which devices, of which nothing was heard for long, make room. Raises Conflict when they are too few."""
    after = {device: state.text for device, state in known.items()} | dict(texts)
    left = {device: text for device, text in after.items() if text is not None}
    gone = []
    for state in sorted(known.values(), key=lambda state: state.steady):
        if _fits(left) or clock.age_ms(now, state.heard) < _MAKES_ROOM_MS:
            break
        if state.device not in texts:
            left.pop(state.device, None)
            gone.append(state.device)
    if not _fits(left):
        raise Conflict(
            f"Error: site {shown(site)} would have {len(left)} devices with {_size(left)} bytes said of them, of at"
            f" most {MOST_DEVICES} with {MOST_BYTES}: send null for those that are gone"
        )
    return gone


def _size(texts: Mapping[str, str | None]) -> int:
    return sum(len(device.encode()) + len((text or "").encode()) for device, text in texts.items())


def _fits(texts: Mapping[str, str | None]) -> bool:
    return len(texts) <= MOST_DEVICES and _size(texts) <= MOST_BYTES


def _seen(state: DeviceState, now: Now) -> SeenDevice:
    kind, _, instance = state.device.partition("/")
    age_ms = max(0, clock.age_ms(now, state.heard))
    values = from_json(state.text or "{}")
    grey_ms = state.grey_after_ms
    return SeenDevice(kind, instance, values, state.heard.wall_ms, age_ms, age_ms > grey_ms, grey_ms)


def _is_fleeting(device: str) -> bool:
    """Whether an old state of a device is worse than none, however its kind is written."""
    return device.partition("/")[0].casefold().translate(_BETWEEN_WORDS) in FLEETING


def _heard(row: StoredState, now: Now) -> Now:
    if row.age_ms is None:
        return Now(row.at_ms, row.at_boot_ms)
    age_ms = max(0, row.age_ms)
    return Now(now.wall_ms - age_ms, now.boot_ms - age_ms)


def _forget_oldest(here: _Site) -> None:
    forgotten = [state for state in here.devices.values() if state.text is None]
    for state in sorted(forgotten, key=lambda state: state.number)[: max(0, len(forgotten) - _MOST_FORGOTTEN)]:
        del here.devices[state.device]
        here.unwritten.discard(state.device)
