"""A scripted Alpaca server: it does what a test says, such as hanging, dripping, lying and going away."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Put = Callable[[dict[str, str]], Any]
_DRIP_SECONDS = 0.05


class Fault(Exception):
    """An error of Alpaca's, to be answered."""

    def __init__(self, number: int, message: str = "") -> None:
        super().__init__(message)
        self.number = number


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that went away is no news."""


class FakeAlpaca:
    """Devices at `TYPE/0`; `values` holds what is asked for by name, `puts` what happens when something is set."""

    def __init__(self, port: int = 0) -> None:
        self.values: dict[str, Any] = {"connected": True, "name": "Fake", "driverversion": "1"}
        self.puts: dict[str, Put] = {}
        self.came: list[tuple[str, dict[str, str]]] = []
        self.raw: dict[str, tuple[str, bytes]] = {}
        self.hangs: set[str] = set()
        self.hangs_always = False
        self.asks: Callable[[str], object] = lambda _name: None
        self.drips: set[str] = set()
        self.released = threading.Event()
        self.connections: list[socket.socket] = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                fake.connections.append(self.connection)

            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                fake.answer(self, urlsplit(self.path).path.rsplit("/", 1)[1], None)

            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                fake.answer(self, urlsplit(self.path).path.rsplit("/", 1)[1], dict(parse_qsl(body)))

        self._server = _Server(("127.0.0.1", port), Handler)
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def address(self, kind: str) -> str:
        return f"alpaca://127.0.0.1:{self.port}/{kind}/0"

    def asked(self, name: str) -> list[dict[str, str]]:
        return [values for each, values in self.came if each == name]

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def answer(self, request: BaseHTTPRequestHandler, name: str, put: dict[str, str] | None) -> None:
        self.asks(name)
        if put is not None:
            self.came.append((name, put))
        if self.hangs_always or name in self.hangs:
            self.released.wait(60)
        kind, content = self.raw[name] if name in self.raw else ("application/json", self._told(name, put))
        with contextlib.suppress(OSError):
            request.send_response(200)
            request.send_header("Content-Type", kind)
            request.send_header("Content-Length", str(len(content)))
            request.end_headers()
            for begin in range(0, len(content), 1 if name in self.drips else len(content)):
                request.wfile.write(content[begin : begin + (1 if name in self.drips else len(content))])
                if name in self.drips:
                    request.wfile.flush()
                    time.sleep(_DRIP_SECONDS)

    def _told(self, name: str, put: dict[str, str] | None) -> bytes:
        try:
            value = self._get(name) if put is None else self._put(name, put)
        except Fault as fault:
            return json.dumps({"ErrorNumber": fault.number, "ErrorMessage": str(fault)}).encode()
        return json.dumps({"Value": value, "ErrorNumber": 0, "ErrorMessage": ""}).encode()

    def _get(self, name: str) -> Any:
        if name not in self.values:
            raise Fault(0x400, f"{name} is not implemented")
        value = self.values[name]
        return value() if callable(value) else value

    def _put(self, name: str, values: dict[str, str]) -> Any:
        if handler := self.puts.get(name):
            return handler(values)
        if name not in self.values:
            raise Fault(0x400, f"{name} is not implemented")
        told = next(value for key, value in values.items() if key.lower() == name)
        self.values[name] = {"True": True, "False": False}.get(told, told)
        with contextlib.suppress(ValueError):
            self.values[name] = json.loads(told.lower())
        return None


def image_bytes(columns: list[list[int]], error: int = 0, message: bytes = b"") -> bytes:
    """An ImageBytes answer of 16-bit pixels, given by columns."""
    width, height = len(columns), len(columns[0]) if columns else 0
    head = struct.pack("<11i", 1, error, 0, 0, 44, 2, 8, 2, width, height, 0)
    pixels = b"".join(struct.pack(f"<{height}H", *column) for column in columns)
    return head + (message if error else pixels)


@contextlib.contextmanager
def serving() -> Iterator[FakeAlpaca]:
    """A scripted server for the length of a block."""
    server = FakeAlpaca()
    try:
        yield server
    finally:
        server.close()


def be_mount(server: FakeAlpaca) -> None:
    """Make it a mount that arrives at once."""
    can = ("canslewasync", "cansettracking", "canpark", "canunpark")
    server.values |= dict.fromkeys(can, True) | {"slewing": False, "tracking": True, "atpark": False}
    server.values |= {"rightascension": 1.0, "declination": 10.0, "equatorialsystem": 1}
    server.puts["slewtocoordinatesasync"] = lambda values: arrive(server, values)
    server.puts["abortslew"] = lambda _: server.values.update(slewing=False)


def arrive(server: FakeAlpaca, values: dict[str, str]) -> None:
    server.values |= {"rightascension": float(values["RightAscension"]), "declination": float(values["Declination"])}


def be_camera(server: FakeAlpaca) -> None:
    """Make it a camera of 3 x 2 pixels, whose exposures the test ends."""
    server.values |= {"camerastate": 0, "imageready": False, "cameraxsize": 3, "cameraysize": 2, "maxadu": 65535}
    server.values |= {"maxbinx": 2, "maxbiny": 2, "binx": 1, "biny": 1, "numx": 3, "numy": 2, "startx": 0, "starty": 0}
    server.values |= {"exposuremin": 0.0, "exposuremax": 100.0, "lastexposurestarttime": "2026-11-29T20:00:00"}
    server.raw["imagearray"] = ("application/imagebytes", image_bytes([[1, 2], [3, 4], [5, 6]]))
    server.puts["startexposure"] = lambda _: expose(server)
    server.puts["abortexposure"] = lambda _: server.values.update(camerastate=0)


def expose(server: FakeAlpaca) -> None:
    server.values |= {"camerastate": 0, "imageready": True, "lastexposurestarttime": f"at {len(server.came)}"}
