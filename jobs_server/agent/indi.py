"""A client for one device of an INDI server: a socket, a thread that reads, and what the device said.

It knows nothing of jobs. The thread connects, and connects again with back-off for ever; the end of a stream and a
refused connection are noticed at once, silence after `silence_seconds`.
"""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Literal, TypeVar
from xml.sax.saxutils import quoteattr

from ..client.backoff import Backoff
from . import indi_vectors
from .errors import DeviceGone, NotPossible, TimedOut
from .indi_stream import BLOB_BYTES, BadStream, Element, IndiStream
from .indi_vectors import Blob, Value, Vector

log = logging.getLogger(__name__)
Found = TypeVar("Found")
Blobs = Literal["Never", "Also", "Only"]

PORT = 7624
CONNECT_SECONDS = 5.0
SEND_SECONDS = 2.0
SILENCE_SECONDS = 10.0
LONGEST_PAUSE_SECONDS = 5.0
_VECTORS = 4096
_CHUNK = 1 << 18


class IndiConnection:
    """One connection to a server, about one device."""

    def __init__(
        self,
        host: str,
        port: int,
        device: str,
        *,
        blobs: Blobs = "Never",
        silence_seconds: float = SILENCE_SECONDS,
        blob_limit: int = BLOB_BYTES,
    ) -> None:
        """Take where the device is; nothing is opened before `start`."""
        self.host, self.port, self.device = host, port, device
        self._blobs, self._silence_seconds, self._blob_limit = blobs, silence_seconds, blob_limit
        self._changed = threading.Condition()
        self._sending = threading.Lock()
        self._closed = threading.Event()
        self._socket: socket.socket | None = None
        self._vectors: dict[str, Vector] = {}
        self._messages: deque[tuple[int, str]] = deque(maxlen=50)
        self._generation = self._told = self._heard = 0
        self._reason = "it was not asked yet"
        self._listeners: list[Callable[[], None]] = []
        self._thread = threading.Thread(target=self._run, name=f"indi {device}", daemon=True)

    @property
    def address(self) -> str:
        """Return where the device is, for sentences."""
        return f"{self.device} at {self.host}:{self.port}"

    def start(self) -> None:
        """Begin to connect, in a thread."""
        self._thread.start()

    def close(self) -> None:
        """End the thread and the connection."""
        self._closed.set()
        self._shut()
        with self._changed:
            self._changed.notify_all()

    def on_change(self, listener: Callable[[], None]) -> None:
        """Have a function called, in the reading thread, after whatever changed; it must not wait."""
        self._listeners.append(listener)

    @property
    def is_up(self) -> bool:
        """Whether the server is connected."""
        return self._socket is not None

    @property
    def reason(self) -> str:
        """Return why the server is not connected, in words."""
        return self._reason

    @property
    def generation(self) -> int:
        """Return how often the server was connected or lost; it changes with each."""
        return self._generation

    def vector(self, name: str) -> Vector | None:
        """Return a property as it stands; None when the device has not described it."""
        return self._vectors.get(name)

    def vectors(self) -> Mapping[str, Vector]:
        """Return all properties as they stand."""
        with self._changed:
            return dict(self._vectors)

    @property
    def heard(self) -> int:
        """Return how many messages about the device came: it grows with each sign of life."""
        return self._heard

    def take_blobs(self, name: str) -> Mapping[str, Blob]:
        """Return the BLOBs of a property that came last, and keep them no longer."""
        with self._changed:
            if (vector := self._vectors.get(name)) is None:
                return {}
            self._vectors[name] = replace(vector, blobs={})
            return vector.blobs

    def ask(self) -> None:
        """Have the device describe all its properties again; raise DeviceGone when it cannot be sent."""
        self._write(f'<getProperties version="1.7" device={quoteattr(self.device)}/>\n'.encode())

    def mark(self) -> int:
        """Return how many messages came, for `messages_since`."""
        return self._told

    def messages_since(self, mark: int) -> list[str]:
        """Return what the driver said to people since then, oldest first."""
        with self._changed:
            return [text for count, text in self._messages if count > mark]

    def send(self, name: str, values: Mapping[str, Value]) -> Vector:
        """Ask for new values of a property; return it as it stood before.

        Raise NotPossible when there is no such property or member or it is read-only, DeviceGone when it is not sent.
        """
        vector = self._vectors.get(name)
        self._check_up()
        if vector is None:
            raise NotPossible(f"{self.address} has no {name}")
        if missing := [member for member in values if member not in vector.values]:
            raise NotPossible(f"{self.address} has no {missing[0]} in {name}")
        if not vector.writable:
            raise NotPossible(f"{name} of {self.address} can only be read")
        self._write(indi_vectors.command(self.device, vector, values))
        return vector

    def wait_for(self, look: Callable[[], Found | None], seconds: float, what: str) -> Found:
        """Look whenever something changed until there is something, and return it.

        Raise TimedOut with `what` when it did not come in time, DeviceGone when the connection was lost meanwhile.
        """
        deadline = time.monotonic() + seconds
        with self._changed:
            generation = self._generation
            while True:
                if generation != self._generation or self._socket is None:
                    raise DeviceGone(f"{self.address} is gone: {self._reason}")
                if (found := look()) is not None and found is not False:
                    return found
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimedOut(f"{self.address}: {what} did not come within {seconds:g} s")
                self._changed.wait(left)

    def pause(self, seconds: float) -> None:
        """Return when something changed, at the latest after so long."""
        with self._changed:
            self._changed.wait(seconds)

    def wait_up(self, seconds: float) -> None:
        """Return when the server is connected; raise DeviceGone with the reason when it is not in time."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.is_up or self._closed.is_set(), seconds) or not self.is_up:
                raise DeviceGone(f"{self.address} is not there: {self._reason}")

    def wake(self) -> None:
        """Have everybody who waits look again."""
        with self._changed:
            self._changed.notify_all()

    def drop(self, reason: str) -> None:
        """Give the present connection up, since it is no good; the thread connects anew."""
        self._reason = reason
        self._shut()

    def _check_up(self) -> None:
        if self._socket is None:
            raise DeviceGone(f"{self.address} is not there: {self._reason}")

    def _write(self, data: bytes) -> None:
        with self._sending:
            connection = self._socket
            if connection is None:
                raise DeviceGone(f"{self.address} is not there: {self._reason}")
            try:
                connection.sendall(data)
            except OSError as error:  # a part may be gone out: the connection is of no more use
                self.drop(f"it takes nothing: {error or 'no room in time'}")
                raise DeviceGone(f"{self.address} is gone: it takes nothing") from error

    def _shut(self) -> None:
        if (connection := self._socket) is not None:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _run(self) -> None:
        backoff = Backoff(longest=LONGEST_PAUSE_SECONDS)
        while not self._closed.is_set():
            try:
                connection = self._connect()
            except OSError as error:
                self._reason = f"it cannot be connected: {error}"
            else:
                if self._read(connection):
                    backoff.reset()
                connection.close()
            log.debug("%s: %s", self.address, self._reason)
            self._closed.wait(backoff.pause() or LONGEST_PAUSE_SECONDS)

    def _connect(self) -> socket.socket:
        connection = socket.create_connection((self.host, self.port), timeout=CONNECT_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(SEND_SECONDS)
        return connection

    def _read(self, connection: socket.socket) -> bool:
        """Read until the connection ends; return whether anything came that was INDI."""
        came = False
        stream = IndiStream(self._take, wants_blobs=self._blobs != "Never", blob_limit=self._blob_limit)
        try:
            self._begin(connection)
            for data in self._chunks(connection):
                stream.feed(data)
                came = True
                with self._changed:
                    self._changed.notify_all()
                self._tell()
            self._reason = "it ended the connection"
        except (OSError, BadStream, DeviceGone) as error:
            self._reason = str(error) or "it broke the connection"
        except Exception as error:  # without this thread nobody connects again
            log.exception("%s sent what nobody thought of", self.address)
            self._reason = f"what it says is not understood: {error!r}"
        finally:
            self._lose()
        return came

    def _chunks(self, connection: socket.socket) -> Iterator[memoryview]:
        heard = asked = time.monotonic()
        buffer = bytearray(_CHUNK)
        while True:
            if select.select([connection], [], [], self._silence_seconds / 10)[0]:
                if not (length := connection.recv_into(buffer)):
                    return
                yield memoryview(buffer)[:length]
                heard = time.monotonic()  # after the reading, which on a busy machine may take its time
            now = time.monotonic()
            if now - heard > self._silence_seconds:
                raise DeviceGone(f"it said nothing for {self._silence_seconds:g} s")
            if now - max(heard, asked) > self._silence_seconds / 3:
                asked = now
                self.ask()

    def _begin(self, connection: socket.socket) -> None:
        with self._changed:
            self._socket = connection
            self._vectors.clear()
            self._generation += 1
        self.ask()
        if self._blobs != "Never":
            self._write(f"<enableBLOB device={quoteattr(self.device)}>{self._blobs}</enableBLOB>\n".encode())
        with self._changed:
            self._changed.notify_all()
        self._tell()

    def _lose(self) -> None:
        with self._changed:
            self._socket = None
            self._vectors.clear()
            self._generation += 1
            self._changed.notify_all()
        self._tell()

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()

    def _take(self, element: Element) -> None:
        if element.tag == "pingRequest":  # whoever sends BLOBs holds the next one back until the last one was taken
            self._write(f"<pingReply uid={quoteattr(element.attributes.get('uid', ''))}/>\n".encode())
        if element.attributes.get("device") != self.device:
            return
        with self._changed:
            self._heard += 1
            if text := element.attributes.get("message"):
                self._told += 1
                self._messages.append((self._told, text))
            self._keep(element)

    def _keep(self, element: Element) -> None:
        name = element.attributes.get("name", "")
        if element.tag == "delProperty":
            self._forget(name)
        elif kind := indi_vectors.kind_of(element):
            known = self._vectors.get(name)
            if kind[0] == "def":
                new = indi_vectors.described(element, kind[1])
                self._vectors[name] = new if known is None else indi_vectors.described_again(known, new)
            elif known is not None and known.kind == kind[1]:
                self._vectors[name] = indi_vectors.changed(known, element)
            if len(self._vectors) > _VECTORS:
                raise BadStream(f"a device with more than {_VECTORS} properties")

    def _forget(self, name: str) -> None:
        if name:
            self._vectors.pop(name, None)
        elif self._vectors:  # its driver died; what it was asked is lost with it
            raise DeviceGone("the server took the device away")
