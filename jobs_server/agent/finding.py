"""A first agent.toml: what the network and the servers that were named have, each device with a name and its lines."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from .. import program
from .alpaca import AlpacaConnection
from .devices.alpaca_device import PORT as ALPACA_PORT
from .devices.interfaces import Place
from .discovery import ALPACA_TYPES, DISCOVERY_PORT, Found, alpaca_devices, alpaca_servers, indi_devices
from .errors import BadReply, DeviceError, DeviceGone, Refused
from .indi import PORT as INDI_PORT

TARGETS = (("255.255.255.255", DISCOVERY_PORT), ("127.0.0.1", DISCOVERY_PORT))
"""Where Alpaca servers are asked for: the network, which a broadcast reaches, and this computer, which it does not."""
_SERVER = re.compile(r"(?P<scheme>indi|alpaca)://(?P<host>\[[^\]]+\]|[^:/\s]+)(?::(?P<port>\d{1,5}))?/?")
_ORDER = ("mount", "camera", "filter_wheel", "focuser", "rotator", "enclosure", "screen", "switch", "safety")
_BESIDE_CAMERA = ("mount", "filter_wheel", "focuser", "rotator")
_MOST_OF_A_TYPE = 16
_ASK_SECONDS = 3.0

Tell = Callable[[str], None]


class WrongServer(ValueError):
    """A text is no address of a server; the message is a sentence."""


@dataclass(frozen=True)
class Server:
    """A server of devices that somebody named."""

    scheme: str
    host: str
    port: int

    @property
    def address(self) -> str:
        """Return the address as people write it."""
        return f"{self.scheme}://{self.host}:{self.port}"


@dataclass(frozen=True)
class Named:
    """A device with the kind and the name that jobs will carry."""

    kind: str
    name: str
    found: Found


def server(text: str) -> Server:
    """Return the server that `indi://HOST` or `alpaca://HOST:PORT` names; raise WrongServer when it names none."""
    match = _SERVER.fullmatch(text)
    if match is None or int(match["port"] or 1) not in range(1, 65536):
        raise WrongServer(f"{text!r} is no server of devices: indi://HOST or alpaca://HOST:11111 is expected")
    usual = INDI_PORT if match["scheme"] == "indi" else ALPACA_PORT
    return Server(match["scheme"], match["host"], int(match["port"] or usual))


def look(servers: Iterable[Server], tell: Tell, *, network: bool = True) -> list[Found]:
    """Return the devices of the servers that were named, and of the Alpaca servers of the network.

    `tell` gets a line for each server that is asked, and for each that does not answer.
    """
    every = dict.fromkeys(servers)
    if network:
        tell("asking the network for Alpaca servers")
        every |= dict.fromkeys(server(f"alpaca://{each}") for each in alpaca_servers(targets=TARGETS))
    found: dict[str, Found] = {}
    for each in every:
        tell(f"asking {each.address}")
        try:
            its = _devices_of(each)
        except DeviceError as error:
            tell(f"{each.address}: {error}")
            continue
        tell(f"{each.address} has {', '.join(device.name or device.driver for device in its) or 'no device'}")
        found |= {device.driver: device for device in its}
    return list(found.values())


def _devices_of(asked: Server) -> list[Found]:
    host = asked.host.strip("[]")
    if asked.scheme == "indi":
        return indi_devices(host, asked.port)
    try:
        return alpaca_devices(f"{asked.host}:{asked.port}")
    except (Refused, BadReply):  # it has no management: each type is asked for by itself
        return list(_alpaca_by_type(asked))


def _alpaca_by_type(asked: Server) -> Iterator[Found]:
    for kind in ALPACA_TYPES:
        for number in range(_MOST_OF_A_TYPE):
            connection = AlpacaConnection(f"http://{asked.host}:{asked.port}", kind, number)
            try:
                name = connection.get("name", _ASK_SECONDS)
            except DeviceGone:
                raise
            except DeviceError:
                break
            finally:
                connection.close()
            yield Found(f"{asked.address}/{kind}/{number}", str(name), (ALPACA_TYPES[kind],))


def named(found: Sequence[Found]) -> list[Named]:
    """Return the devices with the names that jobs will carry, mounts first.

    A camera's own filter wheel is left out where there is a wheel that is nothing else: most often that is the one.
    """
    wheels_alone = any(each.kinds == ("filter_wheel",) for each in found)
    devices: list[Named] = []
    counts = Counter[str]()
    for kind in _ORDER:
        for each in found:
            own_wheel = kind == "filter_wheel" and "camera" in each.kinds
            if kind in each.kinds and not (own_wheel and wheels_alone):
                counts[kind] += 1
                devices.append(Named(kind, _name(kind, counts[kind], each), each))
    return devices


def _name(kind: str, number: int, found: Found) -> str:
    if kind == "camera":
        return f"camera_1_{number}"
    if kind == "safety" and number == 1 and ("weather" in found.name.lower() or "observing" in found.driver):
        return "weather"
    return f"{kind}{number}"


def text(devices: Sequence[Named], *, url: str, site: str, place: Place | None) -> str:
    """Return an agent.toml for these devices."""
    lines = [
        "# What the site agent moves. docs/agent.md explains each key;"
        f" `{program.command('agent check')}` tries the devices out.",
        f"url = {_quoted(url)}",
        f"site = {_quoted(site)}",
        *_place_lines(place),
        'on_exit = "halt"  # or "leave": what moves when the agent is ended',
        'images = "images"  # FITS files, by night',
    ]
    for device in devices:
        lines += ["", *_device_lines(device, devices)]
    return "\n".join(lines) + "\n"


def _place_lines(place: Place | None) -> list[str]:
    if place is None:
        return [
            "# Where the telescope stands; without a place, here or in the mount, nothing slews:",
            "# latitude_degrees = 47.7",
            "# longitude_degrees = 12.0  # east of Greenwich is positive",
            "# elevation_m = 1838",
        ]
    return [
        f"latitude_degrees = {place.latitude_degrees:g}",
        f"longitude_degrees = {place.longitude_degrees:g}",
        f"elevation_m = {place.elevation_m:g}",
    ]


def _device_lines(device: Named, devices: Sequence[Named]) -> Iterator[str]:
    yield f"[{device.kind}.{device.name}]  # {_comment(device.found.name)}"
    yield f"driver = {_quoted(device.found.driver)}"
    if device.kind == "mount":
        yield "min_altitude_degrees = 15"
        yield "sun_distance_degrees = 20  # no slew nearer to the sun while it is up"
        yield "set_place = true  # give the place of this file and the time to a mount that stands at 0/0"
    elif device.kind == "camera":
        for kind in _BESIDE_CAMERA:
            if (name := _beside(kind, device, devices)) is not None:
                yield f"{kind} = {_quoted(name)}"
    elif device.kind == "focuser":
        yield "# um_per_step = 2.0  # where the focuser does not say how far a step is"
    elif device.kind == "enclosure":
        yield "close_when_unsafe = true  # when the mount is parked"
    elif device.kind == "safety":
        yield "hold_minutes_after = 20"


def _beside(kind: str, camera: Named, devices: Sequence[Named]) -> str | None:
    """Return the device before a camera: the camera's own, else the one of the same place in line, else the last."""
    its = [each for each in devices if each.kind == kind]
    own = [each for each in its if each.found.driver == camera.found.driver]
    if own or not its:
        return own[0].name if own else None
    cameras = [each for each in devices if each.kind == "camera"]
    return its[min(cameras.index(camera), len(its) - 1)].name


def _quoted(value: str) -> str:
    """Return a TOML string; JSON's are that, but for DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _comment(value: str) -> str:
    return "".join(each if each.isprintable() else " " for each in value)[:100]
