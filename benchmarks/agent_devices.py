"""Scripted devices for the measurements of the site agent; as a program, a server that can be killed or sends frames.

`python -m benchmarks.agent_devices mount-indi --port N` serves until it is killed. The times that it prints are of the
monotonic clock, which all processes of a Linux share.
"""

from __future__ import annotations

import argparse
import base64
import struct
import threading
import time
from collections.abc import Callable

import numpy

from tests.agent import fake_alpaca, fake_indi, running
from tests.agent.fake_alpaca import FakeAlpaca
from tests.agent.fake_indi import FakeIndi
from tests.agent.running import ABORT, GOTO

WIDTH, HEIGHT = 6248, 4176
"""A frame of 26 megapixels."""
SMALL = (640, 480)
STAR = {"ra": 3.0, "dec": 80.0}
"""A direction that never sets at the place that the mounts know."""
_ENVELOPE_BYTES = 44


class Slews:
    """A mount that slews until it is stopped, and when it was asked to."""

    def __init__(self, port: int = 0) -> None:
        self.slewing = threading.Event()
        self.stopped = threading.Event()
        self.stopped_at = 0.0
        """When the first abort since `expect` came, by the monotonic clock."""
        self.driver = self._make(port)

    def expect(self) -> None:
        """Forget the aborts that came."""
        self.stopped.clear()

    def _make(self, port: int) -> str:
        raise NotImplementedError

    def close(self) -> None:
        """End the server."""
        raise NotImplementedError

    def _abort(self) -> None:
        now = time.monotonic()
        self.slewing.clear()
        if not self.stopped.is_set():
            self.stopped_at = now
            self.stopped.set()


class IndiSlews(Slews):
    """A mount behind INDI."""

    def _make(self, port: int) -> str:
        self.server = running.mount(port)
        self.server.on(GOTO, self._go)
        self.server.on(ABORT, self._halt)
        return self.server.address

    def close(self) -> None:
        """End the server."""
        self.server.close()

    def _go(self, _: dict[str, str]) -> None:
        self.server.set(GOTO, "Busy")
        self.slewing.set()

    def _halt(self, values: dict[str, str]) -> None:
        self._abort()
        self.server.take(ABORT, values)
        self.server.set(GOTO, "Idle")


class AlpacaSlews(Slews):
    """A mount behind Alpaca."""

    def _make(self, port: int) -> str:
        self.server = FakeAlpaca(port)
        fake_alpaca.be_mount(self.server)
        self.server.values |= {"sitelatitude": 47.7, "sitelongitude": 12.0, "siteelevation": 0.0}
        self.server.puts["slewtocoordinatesasync"] = self._go
        self.server.puts["abortslew"] = self._halt
        return self.server.address("telescope")

    def close(self) -> None:
        """End the server."""
        self.server.close()

    def _go(self, _: dict[str, str]) -> None:
        self.server.values["slewing"] = True
        self.slewing.set()

    def _halt(self, _: dict[str, str]) -> None:
        self._abort()
        self.server.values["slewing"] = False


def focusers() -> tuple[FakeIndi, FakeAlpaca]:
    """Return two focusers whose servers can be made to hang."""
    indi, alpaca = fake_indi.focuser(), FakeAlpaca()
    alpaca.values |= {"absolute": True, "position": 500, "maxstep": 1000, "maxincrement": 1000, "ismoving": False}
    alpaca.puts["move"] = lambda values: alpaca.values.update(position=int(values["Position"]))
    alpaca.puts["halt"] = lambda _: None
    return indi, alpaca


def sky(width: int, height: int) -> numpy.ndarray[tuple[int, int], numpy.dtype[numpy.uint16]]:
    """Return a night sky with stars, of shape (rows, columns); the same each time."""
    chance = numpy.random.default_rng(17)
    pixels = chance.normal(1000, 30, (height, width))
    rows, columns = chance.integers(0, height, 2000), chance.integers(0, width, 2000)
    pixels[rows, columns] += chance.exponential(8000, 2000)
    return numpy.clip(pixels, 0, 65535).astype(numpy.uint16)


def image_bytes(width: int, height: int) -> bytes:
    """Return an Alpaca frame: its first index is x."""
    head = struct.pack("<11i", 1, 0, 0, 0, _ENVELOPE_BYTES, 2, 8, 2, width, height, 0)
    return head + sky(width, height).T.astype("<u2").tobytes()


def fits_bytes(width: int, height: int) -> bytes:
    """Return a frame as an INDI driver makes it, with few lines in its header."""
    cards = {"SIMPLE": "T", "BITPIX": 16, "NAXIS": 2, "NAXIS1": width, "NAXIS2": height, "BZERO": 32768, "BSCALE": 1}
    lines = "".join(f"{key:8}= {value!s:>20}".ljust(80) for key, value in cards.items()) + "END".ljust(80)
    data = (sky(width, height).astype(numpy.int32) - 32768).astype(">i2").tobytes()
    whole = lines.ljust(2880).encode() + data
    return whole + bytes(-len(whole) % 2880)


def camera_alpaca(port: int, width: int, height: int, say: Callable[[float], None]) -> str:
    """Serve a camera; `say` takes when its frame was asked for."""
    server = FakeAlpaca(port)
    fake_alpaca.be_camera(server)
    server.values |= {"cameraxsize": width, "cameraysize": height, "numx": width, "numy": height}
    server.raw["imagearray"] = ("application/imagebytes", image_bytes(width, height))
    server.asks = lambda name: say(time.monotonic()) if name == "imagearray" else None
    return server.address("camera")


def camera_indi(width: int, height: int, say: Callable[[float], None]) -> str:
    """Serve a camera; `say` takes when its frame began to be sent."""
    server = fake_indi.camera(width, height)
    frame = fits_bytes(width, height)
    message = (
        b"<setBLOBVector device='Camera' name='CCD1' state='Ok'><oneBLOB name='CCD1' size='%d' format='.fits'>\n"
        b"%b</oneBLOB></setBLOBVector>\n"
    ) % (len(frame), base64.encodebytes(frame))

    def send() -> None:
        server.set("CCD_EXPOSURE", "Ok", CCD_EXPOSURE_VALUE=0.0)
        say(time.monotonic())
        server.raw(message, with_blobs=True)

    def expose(values: dict[str, str]) -> None:
        seconds = float(values["CCD_EXPOSURE_VALUE"])
        server.set("CCD_EXPOSURE", "Busy", CCD_EXPOSURE_VALUE=seconds)
        threading.Timer(seconds, send).start()

    server.on("CCD_EXPOSURE", expose)
    return server.address


def _say(when: float) -> None:
    print(repr(when), flush=True)


def main() -> None:
    """Serve one device until this process is killed; print its address, and then what it notes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("device", choices=("mount-indi", "mount-alpaca", "camera-indi", "camera-alpaca"))
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--small", action="store_true", help="a small frame")
    asked = parser.parse_args()
    size = SMALL if asked.small else (WIDTH, HEIGHT)
    if asked.device.startswith("mount"):
        slews = (IndiSlews if asked.device == "mount-indi" else AlpacaSlews)(asked.port)
        driver = slews.driver
    elif asked.device == "camera-alpaca":
        driver = camera_alpaca(asked.port, *size, _say)
    else:
        driver = camera_indi(*size, _say)
    print(driver, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
