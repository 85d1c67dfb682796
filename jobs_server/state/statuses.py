"""The status that public site software posts, in the form in which its readers want it back.

It is kept in memory and written beside the state of devices (`storing`), at most twice a minute a site on SQLite. What
a roof and the weather say is never believed after a restart, and an open roof of which nothing was heard for five
minutes is given as unknown: the site software acts on an "Open" of any age.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from .. import clock
from ..clock import Now
from ..errors import BadRequest, Conflict, shown
from .status_merging import FORECAST, count_leaves, merged, newest, stamped, with_forecast, without_old

STALE_MS = 300_000
"""From this age on a status is no news, by the measure of the public UI."""
MOST_BYTES = 256 * 1024
"""How large a status may be as it is sent, and what is kept of one type."""
MOST_LEAVES = 2_000
_MOST_SITE_BYTES = 512 * 1024
_MOST_SITES = 100
_MOST_TYPES = 20
_OLD_LEAF_MS = clock.DAY_MS
"""A leaf that was not sent for so long makes room for others."""
NEVER_RESTORED = ("enclosure", "weather")
_FLEETING = ("enclosure", "observing_conditions", "weather", "safety", "dome", "roof")
"""What a status of any type may hold that is not believed after a restart."""
ALWAYS_THERE = ("observing_conditions", "enclosure", "obs_settings")
"""Without these in the complete status the public UI's page draws no footer."""


@dataclass(frozen=True)
class Entry:
    """All that is known of one type of status of a site."""

    site: str
    status_type: str
    status: Mapping[str, Any]
    heard: Now
    number: int
    shutters: Mapping[str, Now] = field(default_factory=dict)
    """By the name of an enclosure, when its shutter's status was heard."""

    @property
    def stale_shutters(self) -> list[str]:
        """Return the enclosures of whose shutters nothing was heard for too long."""
        if not self.shutters:
            return []
        now = clock.read()
        return [name for name, heard in self.shutters.items() if clock.age_ms(now, heard) > STALE_MS]

    @property
    def shown(self) -> Mapping[str, Any]:
        """Return the status as it may be believed now."""
        stale = self.stale_shutters
        if not stale:
            return self.status
        roofs = {name: _unknown(roof) if name in stale else roof for name, roof in self.status["enclosure"].items()}
        return {**self.status, "enclosure": roofs}

    def public(self) -> dict[str, Any]:
        """Return the entry as the status service's clients know it."""
        at_ms = self.heard.wall_ms
        return {"site": self.site, "statusType": self.status_type, "status": self.shown, "server_timestamp_ms": at_ms}


class StoredEntry(NamedTuple):
    """One row on the disk; `age_ms` by the database's clock, where several servers share one."""

    site: str
    status_type: str
    entry: str
    at_ms: int
    at_boot_ms: int
    age_ms: int | None


@dataclass(slots=True)
class _Site:
    entries: dict[str, Entry] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    unwritten: set[str] = field(default_factory=set)
    written: float = float("-inf")
    number: int = 0


