"""WebSockets: one thread serves them all, none holds up another, and no way of ending one writes a line of error."""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from jobs_server.live.sockets import Place, SocketBounds, Sockets
from jobs_server.live.web_socket import MOST_MESSAGE_BYTES

from ..support import servers
from ..support.public_clients import DEVICE
from ..support.waiting import until
from ..support.web_sockets import Client, Refused

MASK = b"\1\2\3\4"


def post_status(server: servers.Server, site: str, status: dict[str, Any]) -> None:
    body = json.dumps({"statusType": "device", "status": status})
    httpx.post(f"{server.url}/status/{site}/status/", content=body, trust_env=False).raise_for_status()


def threads_of(server: servers.Server) -> int:
    return sum(1 for process in _family(server.process.pid) for _ in Path(f"/proc/{process}/task").iterdir())


def _family(process_id: int) -> Iterator[int]:
    yield process_id
    for child in Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split():
        yield from _family(int(child))


@pytest.fixture(scope="module", params=["serve", "flask"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    """A server that offers WebSockets, once of each kind."""
    folder = tmp_path_factory.mktemp(request.param)
    settings = {"JOBS_COMPANION": "on", "JOBS_ALLOWED_ORIGINS": "http://ui.example.org"}
    with servers.running(request.param, folder, settings) as server:
        yield server


@pytest.fixture
def quiet(server: servers.Server) -> Iterator[None]:
    """Look that no line of error was written meanwhile."""
    before = server.log.stat().st_size
    yield
    written = server.log.read_bytes()[before:].decode()
    assert not any(word in written for word in ("Traceback", "ERROR", "WARNING", "Exception")), written


@pytest.mark.usefixtures("quiet")
class TestOpening:
    """Who gets one."""

    def test_a_status_comes_whole_to_all_who_follow_the_site_and_to_no_other(self, server: servers.Server) -> None:
        with (
            Client(server.port, "whole") as one,
            Client(server.port, "whole") as two,
            Client(server.port, "else") as not_it,
        ):
            post_status(server, "whole", DEVICE)
            post_status(server, "whole", {"mount": {"SimMount": {"right_ascension": 6.0}}})
            first, second = one.next(), one.next()
            assert [two.next(), two.next()] == [first, second]
            assert (first["site"], first["topic"], first["data"]["statusType"]) == ("whole", "sitestatus", "device")
            stored = httpx.get(f"{server.url}/status/whole/device", trust_env=False).json()
            assert second["data"] == stored
            assert second["data"]["status"]["camera"] == first["data"]["status"]["camera"], "not the change alone"
            post_status(server, "else", {"x": 1})
            assert not_it.next()["site"] == "else"

    def test_lines_and_phases_come_too(self, server: servers.Server) -> None:
        with Client(server.port, "lines") as page:
            line = {"site": "lines", "log_message": "Slewing", "log_level": "INFO", "timestamp": 1795985787.09}
            httpx.post(f"{server.url}/logs/newlog", json=line, trust_env=False)
            data = {"site": "lines", "message": "Slewing", "log_level": "INFO", "timestamp": 1795985787}
            assert page.next() == {"site": "lines", "topic": "userstatus", "data": data}
            phase = {"site": "lines", "message": "Flats"}
            httpx.post(f"{server.url}/status/phase_status", json=phase, trust_env=False)
            found = page.next()
            assert (found["topic"], found["data"]["message"]) == ("phase_status", "Flats")

    def test_a_socket_follows_another_site_when_it_says_so_and_nothing_else_means_anything(
        self, server: servers.Server
    ) -> None:
        with Client(server.port, "before") as page:
            odd: list[object] = ["", "not json", [], {"action": "else"}, {"action": "updatesubscribersite", "site": 5}]
            for nonsense in odd:
                page.says(nonsense)
            page.says({"action": "updatesubscribersite", "site": "after"})
            until(lambda: self._hears(server, page))

    def _hears(self, server: servers.Server, page: Client) -> bool:
        post_status(server, "before", {"x": 1})
        post_status(server, "after", {"x": 1})
        return bool(page.next()["site"] == "after")

    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({"Origin": "http://evil.example.org"}, 403),
            ({"Origin": "null"}, 403),
            ({"Sec-Fetch-Site": "cross-site"}, 403),
            ({"Origin": "http://ui.example.org", "Sec-Fetch-Site": "cross-site"}, 101),
        ],
    )
    def test_a_page_of_another_origin_gets_one_only_where_it_may_read(
        self, server: servers.Server, headers: dict[str, str], status: int
    ) -> None:
        if status == 101:
            Client(server.port, headers=headers).socket.close()
            return
        with pytest.raises(Refused) as refusal:
            Client(server.port, headers=headers)
        assert refusal.value.args == (status,)

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"Upgrade": "websocket"},
            {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"},
            {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "8", "Sec-WebSocket-Key": "x"},
            {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "x"},
        ],
    )
    def test_what_asks_for_none_gets_a_sentence(self, server: servers.Server, headers: dict[str, str]) -> None:
        reply = httpx.get(f"{server.url}/datastream/dev?site=x", headers=headers, trust_env=False)
        assert reply.status_code == 400
        assert httpx.get(f"{server.url}/healthz", trust_env=False).text == "alive\n"


