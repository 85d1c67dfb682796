"""A client for one device of an Alpaca server: HTTP, one request at a time, each with a deadline for all of it.

It knows nothing of jobs. httpx limits each read, and not all reads together: what drips for ever is ended here, by a
network of our own under httpx's engine. Answers are read within bounds, and every answer that is none is a sentence.
"""

from __future__ import annotations

import itertools
import json
import math
import random
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

import httpcore

from .errors import BadReply, DeviceGone, Refused
from .image_bytes import BadImage, image

IMAGE_BYTES = "application/imagebytes"
JSON_BYTES = 1 << 20
JSON_IMAGE = 1 << 26  # as JSON a frame takes many times its size in memory
IMAGE_LIMIT = 1 << 30
REQUEST_SECONDS = 10.0
CONNECT_SECONDS = 2.0
_KEEP_SECONDS = 2.0  # shorter than servers keep what is idle, so that no request meets a connection's end
_CHUNK = 1 << 18

NOT_IMPLEMENTED, INVALID_VALUE, VALUE_NOT_SET, NOT_CONNECTED = 0x400, 0x401, 0x402, 0x407
PARKED, SLAVED, INVALID_OPERATION = 0x408, 0x409, 0x40B
_SAID = {
    NOT_IMPLEMENTED: "it cannot do that",
    INVALID_VALUE: "it does not take that value",
    VALUE_NOT_SET: "the value is not set",
    NOT_CONNECTED: "the device is not connected",
    PARKED: "it is parked",
    SLAVED: "it follows the mount",
    INVALID_OPERATION: "that cannot be done now",
}


class AlpacaRefused(Refused):
    """The device answered with an error; `number` is Alpaca's, 0 for a plain HTTP 400."""

    def __init__(self, message: str, number: int) -> None:
        """Take the sentence and Alpaca's number."""
        super().__init__(message)
        self.number = number


class _Deadline:
    """The end of the request that is under way."""

    def __init__(self) -> None:
        self.at = math.inf

    def left(self, seconds: float | None) -> float:
        left = self.at - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("no time is left")
        return left if seconds is None else min(left, seconds)