class Statuses:
    """Keep what sites' software posts. All calls may come from any thread."""

    def __init__(self) -> None:
        self.on_entry: list[Callable[[Entry], None]] = []
        """Called with each entry that is new, with nothing held."""
        self.load: Callable[[], Iterable[StoredEntry]] = tuple
        """Returns what is on disk; called once, when somebody first posts or asks."""
        self._lock = threading.Lock()
        self._loading = threading.Lock()
        self._is_loaded = False
        self._sites: dict[str, _Site] = {}
        self._number = 0
        self._started = clock.read()
        self._complete: dict[str, tuple[int, tuple[str, ...], bytes]] = {}

    def post(self, site: str, status_type: str, status: Mapping[str, Any], now: Now) -> Entry:
        """Merge what a site's software posts into what it posted before.

        Raises BadRequest when it says too much at once, Conflict when too much would be kept; then nothing is changed.
        """
        if (count := count_leaves(status)) > MOST_LEAVES:
            raise BadRequest(f"Error: status has {count} values, of at most {MOST_LEAVES}")
        self.ensure_loaded()
        with self._lock:
            here = self._sites.get(site) or _Site()
            before = here.entries.get(status_type)
            found = _after(before.status if before else {}, status_type, status, now.wall_ms)
            found, size = _within(here, site, status_type, found, now)
            if site not in self._sites:
                self._meet(site, here)
            entry = self._put(here, Entry(site, status_type, found, now, 0, _when(before, status, found, now)), size)
            here.unwritten.add(status_type)
        self._announce(entry)
        return entry

    def entry(self, site: str, status_type: str) -> Entry | None:
        """Return what is known of one type of status of a site."""
        return self._entries(site).get(status_type)

    def complete(self, site: str) -> bytes:
        """Return all that is known of a site, in one JSON object, as the public UI asks for it at load."""
        entries = self._entries(site)
        stale = tuple(name for each in entries.values() for name in each.stale_shutters)
        number = max((each.number for each in entries.values()), default=0)
        known = self._complete.get(site)
        if known is None or known[:2] != (number, stale):
            known = number, stale, orjson.dumps(_combined(site, entries))
            if site in self._sites:
                self._complete[site] = known
        return known[2]

    def all_entries(self) -> dict[str, dict[str, Entry]]:
        """Return by site what is known of it."""
        self.ensure_loaded()
        with self._lock:
            return {site: dict(here.entries) for site, here in self._sites.items()}

    def ensure_loaded(self) -> None:
        """Read what is on disk, once. Raises Unavailable when that cannot be done now."""
        if self._is_loaded:
            return
        with self._loading:
            if not self._is_loaded:
                self.hear(self.load())
                self._is_loaded = True

    def note_loaded(self) -> None:
        """Note that all on disk was heard."""
        self._is_loaded = True

    def hear(self, stored: Iterable[StoredEntry]) -> None:
        """Take what is on disk where it says more than is known here, as other servers write it."""
        now, news = clock.read(), []
        with self._lock:
            for row in stored:
                heard = _heard(row, now)
                status = _believed(row, heard, self._started)
                if not status:
                    continue
                here = self._sites.get(row.site) or _Site()
                before = here.entries.get(row.status_type)
                found = status
                if before is not None:
                    found = newest(before.status, before.heard.wall_ms, status, heard.wall_ms)
                    if found == before.status:
                        continue
                    heard = max(heard, before.heard)
                if row.site not in self._sites:
                    self._meet(row.site, here)
                entry = Entry(row.site, row.status_type, found, heard, 0, _when(before, status, found, heard))
                news.append(self._put(here, entry, len(row.entry)))
                if found != status:  # The other server does not know all of it.
                    here.unwritten.add(row.status_type)
        for entry in news:
            self._announce(entry)

    def due(self, every_seconds: float, sites: Collection[str]) -> list[Entry]:
        """Return what is to be written: of these sites, and of those that were written so long ago."""
        now = clock.steady_seconds()
        with self._lock:
            return [
                here.entries[status_type]
                for site, here in self._sites.items()
                if site in sites or now - here.written >= every_seconds
                for status_type in sorted(here.unwritten)
            ]

    def note_written(self, written: Iterable[Entry]) -> None:
        """Note what is on disk now."""
        with self._lock:
            for entry in written:
                if here := self._sites.get(entry.site):
                    here.written = clock.steady_seconds()
                    if here.entries.get(entry.status_type) is entry:
                        here.unwritten.discard(entry.status_type)

    def _entries(self, site: str) -> dict[str, Entry]:
        self.ensure_loaded()
        with self._lock:
            here = self._sites.get(site)
            return dict(here.entries) if here else {}

    def _meet(self, site: str, here: _Site) -> None:
        """Remember another site, in the place of the one that was silent for longest when there are too many."""
        if len(self._sites) >= _MOST_SITES:
            silent = min(self._sites, key=lambda each: self._sites[each].number)
            del self._sites[silent]
            self._complete.pop(silent, None)
        self._sites[site] = here

    def _put(self, here: _Site, entry: Entry, size: int) -> Entry:
        self._number += 1
        here.number = self._number
        placed = Entry(entry.site, entry.status_type, entry.status, entry.heard, self._number, entry.shutters)
        here.entries[entry.status_type] = placed
        here.sizes[entry.status_type] = size
        return placed

    def _announce(self, entry: Entry) -> None:
        for announce in self.on_entry:
            announce(entry)


