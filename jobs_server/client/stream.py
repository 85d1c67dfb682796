"""Following what happens at a site: Server-Sent Events, resumed where they broke off."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from .backoff import Backoff
from .errors import BadReply, Refused, SiteClientError
from .http import CONNECT_SECONDS, Connections, refused, unreachable
from .job import HistoryEvent, Job, read_event, read_job
from .readings import Preview, read_preview

log = logging.getLogger(__name__)

SILENCE_SECONDS = 25.0  # the service gives a sign of life every 15 s: past this the connection is dead


@dataclass(frozen=True, slots=True)
class JobChange:
    """A job changed: the job as it was then, and the change. `position` resumes after it."""

    position: str | None
    job: Job
    event: HistoryEvent


@dataclass(frozen=True, slots=True)
class PresenceChange:
    """The software of the site came or went; `state` is the service's word, times are ms since 1970 UTC."""

    position: str | None
    state: str
    last_poll_ms: int | None
    silent_since_ms: int | None
    client: str | None


@dataclass(frozen=True, slots=True)
class Reset:
    """What happened since is not known any more: load everything anew (`recent`)."""

    position: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class DevicesChange:
    """The site said how devices are: by `type/instance` what it said with `at_ms`, None for one that is forgotten.

    It is no history: a stream that comes back gets what is known then.
    """

    position: str | None
    devices: Mapping[str, Mapping[str, Any] | None]
    now_ms: int


@dataclass(frozen=True, slots=True)
class PreviewChange:
    """The site sent a picture of a job."""

    position: str | None
    preview: Preview


Change = JobChange | PresenceChange | Reset
ChangeOfSite = DevicesChange | PreviewChange


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the stream."""

    event: str
    data: str
    position: str | None


class Patience:
    """How long nothing may be heard of the service."""

    def __init__(self, seconds: float | None) -> None:
        """Take the greatest silence; None: for ever."""
        self._seconds = seconds
        self.renew()

    def renew(self) -> None:
        """Begin anew: there was a sign of life."""
        self._since = time.monotonic()

    @property
    def is_over(self) -> bool:
        """Whether nothing was heard for too long."""
        return self._seconds is not None and time.monotonic() - self._since > self._seconds


def follow(
    connections: Connections, site: str, last_event_id: str | None, patience_seconds: float | None
) -> Iterator[Change | ChangeOfSite]:
    """Yield what happens at a site, for ever; see `SiteClient.follow`."""
    backoff, position, patience = Backoff(), last_event_id, Patience(patience_seconds)
    while True:
        at_least = 0.0
        try:
            for message in _messages(connections, site, position, patience):
                backoff.reset()
                position = message.position or position
                if (change := _change(message, position)) is not None:
                    yield change
                    patience.renew()  # what the caller took its time for was no silence of the service
        except SiteClientError as error:
            if patience.is_over or (isinstance(error, Refused) and error.for_good):
                raise
            at_least = (error.retry_after_seconds or 0.0) if isinstance(error, Refused) else 0.0
            log.warning("the stream broke off, taking it up again: %s", error)
        time.sleep(backoff.pause(at_least) or 0.0)


def parse(chunks: Iterable[bytes]) -> Iterator[Message]:
    """Yield the messages of a stream of bytes (WHATWG HTML, section 9.2.6); comments and retry are left out.

    Lines end at CR, LF or both, and at nothing else: a text may hold any other separator that Unicode knows.
    """
    event, data, position = "", list[str](), None
    for line in _lines(chunks):
        if not line:
            if data or position is not None:
                yield Message(event or "message", "\n".join(data), position)
            event, data, position = "", [], None
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            event = value
        elif name == "data":
            data.append(value)
        elif name == "id" and "\0" not in value:
            position = value


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    rest = b""
    for chunk in chunks:
        text = rest + chunk
        held = b"\r" if text.endswith(b"\r") else b""  # its LF may come with the next chunk
        lines = text[: len(text) - len(held)].replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        rest = lines.pop() + held
        yield from (line.decode(errors="replace") for line in lines)


def _messages(connections: Connections, site: str, position: str | None, patience: Patience) -> Iterator[Message]:
    headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": position} if position else {})
    timeout = httpx.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS)
    url = f"{connections.base_url}/stream"
    try:
        with (
            connections.borrow() as client,
            client.stream("GET", url, params={"site": site}, headers=headers, timeout=timeout) as response,
        ):
            if response.status_code != httpx.codes.OK:
                response.read()
                raise refused(response)
            yield from parse(_lively(response.iter_bytes(), patience))
    except httpx.HTTPError as error:
        raise unreachable(connections.base_url, error) from error


def _lively(chunks: Iterable[bytes], patience: Patience) -> Iterator[bytes]:
    """Yield the bytes of a stream; each is a sign of life, also of a comment, and so is that the service closes it."""
    try:
        for chunk in chunks:
            patience.renew()
            yield chunk
    except httpx.TimeoutException:  # nothing came, not even an end: the silence goes on
        raise
    except httpx.HTTPError:
        patience.renew()
        raise
    patience.renew()


def _change(message: Message, position: str | None) -> Change | ChangeOfSite | None:
    """Return the change that a message is; None for `dropped`: such a reader comes back by itself."""
    if not message.data or message.event == "dropped":
        return None
    try:
        content = json.loads(message.data)
        topic, data = content["topic"], content["data"]
        if topic == "jobs":
            return JobChange(position, read_job(data), read_event(data["event"]))
        if topic == "presence":
            return _presence(position, data)
        if topic == "devices":
            return DevicesChange(position, data["devices"], data["now_ms"])
        if topic == "previews":
            return PreviewChange(position, read_preview(data))
        return Reset(position, str(data["reason"])) if topic == "reset" else None
    except (ValueError, KeyError, TypeError) as error:
        raise BadReply(f"the stream sent something that is no event: {error!r}") from None


def _presence(position: str | None, data: Mapping[str, Any]) -> PresenceChange:
    return PresenceChange(position, data["state"], data["lastPoll_ms"], data["silentSince_ms"], data["client"])
