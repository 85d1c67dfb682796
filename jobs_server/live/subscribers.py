"""Who waits for news: polls and viewers, and what happened lately at the sites that are viewed."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

from .backlog import Frame
from .disconnect import Client


@dataclass(frozen=True, kw_only=True)
class ChannelBounds:
    """How much is kept for each site that somebody views."""

    events: int = 1000
    bytes: int = 1024 * 1024


class SiteChannel:
    """What happened lately at a site that somebody views."""

    def __init__(self, site: str, tail: int | None, bounds: ChannelBounds) -> None:
        self.site = site
        self.tail = tail
        """All that happened at the site was read up to this number; None while the channel is not live."""
        self.floor = tail
        """Every event of the site above this number, up to the tail, is among the frames."""
        self.frames: deque[Frame] = deque()
        self.viewers = 0
        self.news = 0
        """Counts what changed beside the jobs: presence, lock-outs, reservations."""
        self.plans: int | None = None
        """The number of the last change of a plan at the site; None while nobody has looked."""
        self._bounds = bounds
        self._bytes = 0

    def begin(self, tail: int) -> None:
        """Become live from a number on."""
        self.tail = self.floor = tail

    def add(self, frame: Frame) -> None:
        """Keep a frame, and let go of the oldest frames past the bounds."""
        self.frames.append(frame)
        self._bytes += len(frame.data)
        while self._is_too_large():
            oldest = self.frames.popleft()
            self._bytes -= len(oldest.data)
            self.floor = oldest.seq

    def _is_too_large(self) -> bool:
        too_many = len(self.frames) > self._bounds.events
        return too_many or (self._bytes > self._bounds.bytes and len(self.frames) > 1)


class Subscriber:
    """A poll or a viewer that waits for news of a site, on a thread of its own."""

    def __init__(self, site: str, client: Client, *, stops_only: bool = False) -> None:
        self.site = site
        self.stops_only = stops_only
        """Whether work that is posted does not end the sleep at once."""
        self.client = client
        self.sending_since: float | None = None
        self._woken = threading.Event()

    def wait(self, seconds: float) -> None:
        """Sleep until something happens at the site, the client disconnects, or the time is over."""
        self._woken.wait(max(0.0, seconds))
        self._woken.clear()

    def has_gone(self) -> bool:
        """Whether the client disconnected while nothing was being sent to it."""
        return self.sending_since is None and self.client.disconnected()

    def wake(self) -> None:
        """End the sleep, or the next one if there is none now."""
        self._woken.set()


class Viewer(Subscriber):
    """A subscriber that follows all that happens at a site."""

    def __init__(self, site: str, client: Client, channel: SiteChannel) -> None:
        super().__init__(site, client)
        self.channel = channel
