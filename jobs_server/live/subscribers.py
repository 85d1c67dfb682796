"""Who waits for news: polls and viewers, and what happened lately at the sites that are viewed."""

from __future__ import annotations

import threading
from collections import deque

from .backlog import Frame
from .disconnect import Client

_KEPT_EVENTS, _KEPT_BYTES = 1000, 4 * 1024 * 1024  # for each site that is watched


class Channel:
    """What happened lately at a site that somebody watches."""

    def __init__(self, site: str, tail: int | None) -> None:
        self.site = site
        self.tail = tail
        """Up to here all that happened at the site was read; none yet: not live."""
        self.floor = tail
        """Every event of the site above this, up to the tail, is here."""
        self.frames: deque[Frame] = deque()
        self.viewers = 0
        self.news = 0
        """Counts what changed beside the jobs: presence, lock-outs, reservations."""
        self._bytes = 0

    def begin(self, tail: int) -> None:
        """Be live from a number on."""
        self.tail = self.floor = tail

    def add(self, frame: Frame) -> None:
        """Keep a frame, and let go of the oldest ones past the bounds."""
        self.frames.append(frame)
        self._bytes += len(frame.data)
        while len(self.frames) > _KEPT_EVENTS or (self._bytes > _KEPT_BYTES and len(self.frames) > 1):
            oldest = self.frames.popleft()
            self._bytes -= len(oldest.data)
            self.floor = oldest.seq


class Waiter:
    """Somebody who waits for news of a site, on a thread of its own: a poll, or a viewer."""

    def __init__(self, site: str, client: Client) -> None:
        self.site = site
        self.client = client
        self.sending_since: float | None = None
        self._woken = threading.Event()

    def wait(self, seconds: float) -> None:
        """Sleep until something happens at the site, the client hangs up, or the time is over."""
        self._woken.wait(max(0.0, seconds))
        self._woken.clear()

    def has_gone(self) -> bool:
        """Tell whether the client hung up while nothing was being sent to it."""
        return self.sending_since is None and self.client.hung_up()

    def wake(self) -> None:
        """End the sleep, or the next one if there is none now."""
        self._woken.set()


class Viewer(Waiter):
    """Somebody who follows all that happens at a site."""

    def __init__(self, site: str, client: Client, channel: Channel) -> None:
        super().__init__(site, client)
        self.channel = channel
