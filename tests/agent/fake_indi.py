"""A scripted INDI server: it does what a test says, such as hanging, lying, coasting and going away."""

from __future__ import annotations

import base64
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from xml.sax.saxutils import quoteattr

from jobs_server.agent.indi_stream import Element, IndiStream

Value = float | str | bool
Handler = Callable[[dict[str, str]], None]
_CLIENT_VECTORS = ("newNumberVector", "newTextVector", "newSwitchVector")


class FakeIndi:
    """One device behind a server on 127.0.0.1; what nobody scripted is taken and called Ok."""

    def __init__(self, device: str = "Fake", port: int = 0) -> None:
        self.device = device
        self.came: list[tuple[str, dict[str, str]]] = []
        self.ignores: set[str] = set()
        self.hangs = False
        self._handlers: dict[str, Handler] = {}
        self._vectors: dict[str, tuple[str, str, str, dict[str, Value], tuple[float, float]]] = {}
        self._lock = threading.RLock()
        self._clients: dict[socket.socket, str] = {}
        self._accepts = True
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port = int(self._listener.getsockname()[1])
        self.define("Switch", "CONNECTION", {"CONNECT": False, "DISCONNECT": True})
        self.define("Text", "DRIVER_INFO", {"DRIVER_NAME": device, "DRIVER_VERSION": "1", "DRIVER_INTERFACE": "1"})
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        return f"indi://127.0.0.1:{self.port}/{self.device}"

    def define(
        self,
        kind: str,
        name: str,
        values: Mapping[str, Value],
        *,
        state: str = "Idle",
        limits: tuple[float, float] = (0, 0),
        perm: str = "rw",
    ) -> None:
        """Give the device a property."""
        with self._lock:
            self._vectors[name] = (kind, state, perm, dict(values), limits)
            self._tell(self._described(name))

    def on(self, name: str, handler: Handler) -> None:
        """Have a function called when somebody writes a property; it says what happens then."""
        self._handlers[name] = handler

    def set(self, name: str, state: str, message: str = "", **values: Value) -> None:
        """Change a property and tell everybody."""
        with self._lock:
            kind, _, perm, known, limits = self._vectors[name]
            known.update(values)
            self._vectors[name] = (kind, state, perm, known, limits)
            self._tell(self._written("set", name, message=message))

    def value(self, name: str, member: str) -> Value:
        return self._vectors[name][3][member]

    def state(self, name: str) -> str:
        return self._vectors[name][1]

    def blob(
        self, name: str, data: bytes, kind: str = ".fits", size: int | None = None, break_off: bool = False
    ) -> None:
        """Send a BLOB to who wants BLOBs; broken off, it ends in the middle and nothing more follows."""
        text = base64.b64encode(data).decode()
        begin = (
            f"<setBLOBVector device={quoteattr(self.device)} name={quoteattr(name)} state='Ok'>"
            f"<oneBLOB name={quoteattr(name)} size='{len(data) if size is None else size}' format='.fits'>"
        )
        with self._lock:
            whole = begin + (text[: len(text) // 2] if break_off else f"{text}</oneBLOB></setBLOBVector>\n")
            self.raw(whole.encode(), with_blobs=True)

    def raw(self, data: bytes, *, with_blobs: bool = False) -> None:
        """Send bytes to everybody, or to who wants BLOBs alone."""
        with self._lock:
            wanted = [client for client, blobs in self._clients.items() if not with_blobs or blobs != "Never"]
            for client in [] if self.hangs else wanted:
                _send(client, data)

    def cut(self) -> None:
        """End all connections and take none until `mend`."""
        with self._lock:
            self._accepts = False
            for client in self._clients:
                with contextlib.suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        with self._lock:
            self._accepts = True

    @property
    def clients(self) -> int:
        with self._lock:
            return len(self._clients)

    def close(self) -> None:
        self.cut()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                with self._lock:
                    if not self._accepts:
                        client.close()
                        continue
                    self._clients[client] = "Never"
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        stream = IndiStream(lambda element: self._take(client, element))
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                stream.feed(data)
        with self._lock:
            self._clients.pop(client, None)
        client.close()

    def _take(self, client: socket.socket, element: Element) -> None:
        if self.hangs:
            return
        if element.tag == "getProperties":
            with self._lock:
                for name in self._vectors:
                    _send(client, self._described(name))
        elif element.tag == "enableBLOB":
            # The stream has no text of a message without members: whoever asks here wants BLOBs.
            with self._lock:
                self._clients[client] = "Also"
        elif element.tag in _CLIENT_VECTORS:
            self._write(element)

    def _write(self, element: Element) -> None:
        name = element.attributes["name"]
        values = {member.attributes["name"]: member.text for member in element.members}
        self.came.append((name, values))
        if name in self.ignores:
            return
        if handler := self._handlers.get(name):
            handler(values)
        else:
            self.take(name, values)

    def take(self, name: str, values: Mapping[str, str], state: str = "Ok") -> None:
        """Take values as they came."""
        kind, _, _, known, _ = self._vectors[name]
        if kind == "Switch":
            on = next((member for member, value in values.items() if value == "On"), None)
            new: dict[str, Value] = {member: member == on for member in known} if on else dict.fromkeys(values, False)
        else:
            new = {member: float(value) if kind == "Number" else value for member, value in values.items()}
        self.set(name, state, "", **new)

    def _described(self, name: str) -> bytes:
        return self._written("def", name)

    def _written(self, word: str, name: str, message: str = "") -> bytes:
        kind, state, perm, values, (least, most) = self._vectors[name]
        tag = f"{'def' if word == 'def' else 'one'}{kind}"
        members = "".join(
            f"<{tag} name={quoteattr(member)} format='%g' min='{least}' max='{most}' step='1'>{_text(value)}</{tag}>"
            for member, value in values.items()
        )
        if kind == "BLOB" and word == "set":
            members = ""
        said = f" message={quoteattr(message)}" if message else ""
        more = " timeout='60'" if kind != "Light" else ""
        more += " rule='AtMostOne'" if kind == "Switch" and word == "def" else ""
        head = (
            f"{word}{kind}Vector device={quoteattr(self.device)} name={quoteattr(name)} state='{state}' perm='{perm}'"
        )
        return f"<{head}{more}{said}>{members}</{word}{kind}Vector>\n".encode()

    def _tell(self, data: bytes) -> None:
        if not self.hangs:
            for client in self._clients:
                _send(client, data)


def _text(value: Value) -> str:
    return ("On" if value else "Off") if isinstance(value, bool) else str(value)


def _send(client: socket.socket, data: bytes) -> None:
    with contextlib.suppress(OSError):
        client.sendall(data)


@contextlib.contextmanager
def serving(device: str = "Fake") -> Iterator[FakeIndi]:
    """A scripted server for the length of a block."""
    server = FakeIndi(device)
    try:
        yield server
    finally:
        server.close()


def mount(port: int = 0) -> FakeIndi:
    """A mount that is there at once, unparked, and answers all that is asked."""
    server = FakeIndi("Mount", port)
    server.define("Number", "EQUATORIAL_EOD_COORD", {"RA": 1.0, "DEC": 10.0}, limits=(-90, 90))
    server.define("Switch", "ON_COORD_SET", {"TRACK": True, "SLEW": False, "SYNC": False})
    server.define("Switch", "TELESCOPE_PARK", {"PARK": False, "UNPARK": True})
    server.define("Switch", "TELESCOPE_ABORT_MOTION", {"ABORT": False})
    server.define("Number", "GEOGRAPHIC_COORD", {"LAT": 0, "LONG": 0, "ELEV": 0}, limits=(-90, 5000))
    server.define("Text", "TIME_UTC", {"UTC": "", "OFFSET": "0"})
    return server


def camera(width: int = 100, height: int = 50) -> FakeIndi:
    """A camera, of 100 x 50 pixels unless it is told otherwise, which the test lets answer."""
    server = FakeIndi("Camera")
    server.define("Number", "CCD_EXPOSURE", {"CCD_EXPOSURE_VALUE": 0.0}, limits=(0.01, 3600))
    server.define("Number", "CCD_INFO", {"CCD_MAX_X": width, "CCD_MAX_Y": height, "CCD_BITSPERPIXEL": 16}, perm="ro")
    server.define("Number", "CCD_BINNING", {"HOR_BIN": 1, "VER_BIN": 1}, limits=(1, 4))
    server.define("Number", "CCD_FRAME", {"X": 0, "Y": 0, "WIDTH": width, "HEIGHT": height}, limits=(0, width))
    server.define("Switch", "CCD_ABORT_EXPOSURE", {"ABORT": False})
    server.define("BLOB", "CCD1", {"CCD1": ""}, perm="ro")
    return server


def focuser(*, with_abort: bool = True) -> FakeIndi:
    """A focuser of 1,000 steps."""
    server = FakeIndi("Focuser")
    server.define("Number", "ABS_FOCUS_POSITION", {"FOCUS_ABSOLUTE_POSITION": 500.0}, limits=(0, 1000))
    if with_abort:
        server.define("Switch", "FOCUS_ABORT_MOTION", {"ABORT": False})
    return server
