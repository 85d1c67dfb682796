"""Calls over HTTP: time-outs, retries that never repeat what must not be repeated, refusals as exceptions."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from ssl import SSLContext
from typing import Any, NamedTuple
from urllib.parse import urlencode

import httpx

from .backoff import Backoff
from .errors import BadReply, Refused, SiteClientError, TooManyRequests, Unavailable, Unreachable, is_for_good, refusal

CONNECT_SECONDS = 5.0
REPLY_SECONDS = 10.0
_IDLE_SECONDS = 1.0  # less than servers keep a silent connection (gunicorn: 2), so that none dies under a request
_OURS = "Error: "
_SECONDS = re.compile(r"\d{1,9}(\.\d*)?", re.ASCII)
_NOTHING_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)

MakeTransport = Callable[[], httpx.BaseTransport]


class Reply(NamedTuple):
    """What the service answered."""

    content: Any  # the body, read from JSON
    headers: Mapping[str, str]


class Connections:
    """Lend an HTTP client to one thread at a time: one that is shared between threads has been seen to fail.

    A proxy that the environment names is not used: a command to a telescope on the LAN has no business there.
    """

    def __init__(self, base_url: str, headers: Mapping[str, str], transport: MakeTransport | None = None) -> None:
        self.base_url = base_url.rstrip("/")
        self._headers = dict(headers)
        self._transport = transport
        self._trust: SSLContext | bool = httpx.create_ssl_context() if base_url.startswith("https:") else False
        self._lock = threading.Lock()
        self._idle: list[httpx.Client] = []
        self._closed = False
        self._server_ms: tuple[int, float] | None = None

    @contextmanager
    def borrow(self) -> Iterator[httpx.Client]:
        """Lend a client that nobody else uses."""
        with self._lock:
            client = self._idle.pop() if self._idle else None
        client = client or self._make()
        try:
            yield client
        finally:
            with self._lock:
                closed = self._closed
                if not closed:
                    self._idle.append(client)
            if closed:
                client.close()

    def close(self) -> None:
        """Close what is idle now, and the rest as it is given back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for client in idle:
            client.close()

    def note_time(self, date_header: str | None) -> None:
        """Note the time at the service, from the `Date` of its reply."""
        try:
            server_ms = round(parsedate_to_datetime(date_header or "").timestamp() * 1000)
        except ValueError:
            return
        self._server_ms = (server_ms, time.monotonic())

    def server_time_ms(self) -> int | None:
        """Return the time by the service's own clock (ms since 1970 UTC); None before its first dated reply."""
        if self._server_ms is None:
            return None
        server_ms, then = self._server_ms
        return server_ms + round((time.monotonic() - then) * 1000)

    def _make(self) -> httpx.Client:
        return httpx.Client(
            headers=self._headers,
            verify=self._trust,
            trust_env=False,
            transport=self._transport() if self._transport else None,
            limits=httpx.Limits(keepalive_expiry=_IDLE_SECONDS),
        )


class Calls:
    """Post to the service's routes, again while patience lasts where that is safe."""

    def __init__(self, connections: Connections, patience_seconds: float) -> None:
        self.connections = connections
        self.patience_seconds = patience_seconds

    def post(
        self,
        route: str,
        body: Mapping[str, Any],
        *,
        repeatable: bool,
        headers: Mapping[str, str] | None = None,
        reply_seconds: float = REPLY_SECONDS,
    ) -> Reply:
        """Post a body and return the reply.

        A call that is not repeatable is tried again only when it surely did nothing: no connection came about, or the
        service said so (429, 503). Raises Refused, Unreachable or BadReply.
        """
        return self.post_bytes(
            route,
            json.dumps(body, allow_nan=False).encode(),
            repeatable=repeatable,
            headers=headers,
            reply_seconds=reply_seconds,
        )

    def post_bytes(
        self,
        route: str,
        content: bytes,
        *,
        repeatable: bool,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        reply_seconds: float = REPLY_SECONDS,
    ) -> Reply:
        """Post bytes and return the reply, as `post` does."""
        address = f"{route}?{urlencode(query)}" if query else route
        backoff = Backoff(self.patience_seconds)
        while True:
            try:
                return self._once(address, content, headers or {}, reply_seconds)
            except (Unreachable, TooManyRequests, Unavailable) as error:
                if isinstance(error, Unreachable) and error.may_have_arrived and not repeatable:
                    raise
                pause = backoff.pause(at_least=_asked_pause(error))
                if pause is None:
                    raise
            time.sleep(pause)

    def _once(self, route: str, content: bytes, headers: Mapping[str, str], reply_seconds: float) -> Reply:
        timeout = httpx.Timeout(reply_seconds, connect=CONNECT_SECONDS)
        url = f"{self.connections.base_url}/{route}"
        try:
            with self.connections.borrow() as client:
                response = client.post(url, content=content, headers=dict(headers), timeout=timeout)
        except httpx.HTTPError as error:
            raise unreachable(self.connections.base_url, error) from error
        self.connections.note_time(response.headers.get("Date"))
        if response.status_code != httpx.codes.OK:
            raise refused(response)
        try:
            return Reply(response.json(), response.headers)
        except ValueError:
            raise BadReply(f"{url} answered with something that is not JSON; is this the jobs service?") from None


def unreachable(base_url: str, error: httpx.HTTPError) -> Unreachable:
    """Return the exception for an answer that did not come, with whether the request may have arrived."""
    nothing_sent = isinstance(error, _NOTHING_SENT)
    reason = str(error) or type(error).__name__
    return Unreachable(f"no answer from {base_url}: {reason}", may_have_arrived=not nothing_sent)


def refused(response: httpx.Response) -> Refused | BadReply:
    """Return the exception for a refusal; a poll has the sentence in a header, since its body is for commands alone.

    A text that does not begin as the service's refusals do is somebody else's, such as a page of the network, and must
    not be taken for an answer. A status that is worth another try is so whoever sends it.
    """
    sentence = response.headers.get("X-Error") or response.text.strip()
    if sentence.startswith(_OURS):
        return refusal(response.status_code, sentence.removeprefix(_OURS), _retry_after(response))
    sentence = f"{response.url} answered {response.status_code} {response.reason_phrase}"
    if is_for_good(response.status_code):
        return BadReply(f"{sentence}, not in the words of the jobs service; is it there?")
    return refusal(response.status_code, sentence, _retry_after(response))


def _retry_after(response: httpx.Response) -> float | None:
    """Return the seconds that are asked for; None for a date, for nothing, and for what no clock can wait."""
    asked = response.headers.get("Retry-After", "").strip()
    return float(asked) if _SECONDS.fullmatch(asked) else None


def _asked_pause(error: SiteClientError) -> float:
    return (error.retry_after_seconds or 0.0) if isinstance(error, Refused) else 0.0