@pytest.mark.usefixtures("quiet")
class TestNobodyWaits:
    """What sockets do to others: nothing."""

    @pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="only Linux tells how many threads there are")
    def test_sixty_sockets_take_one_thread_together(self, server: servers.Server) -> None:
        with Client(server.port, "threads"):
            httpx.get(f"{server.url}/healthz", trust_env=False)
            before = threads_of(server)
            with ExitStack() as stack:
                pages = [stack.enter_context(Client(server.port, "threads")) for _ in range(60)]
                post_status(server, "threads", {"x": 1})
                assert all(page.next()["topic"] == "sitestatus" for page in pages)
                # Threads that answered requests may stay, for the next ones.
                assert threads_of(server) < before + 20

    def test_past_the_places_a_page_is_told_to_try_again_and_gets_one_when_others_leave(
        self, server: servers.Server
    ) -> None:
        with ExitStack() as stack:
            opened: list[Client] = []

            def is_full() -> bool:
                try:
                    opened.append(stack.enter_context(Client(server.port, "full")))
                except Refused as refusal:
                    return refusal.args == (429,)
                return False

            until(is_full)
            assert 90 <= len(opened) <= 100
            for each in opened[:5]:
                each.socket.close()
            until(lambda: not is_full())

    def test_a_socket_that_never_reads_is_dropped_while_others_get_each_message(self, server: servers.Server) -> None:
        large = {"text": "x" * 150_000}
        with Client(server.port, "slow", receive_buffer=4096) as slow, Client(server.port, "slow") as page:
            for number in range(20):
                post_status(server, "slow", large | {"number": number})
                assert page.next()["data"]["status"]["number"] == number
            slow.socket.settimeout(30)
            received = 0
            try:
                while piece := slow.socket.recv(65536):
                    received += len(piece)
            except ConnectionResetError:
                pass
            assert received < 20 * 150_000, "it was cut, not sent everything"

    @pytest.mark.parametrize(
        "data",
        [
            b"\x82\xff" + struct.pack(">Q", 10_000_000) + MASK + b"x" * 10_000_000,
            b"\x81\xfe" + struct.pack(">H", MOST_MESSAGE_BYTES + 1) + MASK + b"x" * (MOST_MESSAGE_BYTES + 1),
            b"\x01\x81" + MASK + b"x" + (b"\x00\xfe" + struct.pack(">H", 1000) + MASK + b"\1" * 1000) * 8,
            b"\x81\x80" * 1,
            b"\x81\x05hello",
            b"\xff" * 100,
            b"\x89\xff" + struct.pack(">Q", 1000) + MASK + b"x" * 1000,
            (b"\x81\x82" + MASK + bytes(a ^ b for a, b in zip(b"{}", MASK, strict=False))) * 200,
            (b"\x89\x80" + MASK) * 200,
            b"\x88\x80" + MASK,
            b"GET / HTTP/1.1\r\n\r\n",
        ],
        ids=[
            "10 MB",
            "too large",
            "in pieces",
            "half",
            "unmasked",
            "noise",
            "large ping",
            "flood",
            "pings",
            "close",
            "http",
        ],
    )
    def test_what_a_client_sends_ends_at_most_its_own_socket(self, server: servers.Server, data: bytes) -> None:
        with Client(server.port, "bad") as bad, Client(server.port, "bad") as page:
            bad.socket.settimeout(10)
            try:
                bad.socket.sendall(data)
                if data != b"\x81\x80":  # Half of a frame: more may come.
                    bad.until_closed()
            except (ConnectionResetError, BrokenPipeError):
                pass
            post_status(server, "bad", {"x": 1})
            assert page.next()["topic"] == "sitestatus"

    def test_sockets_that_vanish_in_any_way_write_no_line(self, server: servers.Server) -> None:
        for drop in (True, False):
            for _ in range(5):
                page = Client(server.port, "gone")
                if drop:
                    page.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                page.socket.close()
                post_status(server, "gone", DEVICE)
        asked = socket.create_connection(("127.0.0.1", server.port))
        asked.sendall(b"GET /datastream/dev?site=gone HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n")
        asked.close()


def test_waitress_offers_none_and_says_so_at_the_start(tmp_path: Path) -> None:
    with servers.running("serve-waitress", tmp_path, {"JOBS_COMPANION": "on"}) as server:
        assert "offers no WebSockets" in server.log.read_text()
        with pytest.raises(Refused) as refusal:
            Client(server.port)
        assert refusal.value.args == (404,)
        post_status(server, "hill1", DEVICE)
        assert httpx.get(f"{server.url}/status/hill1/device", trust_env=False).json()["site"] == "hill1"


