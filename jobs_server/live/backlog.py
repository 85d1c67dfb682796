"""What happened longer ago than the feed keeps: it is read in pages that all who catch up share."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import NamedTuple

from ..jobs import events
from ..jobs.events import EventOfJob
from ..storage.database import Database

Render = Callable[[str, EventOfJob], bytes]
"""Write one event as a message, given the epoch of its number."""

NOT_ALL_KEPT = "what happened since is not all kept any more"


class Frame(NamedTuple):
    """One event as it goes out to everybody who watches its site."""

    seq: int
    data: bytes


class Page(NamedTuple):
    """All that happened at a site from one event, exclusive, up to another."""

    frames: list[Frame]
    upto: int
    reset: str | None = None
    """Why these are not all, when some were pruned before they could be read."""


@dataclass(frozen=True, kw_only=True)
class BacklogBounds:
    """How much of the backlog is read and kept."""

    page_events: int = 100
    kept_bytes: int = 2 * 1024 * 1024


class Backlog:
    """Read each page once for all who ask for it: after a restart they all come at once, from the same position."""

    def __init__(self, database: Database, render: Render, bounds: BacklogBounds | None = None) -> None:
        self._database = database
        self._render = render
        self._bounds = bounds or BacklogBounds()
        self._lock = Lock()
        self._pages: OrderedDict[tuple[str, int], Page] = OrderedDict()
        self._bytes = 0

    def after(self, site: str, seq: int) -> Page:
        """Return what happened at a site after an event, up to now or up to the page's length.

        Raises Unavailable when the database cannot be read.
        """
        with self._lock:
            page = self._pages.get((site, seq))
            if page is None:
                page = self._read(site, seq)
                if page.upto > seq:  # Of an empty page there may be more the next time.
                    self._keep((site, seq), page)
            return page

    def _read(self, site: str, seq: int) -> Page:
        with self._database.reading() as connection:
            last = events.last(connection, site)
            found, more = events.after(connection, seq, self._bounds.page_events, site)
            epoch, pruned_seq = events.record(connection)  # Read last: what was pruned before is in it.
        if pruned_seq > seq:
            return Page([], max(last, pruned_seq), NOT_ALL_KEPT)
        frames = [Frame(change.event.seq, self._render(epoch, change)) for change in found]
        if more:
            return Page(frames, frames[-1].seq)
        return Page(frames, max([seq, last, *(frame.seq for frame in frames)]))

    def _keep(self, key: tuple[str, int], page: Page) -> None:
        self._pages[key] = page
        self._bytes += _size(page)
        while self._bytes > self._bounds.kept_bytes and len(self._pages) > 1:
            _, oldest = self._pages.popitem(last=False)
            self._bytes -= _size(oldest)


def _size(page: Page) -> int:
    return sum(len(frame.data) for frame in page.frames) + 100
