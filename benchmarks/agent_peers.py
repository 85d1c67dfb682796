"""What the libraries do on the same devices: run by another Python, which has them, and not by this project's.

`stop MOUNT OTHER` aborts by alpyca for each line that is read, while a second thread asks OTHER; `noticed HOST PORT`
prints when indipyclient takes a connection for lost; `frame-alpaca DRIVER FILE`
and `frame-indi HOST PORT FILE` fetch and write a frame for each line that is read, and print the time of its end.
"""

from __future__ import annotations

import asyncio
import base64
import re
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_HEADER = {
    "ULID": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "OBJECT": "M 31", "IMAGETYP": "Light Frame", "OBSERVER": "Ana",
    "OBSERVAT": "tst", "DATE-OBS": "2026-11-29T20:00:00.000", "TIMESYS": "UTC", "EXPTIME": 0.1, "XBINNING": 1,
    "YBINNING": 1, "INSTRUME": "camera1", "FILTER": "R", "TELESCOP": "mount1", "RA": 10.7, "DEC": 41.3,
}  # fmt: skip


def _say(what: object) -> None:
    print(what, flush=True)


def _place(driver: str) -> tuple[str, int]:
    """Return where an Alpaca device is, and its number."""
    host, number = driver.removeprefix("alpaca://").split("/")[::2]
    return host, int(number)


def stop(mount: str, other: str) -> None:
    """Abort a slew for each line, while the other device is asked where it is."""
    from alpaca.focuser import Focuser
    from alpaca.telescope import Telescope

    telescope, focuser = Telescope(*_place(mount)), Focuser(*_place(other))

    def ask() -> None:
        while True:
            try:
                _ = focuser.Position
            except Exception:
                time.sleep(0.01)
            time.sleep(0.25)

    telescope.Slewing  # noqa: B018
    threading.Thread(target=ask, daemon=True).start()
    _say("ready")
    for _ in sys.stdin:
        telescope.AbortSlew()


def noticed(host: str, port: str) -> None:
    """Print when indipyclient has the mount's position, and when it takes the connection for lost."""
    import indipyclient

    class Client(indipyclient.IPyClient):  # type: ignore[misc]
        async def rxevent(self, event: Any) -> None:
            if getattr(event, "vectorname", "") == "EQUATORIAL_EOD_COORD":
                _say("ready")
            elif isinstance(event, indipyclient.ConnectionLost):
                _say(repr(time.monotonic()))

    asyncio.run(Client(indihost=host, indiport=int(port)).asyncrun())


def frame_alpaca(driver: str, file: str) -> None:
    """Fetch and write frames with alpyca, numpy and astropy."""
    import numpy
    from alpaca.camera import Camera
    from astropy.io import fits

    camera = Camera(*_place(driver))

    def take() -> None:
        camera.StartExposure(0.1, True)
        while not camera.ImageReady:
            time.sleep(0.02)
        pixels = numpy.frombuffer(camera.ImageArrayRaw, dtype=numpy.uint16)
        info = camera.ImageArrayInfo
        pixels = pixels.reshape(info.Dimension1, info.Dimension2).transpose()
        hdu = fits.PrimaryHDU(pixels)
        hdu.header.update(_HEADER)
        hdu.writeto(file, overwrite=True)

    _frames(take)


def frame_indi(host: str, port: str, file: str) -> None:
    """Copy BLOBs from the socket, and write them with astropy."""
    import io

    from astropy.io import fits

    connection = socket.create_connection((host, int(port)))
    connection.sendall(b'<getProperties version="1.7"/><enableBLOB device="Camera">Also</enableBLOB>\n')
    ask = (
        b'<newNumberVector device="Camera" name="CCD_EXPOSURE">'
        b'<oneNumber name="CCD_EXPOSURE_VALUE">0.1</oneNumber></newNumberVector>\n'
    )

    def take() -> None:
        connection.sendall(ask)
        came = bytearray()
        while not came.endswith(b"</setBLOBVector>\n"):
            came += connection.recv(1 << 20)
        begin = re.search(rb"<oneBLOB[^>]*>", came)
        assert begin
        data = base64.b64decode(memoryview(came)[begin.end() : came.rindex(b"</oneBLOB>")])
        del came
        with fits.open(io.BytesIO(data), do_not_scale_image_data=True) as parts:
            parts[0].header.update(_HEADER)
            parts.writeto(file, overwrite=True)

    _frames(take)


def _frames(take: Callable[[], None]) -> None:
    """Take a frame for each line, and print when it was written, and how much the memory grew beyond before."""
    _say("ready")
    for _ in sys.stdin:
        before = _memory("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # the peak counts from now
        take()
        now = time.monotonic()
        _say(f"{now!r} {_memory('VmHWM') - before}")


def _memory(key: str) -> int:
    """Return a figure of this process's memory in bytes."""
    found = re.search(rf"{key}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) * 1024


if __name__ == "__main__":
    deeds: dict[str, Callable[..., None]] = {
        "stop": stop,
        "noticed": noticed,
        "frame-alpaca": frame_alpaca,
        "frame-indi": frame_indi,
    }
    deeds[sys.argv[1]](*sys.argv[2:])