def test_a_server_that_stops_says_goodbye(tmp_path: Path) -> None:
    with servers.running("serve", tmp_path, {"JOBS_COMPANION": "on"}) as server, Client(server.port) as page:
        post_status(server, "hill1", DEVICE)
        assert page.next()["topic"] == "sitestatus"
        server.process.terminate()
        assert page.until_closed() in (1001, 1006)


class Pair:
    """Sockets in this process, without a server: what they do with time."""

    def __init__(self, **bounds: Any) -> None:
        self.stopping = False
        self.sockets = Sockets(lambda: self.stopping, SocketBounds(**bounds))

    def is_empty(self) -> bool:
        return self.sockets.count == 0

    def opens(self, address: str = "10.0.0.1") -> socket.socket | None:
        place = self.sockets.take_place("hill1", address)
        return None if place is None else self.hands_over(place)

    def hands_over(self, place: Place, ahead: bytes = b"") -> socket.socket:
        here, there = socket.socketpair()
        here.settimeout(30)
        self.sockets.hand_over(place, there, ahead)
        return here


@pytest.fixture
def pair() -> Iterator[Callable[..., Pair]]:
    """Make sockets whose thread ends with the test."""
    made: list[Pair] = []

    def make(**bounds: Any) -> Pair:
        made.append(Pair(**bounds))
        return made[-1]

    yield make
    for each in made:
        each.stopping = True
        until(each.is_empty)


def test_a_client_that_answers_no_ping_is_dropped(pair: Callable[..., Pair]) -> None:
    pages = pair(ping_seconds=0.0, silent_seconds=0.0)
    page = pages.opens()
    assert page is not None
    with page:
        while page.recv(100):
            pass


def test_a_client_that_is_there_gets_pings(pair: Callable[..., Pair]) -> None:
    page = pair(ping_seconds=0.0).opens()
    assert page is not None
    with page:
        assert page.recv(2) == b"\x89\x00"


def test_a_crowd_makes_room_for_an_address_with_few(pair: Callable[..., Pair]) -> None:
    pages = pair(places=4)
    crowd = [pages.opens("10.0.0.1") for _ in range(4)]
    until(lambda: pages.sockets.count == 4)
    assert pages.opens("10.0.0.1") is None
    other = pages.opens("10.0.0.2")
    assert other is not None
    assert crowd[0] is not None
    assert crowd[0].recv(10) == b"", "the oldest of the crowd goes"
    for each in (*crowd, other):
        assert each is not None
        each.close()


def test_a_place_is_free_again_when_its_connection_never_comes(
    pair: Callable[..., Pair], monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = pair(places=1)
    assert pages.sockets.take_place("hill1", "10.0.0.1") is not None
    assert pages.sockets.take_place("hill1", "10.0.0.1") is None
    later = time.monotonic() + 11
    monkeypatch.setattr("jobs_server.live.sockets.time.monotonic", lambda: later)
    assert pages.sockets.take_place("hill1", "10.0.0.1") is not None


@pytest.mark.parametrize(
    "frames",
    [b"\x8a\x80" + MASK, b"\x89\x80" + MASK, b"\x00\x80" + MASK],
    ids=["pongs", "pings", "parts of a message with nothing in them"],
)
def test_a_client_that_sends_frames_without_end_is_dropped(pair: Callable[..., Pair], frames: bytes) -> None:
    """The one thread of all sockets read them for as long as they came."""
    client = pair().opens()
    assert client is not None
    with client:
        client.sendall(b"\x01\x81" + MASK + bytes([ord("a") ^ MASK[0]]) + frames * 60)
        received = b""
        while piece := client.recv(4096):
            received += piece
        assert b"\x88\x02" + (1008).to_bytes(2, "big") in received


def test_what_came_with_the_request_is_not_lost(pair: Callable[..., Pair]) -> None:
    pages = pair()
    place = pages.sockets.take_place("hill1", "x")
    assert place is not None
    with pages.hands_over(place, b"\x89\x80" + MASK) as here:
        assert here.recv(2) == b"\x8a\x00", "the ping that was sent ahead is answered"


def test_what_is_told_while_a_socket_opens_comes_first_once_and_in_order(pair: Callable[..., Pair]) -> None:
    pages = pair()
    older, place = pages.opens(), pages.sockets.take_place("hill1", "x")
    assert older is not None
    assert place is not None
    for number in range(3):
        pages.sockets.tell("hill1", "sitestatus", number)
        pages.sockets.tell("hill2", "sitestatus", number)
    with older, pages.hands_over(place) as newer:
        pages.sockets.tell("hill1", "sitestatus", 3)
        for page in (older, newer):
            assert [_read_frame(page)["data"] for _ in range(4)] == [0, 1, 2, 3]


def _read_frame(page: socket.socket) -> Any:
    size = page.recv(2, socket.MSG_WAITALL)[1]
    return json.loads(page.recv(size, socket.MSG_WAITALL))
