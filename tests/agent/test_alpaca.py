"""The client for Alpaca: deadlines, bounds, frames, and what is no Alpaca; and discovery."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from jobs_server.agent.alpaca import AlpacaConnection, AlpacaRefused, image_of_json
from jobs_server.agent.discovery import alpaca_devices, alpaca_servers, indi_devices
from jobs_server.agent.errors import BadReply, DeviceGone
from jobs_server.agent.image_bytes import BadImage, image

from . import fake_alpaca, fake_indi
from .asking import Asked
from .fake_alpaca import FakeAlpaca, image_bytes


@pytest.fixture
def server() -> Iterator[FakeAlpaca]:
    with fake_alpaca.serving() as server:
        yield server


@pytest.fixture
def camera(server: FakeAlpaca) -> Iterator[AlpacaConnection]:
    connection = AlpacaConnection(server.base, "camera", 0)
    yield connection
    connection.close()


def test_a_value_is_read_and_a_refusal_is_a_sentence_with_its_number(
    server: FakeAlpaca, camera: AlpacaConnection
) -> None:
    server.values["gain"] = 7
    assert camera.get("gain") == 7
    with pytest.raises(
        AlpacaRefused, match=r"refused nothing: it cannot do that \(nothing is not implemented\)"
    ) as told:
        camera.get("nothing")
    assert told.value.number == 0x400


def test_a_server_that_hangs_or_drips_is_given_up_at_the_deadline_of_the_whole_request(
    server: FakeAlpaca, camera: AlpacaConnection
) -> None:
    """A drip of a byte now and then keeps each single read in time, and never ends."""
    server.values |= {"slow": "x" * 5000, "stuck": 1}
    server.drips.add("slow")
    server.hangs.add("stuck")
    for name in ("slow", "stuck"):
        with pytest.raises(DeviceGone, match=r"did not answer within 0\.5 s"):
            camera.get(name, 0.5)


def test_a_hanging_request_of_one_device_holds_no_other_back(server: FakeAlpaca, camera: AlpacaConnection) -> None:
    server.values |= {"gain": 7, "stuck": 1}
    server.hangs.add("stuck")
    with contextlib.closing(AlpacaConnection(server.base, "telescope", 0)) as other:
        hanging = Asked(lambda: camera.get("stuck", 60))
        assert other.get("gain") == 7
        assert not hanging.is_over
        server.released.set()
        hanging.ends()


@pytest.mark.parametrize(
    "content",
    [b"<html>no</html>", b"[]", b'{"ErrorNumber": "x"}', b"", b"\xff\xfe", b"[" * 100_000, b'{"Value": 1', b"7"],
)
def test_garbage_is_a_clear_error(server: FakeAlpaca, camera: AlpacaConnection, content: bytes) -> None:
    server.raw["gain"] = ("application/json", content)
    with pytest.raises(BadReply, match="answered"):
        camera.get("gain")


def test_a_hundred_megabytes_of_json_are_not_read(server: FakeAlpaca, camera: AlpacaConnection) -> None:
    server.raw["gain"] = server.raw["imagearray"] = ("application/json", b'{"Value": "' + b"x" * 100_000_000)
    with pytest.raises(BadReply, match="answered more than"):
        camera.get("gain", 60)
    with pytest.raises(BadReply, match="answered more than"):
        camera.image(60)


def test_tls_to_a_plain_port_and_a_port_that_is_closed_are_not_there(server: FakeAlpaca) -> None:
    for base in (server.base.replace("http", "https"), "http://127.0.0.1:1"):
        connection = AlpacaConnection(base, "camera", 0)
        with contextlib.closing(connection), pytest.raises((DeviceGone, BadReply), match=r"not there|answer|no Alpaca"):
            connection.get("gain", 2.0)


def test_a_frame_is_fetched_with_its_rows_and_columns_in_place(server: FakeAlpaca, camera: AlpacaConnection) -> None:
    """Decided by the content type, not by what was asked for."""
    server.raw["imagearray"] = ("application/imagebytes", image_bytes([[1, 2], [3, 4], [5, 6]]))
    assert camera.image(10).tolist() == [[1, 3, 5], [2, 4, 6]]
    server.raw["imagearray"] = (
        *("application/json; charset=utf-8",),
        json.dumps({"Type": 2, "Rank": 2, "Value": [[1, 2], [3, 4], [5, 6]], "ErrorNumber": 0}).encode(),
    )
    assert camera.image(10).tolist() == [[1, 3, 5], [2, 4, 6]]


def test_a_frame_is_a_view_of_what_came() -> None:
    content = bytearray(image_bytes([[1, 2], [3, 4], [5, 6]]))
    assert np.shares_memory(image(content), np.frombuffer(content, "u1"))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        image_bytes([[1, 2], [3, 4]])[:-1],
        image_bytes([[1, 2], [3, 4]]) + b"x",
        image_bytes([]),
        b"\2" + image_bytes([[1]])[1:],
        image_bytes([[1]])[:24] + b"\x63" + image_bytes([[1]])[25:],
        image_bytes([[1]])[:32] + b"\xff\xff\xff\x7f" * 3 + b"xx",
    ],
)
def test_a_frame_that_is_none_is_a_clear_error(content: bytes) -> None:
    with pytest.raises(BadImage):
        image(content)


def test_an_error_in_place_of_a_frame_has_the_devices_words(server: FakeAlpaca, camera: AlpacaConnection) -> None:
    server.raw["imagearray"] = ("application/imagebytes", image_bytes([[1]], 0x40B, b"no image yet"))
    with pytest.raises(AlpacaRefused, match="no image yet") as told:
        camera.image(10)
    assert told.value.number == 0x40B


@pytest.mark.parametrize("value", [None, [], [1, 2], [[1], [2, 3]], [["x"]], [[1e400]]])
def test_a_frame_of_json_that_is_none_is_a_clear_error(value: object) -> None:
    with pytest.raises(BadImage):
        image_of_json({"Type": 2, "Value": value})


def answers_discovery(content: bytes) -> tuple[socket.socket, int]:
    asked = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    asked.bind(("127.0.0.1", 0))

    def answer() -> None:
        with contextlib.suppress(OSError):
            question, sender = asked.recvfrom(100)
            if question == b"alpacadiscovery1":
                asked.sendto(content, sender)

    threading.Thread(target=answer, daemon=True).start()
    return asked, int(asked.getsockname()[1])


def test_servers_of_the_network_are_found_by_their_answers_and_garbage_is_passed_over() -> None:
    asked = [
        answers_discovery(content)
        for content in (
            b'{"AlpacaPort": 11111}',
            b"garbage",
            b'{"AlpacaPort": "x"}',
            b'{"AlpacaPort": 99999999}',
            b"[]",
        )
    ]
    try:
        found = alpaca_servers(1.0, [("127.0.0.1", port) for _, port in asked])
    finally:
        for each, _ in asked:
            each.close()
    assert found == ["127.0.0.1:11111"]


def test_the_devices_of_a_server_are_told_with_their_kinds(server: FakeAlpaca) -> None:
    server.values["configureddevices"] = [
        {"DeviceName": "Scope", "DeviceType": "Telescope", "DeviceNumber": 0, "UniqueID": "x"},
        {"DeviceName": "?", "DeviceType": "Video", "DeviceNumber": 0},
        {"DeviceType": "Camera", "DeviceNumber": "0"},
        "garbage",
    ]
    host = f"127.0.0.1:{server.port}"
    (found,) = alpaca_devices(host)
    assert (found.driver, found.name, found.kinds) == (f"alpaca://{host}/telescope/0", "Scope", ("mount",))


def test_a_server_without_management_says_so(server: FakeAlpaca) -> None:
    with pytest.raises(AlpacaRefused, match="configureddevices"):
        alpaca_devices(f"127.0.0.1:{server.port}")


def test_the_devices_of_an_indi_server_are_found_with_their_kinds() -> None:
    with contextlib.closing(fake_indi.mount()) as indi:
        (found,) = indi_devices("127.0.0.1", indi.port, 1.0)
    assert (found.driver, found.name, found.kinds) == (indi.address, "Mount", ("mount",))


def test_what_is_no_indi_server_is_none(server: FakeAlpaca) -> None:
    for port in (server.port, 1):
        with pytest.raises(DeviceGone, match="no INDI server"):
            indi_devices("127.0.0.1", port, 5.0)
