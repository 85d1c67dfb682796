"""What the pretend observatory says of itself: what it can do, how its devices are, and pictures."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import NamedTuple, Protocol, Self

from ..client import SiteClient, SiteClientError
from .instruments import Instruments

EVERY_SECONDS = 4.0
_LEAST_SECONDS = 1.0
"""So long passes between two reports, however much happens in between."""
_PICTURE_SECONDS = 7.0
"""So long passes between two pictures of one job; the last one of a job is sent whatever was before."""
_MOST_PICTURES = 12
_END_SECONDS = 3.0


class Says(Protocol):
    """Where a line for people is shown."""

    def say(self, text: str) -> None:
        """Show a line."""


class Picture(NamedTuple):
    """A picture of a job, to be sent."""

    ulid: str
    name: str
    data: bytes


class SelfReport:
    """Say for the length of a block, in a thread of its own, what an observatory is and how it stands."""

    def __init__(self, client: SiteClient, instruments: Instruments, display: Says) -> None:
        self._client = client.with_patience(0)
        self._instruments, self._display = instruments, display
        self._pictures: deque[Picture] = deque(maxlen=_MOST_PICTURES)
        self._sent: dict[str, float] = {}
        self._closed = threading.Event()
        self._said_abilities: object = None
        self._complaint = ""
        self._thread = threading.Thread(target=self._run, name="self report", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._closed.set()
        self._instruments.changed.set()
        self._thread.join(_END_SECONDS)

    def wants_picture(self, ulid: str, *, is_last: bool) -> bool:
        """Whether a picture of a job is worth making: the service takes few of one job."""
        now = time.monotonic()
        if not is_last and now - self._sent.get(ulid, float("-inf")) < _PICTURE_SECONDS:
            return False
        self._sent = {each: at for each, at in self._sent.items() if now - at < _PICTURE_SECONDS} | {ulid: now}
        return True

    def add(self, picture: Picture) -> None:
        """Send a picture as soon as it can be sent; when there are too many, the oldest goes unsent."""
        self._pictures.append(picture)
        self._instruments.changed.set()

    def _run(self) -> None:
        while not self._closed.is_set():
            begun = time.monotonic()
            self._instruments.changed.clear()
            try:
                self._say()
                self._complaint = ""
            except SiteClientError as error:
                self._complain(str(error))
            self._closed.wait(begun + _LEAST_SECONDS - time.monotonic())
            self._instruments.changed.wait(max(0.0, begun + EVERY_SECONDS - time.monotonic()))

    def _say(self) -> None:
        abilities = self._instruments.capabilities()
        if abilities != self._said_abilities:
            self._client.capabilities(abilities)
            self._said_abilities = abilities
        self._client.state(self._instruments.state())
        while self._pictures and not self._closed.is_set():
            picture = self._pictures.popleft()
            self._client.preview(picture.ulid, picture.data, name=picture.name)

    def _complain(self, sentence: str) -> None:
        """Show once why something could not be said; the jobs go on."""
        if sentence != self._complaint:
            self._complaint = sentence
            self._display.say(f"what the observatory says of itself is not heard: {sentence}")