class _Stream(httpcore.NetworkStream):
    """A connection whose every read and write ends with the request's deadline."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: _Deadline) -> None:
        self._inner, self._deadline = inner, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max(max_bytes, _CHUNK), self._deadline.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._deadline.left(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(
            self._inner.start_tls(ssl_context, server_hostname, self._deadline.left(timeout)), self._deadline
        )

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Network(httpcore.NetworkBackend):
    """Connections that keep the deadline."""

    def __init__(self, deadline: _Deadline) -> None:
        self._inner, self._deadline = httpcore.SyncBackend(), deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        left = self._deadline.left(min(CONNECT_SECONDS, timeout or CONNECT_SECONDS))
        return _Stream(self._inner.connect_tcp(host, port, left, local_address, socket_options), self._deadline)


class AlpacaConnection:
    """One way to one device of an Alpaca server; a second request waits for the first, so give each user one."""

    _client_ids = itertools.count(random.randrange(1, 1 << 31))  # noqa: S311

    def __init__(self, base: str, kind: str, number: int, *, image_limit: int = IMAGE_LIMIT) -> None:
        """Take the server, such as `http://host:11111`, and the device's type and number in Alpaca's words."""
        self.base, self.kind, self.number = base.rstrip("/"), kind.lower(), number
        self._image_limit = image_limit
        self._client_id = next(self._client_ids) % (1 << 32)
        self._transactions = itertools.count(1)
        self._deadline, self._lock = _Deadline(), threading.Lock()
        self._pool = httpcore.ConnectionPool(
            max_connections=1, keepalive_expiry=_KEEP_SECONDS, network_backend=_Network(self._deadline)
        )

    @property
    def address(self) -> str:
        """Return where the device is, for sentences."""
        return f"{self.kind} {self.number} at {self.base}"

    def get(self, name: str, seconds: float = REQUEST_SECONDS, **parameters: object) -> Any:
        """Return a property's value.

        Raise DeviceGone, AlpacaRefused or BadReply.
        """
        query = urlencode(self._signed(parameters))
        try:
            return self._value(*self._ask("GET", f"{self._path(name)}?{query}", seconds), name)
        except DeviceGone as error:
            if not isinstance(error.__cause__, httpcore.RemoteProtocolError):
                raise
            # The server closed an idle connection at that moment; asking twice changes nothing.
            return self._value(*self._ask("GET", f"{self._path(name)}?{query}", seconds), name)

    def put(self, name: str, seconds: float = REQUEST_SECONDS, **parameters: object) -> Any:
        """Call a method or set a property, and return what it answers; raise as `get` does."""
        body = urlencode(self._signed(parameters)).encode()
        return self._value(*self._ask("PUT", self._path(name), seconds, body), name)

    def image(self, seconds: float) -> Any:
        """Fetch the frame, as an array of shape (rows, columns) or (planes, rows, columns); raise as `get` does."""
        query = urlencode(self._signed({}))
        path = f"{self._path('imagearray')}?{query}"
        accept = f"{IMAGE_BYTES}, application/json"
        kind, content = self._ask("GET", path, seconds, accept=accept, limit=self._image_limit)
        try:
            if kind.startswith(IMAGE_BYTES):
                return image(content)
            return image_of_json(self._json(kind, content, "imagearray"))
        except BadImage as error:
            if error.number:
                raise self._refused(error.number, str(error), "imagearray") from error
            raise BadReply(f"{self.address}: {error}") from error

    def json(self, path: str, seconds: float = REQUEST_SECONDS) -> Any:
        """Return the value at a path of the server, such as `/management/apiversions`."""
        return self._value(*self._ask("GET", path, seconds), path)

    def close(self) -> None:
        """Close the connection."""
        self._pool.close()

    def _path(self, name: str) -> str:
        return f"/api/v1/{self.kind}/{self.number}/{name.lower()}"

    def _signed(self, parameters: Mapping[str, object]) -> dict[str, object]:
        told = {name: _written(value) for name, value in parameters.items()}
        return told | {"ClientID": self._client_id, "ClientTransactionID": next(self._transactions)}

    def _ask(
        self,
        method: str,
        path: str,
        seconds: float,
        body: bytes | None = None,
        *,
        accept: str = "application/json",
        limit: int = JSON_BYTES,
    ) -> tuple[str, bytearray]:
        """Return the content type and the content of an answer of 200; raise on every other."""
        sent = [("Accept", accept)]
        if body is not None:
            sent.append(("Content-Type", "application/x-www-form-urlencoded"))
        with self._lock:
            self._deadline.at = time.monotonic() + seconds
            try:
                with self._pool.stream(method, self.base + path, headers=sent, content=body) as response:
                    kind = _header(response, b"content-type")
                    content = self._read(response, limit if kind.startswith(IMAGE_BYTES) else min(limit, JSON_IMAGE))
                    status = response.status
            except httpcore.TimeoutException as error:
                raise DeviceGone(f"{self.address} did not answer within {seconds:g} s") from error
            except (httpcore.NetworkError, httpcore.RemoteProtocolError, OSError) as error:
                raise DeviceGone(f"{self.address} is not there: {_why(error)}") from error
            except (httpcore.ProtocolError, httpcore.UnsupportedProtocol, ValueError) as error:
                raise BadReply(f"{self.address} is no Alpaca server: {_why(error)}") from error
        if status != 200:
            raise self._bad_status(status, path.partition("?")[0], content)
        return kind, content

    def _bad_status(self, status: int, path: str, content: bytearray) -> Refused | BadReply:
        words = f"{self.address} answered {status} to {path}: {_short(content)}"
        return AlpacaRefused(words, 0) if status == 400 else BadReply(words)

    def _read(self, response: httpcore.Response, limit: int) -> bytearray:
        """Return the content; room for all of it is made at once where the server says how much it is."""
        said = _header(response, b"content-length")
        content, filled = bytearray(min(limit, int(said)) if said.isdecimal() else 0), 0
        for chunk in _chunks(response):
            if filled + len(chunk) > limit:
                raise BadReply(f"{self.address} answered more than {limit} bytes")
            content[filled : filled + len(chunk)] = chunk
            filled += len(chunk)
        del content[filled:]
        return content

    def _value(self, kind: str, content: bytearray, name: str) -> Any:
        return self._json(kind, content, name).get("Value")

    def _json(self, kind: str, content: bytearray, name: str) -> dict[str, Any]:
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise BadReply(f"{self.address} answered no JSON to {name}: {kind} {_short(content)}") from error
        if not isinstance(answer, dict) or not isinstance(number := answer.get("ErrorNumber", 0), int):
            raise BadReply(f"{self.address} answered what is none of Alpaca's to {name}: {_short(content)}")
        if number:
            raise self._refused(number, str(answer.get("ErrorMessage", "")), name)
        return answer

    def _refused(self, number: int, message: str, name: str) -> AlpacaRefused:
        said = _SAID.get(number, f"error 0x{number & 0xFFFFFFFF:X}")
        detail = f" ({message.strip()[:200]})" if message.strip() else ""
        return AlpacaRefused(f"{self.address} refused {name}: {said}{detail}", number)


def image_of_json(answer: Mapping[str, Any]) -> Any:
    """Return the frame of a JSON answer, turned to (rows, columns); raise BadImage when it holds none."""
    import numpy as np

    kinds = {1: np.int16, 2: np.int32, 3: np.float64}
    try:
        pixels = np.array(answer["Value"], dtype=kinds[int(answer.get("Type", 2))])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise BadImage(f"the frame cannot be read: {error}") from error
    if pixels.ndim not in {2, 3}:
        raise BadImage(f"a frame of {pixels.ndim} dimensions")
    return pixels.transpose()


def _chunks(response: httpcore.Response) -> Iterator[bytes]:
    stream = response.stream
    assert isinstance(stream, Iterable)
    yield from stream


def _header(response: httpcore.Response, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in response.headers if key.lower() == name), "").lower()


def _written(value: object) -> object:
    return str(value) if isinstance(value, bool) else value


def _why(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _short(content: bytearray) -> str:
    return repr(bytes(content[:80]).decode("utf-8", "replace"))
