"""Which devices there are: Alpaca servers of the network by broadcast, and the devices of either protocol's servers."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from .alpaca import AlpacaConnection
from .errors import BadReply, DeviceGone
from .indi import CONNECT_SECONDS, PORT
from .indi_stream import BadStream, Element, IndiStream
from .indi_vectors import kind_of

DISCOVERY_PORT = 32227
_QUESTION = b"alpacadiscovery1"
_DATAGRAM = 2048
_SERVERS = 200
_DEVICES = 1000
_INTERFACES = {  # bits of INDI's DRIVER_INTERFACE, and the kinds of device that they stand for
    1: "mount",
    2: "camera",
    8: "focuser",
    16: "filter_wheel",
    32: "enclosure",
    128: "safety",
    512: "screen",
    1024: "screen",
    4096: "rotator",
    32768: "switch",
}
ALPACA_TYPES: Mapping[str, str] = {
    "telescope": "mount",
    "camera": "camera",
    "filterwheel": "filter_wheel",
    "focuser": "focuser",
    "rotator": "rotator",
    "dome": "enclosure",
    "covercalibrator": "screen",
    "switch": "switch",
    "safetymonitor": "safety",
    "observingconditions": "safety",
}
"""The kinds of device that Alpaca's types stand for."""


@dataclass(frozen=True)
class Found:
    """A device that was found: its address as in agent.toml, its name, and the kinds that it can be."""

    driver: str
    name: str
    kinds: tuple[str, ...]


def alpaca_servers(
    seconds: float = 2.0, targets: Iterable[tuple[str, int]] = (("255.255.255.255", DISCOVERY_PORT),)
) -> list[str]:
    """Ask the network for Alpaca servers, and return their `HOST:PORT` in the order of their answers."""
    found: dict[str, None] = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        asking.bind(("", 0))
        for target in targets:
            with contextlib.suppress(OSError):  # one network may be down, and another one up
                asking.sendto(_QUESTION, target)
        for data, host in _datagrams(asking, time.monotonic() + seconds):
            if (port := _port_of(data)) is not None and len(found) < _SERVERS:
                found[f"{host}:{port}"] = None
    return list(found)


def _datagrams(asking: socket.socket, deadline: float) -> Iterator[tuple[bytes, str]]:
    while (left := deadline - time.monotonic()) > 0:
        asking.settimeout(left)
        try:
            data, sender = asking.recvfrom(_DATAGRAM)
        except TimeoutError:
            return
        except OSError:  # Windows tells so of an answer that nobody took
            continue
        yield data, sender[0]


def _port_of(data: bytes) -> int | None:
    try:
        answer = json.loads(data)
    except (ValueError, RecursionError):
        return None
    port = answer.get("AlpacaPort") if isinstance(answer, dict) else None
    return port if isinstance(port, int) and not isinstance(port, bool) and 0 < port < 65536 else None


def alpaca_devices(server: str, seconds: float = 5.0) -> list[Found]:
    """Return the devices that an Alpaca server `HOST:PORT` has; raise DeviceGone, Refused or BadReply."""
    connection = AlpacaConnection(f"http://{server}", "management", 0)
    try:
        devices = connection.json("/management/v1/configureddevices", seconds)
    finally:
        connection.close()
    if not isinstance(devices, list):
        raise BadReply(f"{server} does not say which devices it has")
    return [found for each in devices[:_DEVICES] if (found := _alpaca_device(server, each)) is not None]


def _alpaca_device(server: str, told: object) -> Found | None:
    if not isinstance(told, dict):
        return None
    kind, number = str(told.get("DeviceType", "")).lower(), told.get("DeviceNumber")
    if kind not in ALPACA_TYPES or isinstance(number, bool) or not isinstance(number, int) or number < 0:
        return None
    return Found(f"alpaca://{server}/{kind}/{number}", str(told.get("DeviceName", "")), (ALPACA_TYPES[kind],))


def indi_devices(host: str, port: int = PORT, seconds: float = 3.0) -> list[Found]:
    """Return the devices of an INDI server, asking for so long; raise DeviceGone when it is none or not there."""
    interfaces: dict[str, int] = {}

    def take(element: Element) -> None:
        device = element.attributes.get("device", "")
        if kind_of(element) and device and len(interfaces) < _DEVICES:
            bits = _interface(element)
            interfaces[device] = bits or interfaces.get(device, 0)

    try:
        with socket.create_connection((host, port), timeout=min(seconds, CONNECT_SECONDS)) as connection:
            connection.sendall(b'<getProperties version="1.7"/>\n')
            stream = IndiStream(take)
            for data in _pieces(connection, time.monotonic() + seconds):
                stream.feed(data)
    except (OSError, BadStream) as error:
        raise DeviceGone(f"there is no INDI server at {host}:{port}: {error}") from error
    return [Found(f"indi://{host}:{port}/{name}", name, _kinds(bits)) for name, bits in interfaces.items()]


def _pieces(connection: socket.socket, deadline: float) -> Iterator[bytes]:
    while (left := deadline - time.monotonic()) > 0:
        connection.settimeout(left)
        try:
            data = connection.recv(1 << 16)
        except TimeoutError:
            return
        if not data:
            raise ConnectionResetError("it ended the connection")
        yield data


def _interface(element: Element) -> int:
    if element.attributes.get("name") != "DRIVER_INFO":
        return 0
    texts = [member.text for member in element.members if member.attributes.get("name") == "DRIVER_INTERFACE"]
    return int(texts[0]) if texts and texts[0].isdecimal() and len(texts[0]) < 10 else 0


def _kinds(bits: int) -> tuple[str, ...]:
    return tuple(dict.fromkeys(kind for bit, kind in _INTERFACES.items() if bits & bit))
