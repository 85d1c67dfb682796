"""Words of the tests of the running agent: what devices are scripted to do, and their tables in agent.toml."""

from __future__ import annotations

import threading

from . import fake_indi
from .fake_alpaca import FakeAlpaca
from .fake_indi import FakeIndi

GOTO, PARK, ABORT = "EQUATORIAL_EOD_COORD", "TELESCOPE_PARK", "TELESCOPE_ABORT_MOTION"
FOCUS, FOCUS_ABORT = "ABS_FOCUS_POSITION", "FOCUS_ABORT_MOTION"
SHUTTER, ROOF_ABORT = "DOME_SHUTTER", "DOME_ABORT_MOTION"
STAR = {"ra": 3.0, "dec": 80.0}  # never sets at the site of the tests


def table(kind: str, server: FakeIndi | FakeAlpaca, more: str = "", alpaca_kind: str = "") -> str:
    """A device's table; the directions of the tests are refused by no limit."""
    address = server.address if isinstance(server, FakeIndi) else server.address(alpaca_kind or kind)
    limits = "min_altitude_degrees = 0\nsun_distance_degrees = 0\n" if kind == "mount" else ""
    return f'[{kind}.{kind}1]\ndriver = "{address}"\n{limits}{more}\n'


def slews_for_ever(server: FakeIndi) -> None:
    server.on(GOTO, lambda _: server.set(GOTO, "Busy"))


def stops_at_once(server: FakeIndi) -> None:
    def stop(values: dict[str, str]) -> None:
        server.take(ABORT, values)
        server.set(GOTO, "Idle")

    server.on(ABORT, stop)


def asked(server: FakeIndi, name: str) -> int:
    """How often a property was written."""
    return [each for each, _ in server.came].count(name)


def roof(status: str = "open") -> FakeIndi:
    """A roof that takes its time: it moves until the test ends that with `arrives`."""
    server = FakeIndi("Roof")
    is_open = status == "open"
    server.define("Switch", SHUTTER, {"SHUTTER_OPEN": is_open, "SHUTTER_CLOSE": not is_open}, state="Ok")
    server.define("Switch", ROOF_ABORT, {"ABORT": False})
    server.on(SHUTTER, lambda values: server.take(SHUTTER, values, "Busy"))
    server.on(ROOF_ABORT, lambda _: server.set(SHUTTER, "Alert"))
    return server


def arrives(server: FakeIndi) -> None:
    """Let a roof come to its end."""
    server.set(SHUTTER, "Ok")


def mount(port: int = 0) -> FakeIndi:
    """A mount that knows where it stands, arrives at once, and parks."""
    server = fake_indi.mount(port)
    server.set("GEOGRAPHIC_COORD", "Ok", LAT=47.7, LONG=12.0, ELEV=0)
    return server


class Frames:
    """A camera's exposures, which the test ends."""

    def __init__(self, server: FakeAlpaca) -> None:
        self.server = server
        self.begun = 0
        self.while_moving = 0
        server.puts["startexposure"] = self.begin
        server.puts["abortexposure"] = lambda _: server.values.update(camerastate=0)

    def begin(self, _: dict[str, str]) -> None:
        self.begun += 1
        started = f"2026-11-29T20:00:{self.begun:02d}"
        self.server.values |= {"camerastate": 2, "imageready": False, "lastexposurestarttime": started}

    def end(self) -> None:
        self.server.values |= {"camerastate": 0, "imageready": True}


def later(seconds: float, deed: object) -> None:
    """Do something a little later, as devices do."""
    assert callable(deed)
    threading.Timer(seconds, deed).start()


class Paused:
    """A property whose writing is taken when the test lets it go on; until then it is Busy."""

    def __init__(self, server: FakeIndi, name: str) -> None:
        self._server, self._name = server, name
        self._values: dict[str, str] = {}
        server.on(name, self._begin)

    def _begin(self, values: dict[str, str]) -> None:
        self._values = values
        self._server.set(self._name, "Busy")

    def go_on(self) -> None:
        self._server.take(self._name, self._values)