def _after(before: Mapping[str, Any], status_type: str, status: Mapping[str, Any], now_ms: int) -> dict[str, Any]:
    if status_type == FORECAST and isinstance(status.get(FORECAST), list):
        return {**before, **status, FORECAST: with_forecast(before.get(FORECAST), status[FORECAST], now_ms)}
    return merged(before, stamped(status, now_ms))


def _within(here: _Site, site: str, status_type: str, status: dict[str, Any], now: Now) -> tuple[dict[str, Any], int]:
    """Return a status that fits, without what is old where it must, and its size. Raises Conflict where none does."""
    others = sum(size for other, size in here.sizes.items() if other != status_type)
    most = min(MOST_BYTES, _MOST_SITE_BYTES - others)
    size = len(orjson.dumps(status))
    if size > most:
        status = without_old(status, now.wall_ms - _OLD_LEAF_MS)
        size = len(orjson.dumps(status))
    if size > most or len({*here.sizes, status_type}) > _MOST_TYPES:
        raise Conflict(
            f"Error: site {shown(site)} would have {len({*here.sizes, status_type})} types of status with"
            f" {others + size} bytes, of at most {_MOST_TYPES} with {MOST_BYTES} each and {_MOST_SITE_BYTES} together"
        )
    return status, size


def _when(before: Entry | None, said: Mapping[str, Any], found: Mapping[str, Any], now: Now) -> dict[str, Now]:
    """Return when the shutters that a status has were heard; one that it has no longer goes."""
    heard = {**(before.shutters if before else {}), **dict.fromkeys(_shutters(said), now)}
    return {name: heard[name] for name in _shutters(found) if name in heard}


def _shutters(status: Mapping[str, Any]) -> list[str]:
    roofs = status.get("enclosure")
    if not isinstance(roofs, dict):
        return []
    return [name for name, roof in roofs.items() if isinstance(roof, dict) and "shutter_status" in roof]


def _unknown(roof: Mapping[str, Any]) -> dict[str, Any]:
    leaf = roof["shutter_status"]
    return {**roof, "shutter_status": {**leaf, "val": "Unknown"} if isinstance(leaf, dict) else "Unknown"}


def _combined(site: str, entries: Mapping[str, Entry]) -> dict[str, Any]:
    ages = {status_type: entry.heard.wall_ms for status_type, entry in entries.items()}
    status: dict[str, Any] = {key: {} for key in ALWAYS_THERE}
    for entry in sorted(entries.values(), key=lambda each: each.number):
        status.update(entry.shown)
    status.update({key: {} for key in ALWAYS_THERE if not isinstance(status[key], dict)})
    return {
        "site": site,
        "statusType": "combined",
        "latest_status_timestamp_ms": max(ages.values(), default=0),
        "status_age_timestamps_ms": ages,
        "status": status,
    }


def _heard(row: StoredEntry, now: Now) -> Now:
    if row.age_ms is None:
        return Now(row.at_ms, row.at_boot_ms)
    age_ms = max(0, row.age_ms)
    return Now(now.wall_ms - age_ms, now.boot_ms - age_ms)


def _believed(row: StoredEntry, heard: Now, started: Now) -> dict[str, Any]:
    """Return what of a row may be believed: of before this process began, nothing that somebody might rely on."""
    status: dict[str, Any] = orjson.loads(row.entry)
    if clock.age_ms(started, heard) <= 0:
        return status
    if row.status_type in NEVER_RESTORED:
        return {}
    return {key: value for key, value in status.items() if key not in _FLEETING}
