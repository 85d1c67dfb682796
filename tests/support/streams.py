"""A viewer of a stream: a thread that reads Server-Sent Events as a browser does."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import httpx

WAIT_SECONDS = 60.0


@dataclass(frozen=True)
class Message:
    """One message of a stream."""

    event: str
    id: str
    data: Any

    @property
    def status(self) -> str:
        """The status of the job that the message is about."""
        return str(self.data["data"]["statusId"]).split("#")[0]

    @property
    def topic(self) -> str:
        return str(self.data["topic"])


@dataclass
class Parser:
    """Read lines as messages (WHATWG HTML, 9.2.6)."""

    last_id: str = ""
    retry_ms: int | None = None
    comments: int = 0
    keeps: bool = True
    """Whether messages are kept, and not only counted."""
    messages: list[Message] = field(default_factory=list)
    told: Counter[str] = field(default_factory=Counter)
    """How often each status of a job was told of."""
    _event: str = ""
    _data: list[str] = field(default_factory=list)

    def line(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            self._dispatch()
        elif not name:
            self.comments += 1
        elif name == "id":
            self.last_id = value
        elif name == "event":
            self._event = value
        elif name == "data":
            self._data.append(value)
        elif name == "retry":
            self.retry_ms = int(value)

    def _dispatch(self) -> None:
        if self._data:
            message = Message(self._event or "message", self.last_id, json.loads("\n".join(self._data)))
            if message.data.get("topic") == "jobs":
                self.told[message.status] += 1
            if self.keeps:
                self.messages.append(message)
        self._event, self._data = "", []


class Viewer:
    """Somebody who watches a site; a context manager, in which it is connected."""

    def __init__(
        self, url: str, site: str = "wmd", last_id: str | None = None, *, keeps: bool = True, **parameters: str
    ) -> None:
        self._url = f"{url}/stream"
        self._parameters = {"site": site, **parameters}
        self._headers = {"Last-Event-ID": last_id} if last_id else {}
        self._parser = Parser(last_id or "", keeps=keeps)
        self._changed = threading.Condition()
        self._client = httpx.Client(trust_env=False, timeout=httpx.Timeout(10, read=WAIT_SECONDS))
        self._thread = threading.Thread(target=self._read)
        self._response: httpx.Response | None = None
        self.headers: Mapping[str, str] = {}
        self.ended = False

    def __enter__(self) -> Viewer:
        self._thread.start()
        self.until(lambda: self._parser.retry_ms is not None or self.ended, "the first message")
        if self._parser.retry_ms is None:
            self._client.close()
            raise AssertionError(f"no stream at {self._url}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._response is not None:
            self._hang_up(self._response)
        self._thread.join(WAIT_SECONDS)
        self._client.close()

    @property
    def last_id(self) -> str:
        return self._parser.last_id

    @property
    def retry_ms(self) -> int | None:
        return self._parser.retry_ms

    @property
    def comments(self) -> int:
        return self._parser.comments

    @property
    def states(self) -> list[str]:
        """What was told of the site's software."""
        return [each.data["data"]["state"] for each in self._parser.messages if each.data.get("topic") == "presence"]

    def all(self, topic: str = "jobs") -> list[Message]:
        """What came of one topic, so far."""
        with self._changed:
            return [message for message in self._parser.messages if message.data.get("topic") == topic]

    def sees(self, count: int, topic: str = "jobs") -> list[Message]:
        """Wait until so many messages of a topic have come."""
        self.until(lambda: len([m for m in self._parser.messages if m.data.get("topic") == topic]) >= count, topic)
        return self.all(topic)

    def sees_all_of(self, told: Mapping[str, int]) -> None:
        """Wait until jobs of each status were told of so often, and see that none was told of more often."""
        self.until(lambda: all(self._parser.told[status] >= count for status, count in told.items()), str(told))
        assert {status: self._parser.told[status] for status in told} == told

    def sees_end(self) -> None:
        """Wait until the stream ends."""
        self.until(lambda: self.ended, "the end")

    def until(self, condition: Callable[[], bool], what: str) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, WAIT_SECONDS), (
                f"{what} did not come: {self._parser.told}: {self._parser.messages}"
            )

    def _read(self) -> None:
        try:
            with self._client.stream("GET", self._url, params=self._parameters, headers=self._headers) as response:
                self._response = response
                assert response.status_code == 200, response.read()
                self.headers = response.headers
                for line in response.iter_lines():
                    with self._changed:
                        self._parser.line(line)
                        self._changed.notify_all()
        except httpx.TransportError:
            pass  # the server or the test cut it off
        finally:
            with self._changed:
                self.ended = True
                self._changed.notify_all()

    @staticmethod
    def _hang_up(response: httpx.Response) -> None:
        stream = response.extensions["network_stream"]
        connection = stream.get_extra_info("socket")
        with suppress(OSError):  # it ended by itself
            connection.shutdown(2)
