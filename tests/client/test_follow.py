"""Following a site from afar: what happens comes as it happens, nothing missed and nothing twice."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs_server.client import BadRequest, JobChange, PresenceChange, Reset, SiteClient, Unreachable
from jobs_server.client import stream as streams
from jobs_server.client.stream import Change, Message, parse

from ..support import servers

WHO: dict[str, Any] = {"user_name": "Vera", "user_id": "auth0|vera"}


def sends(client: SiteClient, action: str = "expose") -> str:
    return client.submit("camera", "c1", action, **WHO).ulid


def changes(following: Iterator[Change], number: int) -> list[JobChange]:
    """Wait for so many changes of jobs."""
    found: list[JobChange] = []
    while len(found) < number:
        change = next(following)
        if isinstance(change, JobChange):
            found.append(change)
    return found


def begun(client: SiteClient) -> Iterator[Change]:
    """Follow from now on: the first thing told is whether the site's software is there."""
    following = client.follow()
    assert isinstance(next(following), PresenceChange)
    return following


def test_what_happens_comes_with_the_job_as_it_was(server: servers.Server) -> None:
    with SiteClient(server.url, "wmd") as client:
        following = begun(client)
        ulid = sends(client)
        client.poll(claim_id="a")
        client.start(ulid, claim_id="a", seconds_until_complete=9)
        client.update(ulid, "EXPOSING", message="clear \u2028 sky")
        told = changes(following, 4)
        assert [(each.event.before, each.event.after) for each in told] == [
            *((None, "UNREAD"), ("UNREAD", "RECEIVED"), ("RECEIVED", "STARTED"), ("STARTED", "EXPOSING"))
        ]
        assert {each.job.ulid for each in told} == {ulid}
        assert [each.job.status for each in told] == ["UNREAD", "RECEIVED", "STARTED", "EXPOSING"]
        assert told[3].event.message == "clear \u2028 sky"


def test_a_stream_is_taken_up_where_it_broke_off(tmp_path: Path) -> None:
    server = servers.start("gunicorn", tmp_path / "instance")
    with SiteClient(server.url, "wmd") as client:
        following = begun(client)
        first = sends(client)
        told = changes(following, 1)
        more = [sends(client) for _ in range(3)]
        server.kill()
        back = servers.start("gunicorn", tmp_path / "instance", port=server.port)
        with servers.stopped_at_the_end(back):
            more.append(sends(client))
            told += changes(following, 4)
            assert [each.job.ulid for each in told] == [first, *more]
            later = client.follow(told[1].position)
            assert [each.job.ulid for each in changes(later, 3)] == more[1:]


def test_a_position_that_is_not_known_any_more_is_told(tmp_path: Path) -> None:
    with servers.running("gunicorn", tmp_path / "instance") as server, SiteClient(server.url, "wmd") as client:
        reset = next(client.follow("0a0a-7"))
        assert isinstance(reset, Reset)
        assert "restored from a backup" in reset.reason
        with pytest.raises(BadRequest, match="lastEventId must be the id of an event"):
            next(client.follow("nonsense"))


def test_a_half_open_connection_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "SILENCE_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        with SiteClient(url, "wmd") as client, pytest.raises(Unreachable):
            next(client.follow(patience_seconds=0.1))


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(text: str) -> bytes:
    return f"{len(text):x}\r\n{text}\r\n".encode()


def served(listener: socket.socket, *connections: Iterator[bytes]) -> None:
    """Serve a stream to one connection after the other, each breaking off in the middle."""
    listener.settimeout(30)
    for pieces in connections:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            for piece in pieces:
                connection.sendall(piece)


def comments(seconds: float) -> Iterator[bytes]:
    """A quiet stream: signs of life, and nothing else."""
    yield HEAD
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield chunk(": alive\n\n")
        time.sleep(0.05)


def silence(seconds: float) -> Iterator[bytes]:
    """A stream that is quieter still, as it is between two signs of life."""
    yield HEAD
    time.sleep(seconds)


def reset() -> Iterator[bytes]:
    """The stream of a service that is back."""
    yield HEAD
    yield chunk('event: reset\ndata: {"topic": "reset", "data": {"reason": "restored"}}\n\n')


@pytest.mark.parametrize("quiet", [comments, silence])
def test_a_service_that_is_back_soon_after_a_quiet_time_is_followed_on(
    quiet: Callable[[float], Iterator[bytes]],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as threads:
        serving = threads.submit(served, listener, quiet(6.0), reset())
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with SiteClient(url, "wmd") as client:
            change = next(client.follow(patience_seconds=5.0))
        serving.result()
    assert isinstance(change, Reset)


def test_the_time_that_the_caller_takes_is_no_silence_of_the_service() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as threads:
        serving = threads.submit(served, listener, reset(), reset())
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with SiteClient(url, "wmd") as client:
            following = client.follow(patience_seconds=5.0)
            next(following)
            time.sleep(6.0)
            assert isinstance(next(following), Reset)
        serving.result()


texts = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=20)


@given(st.lists(texts, min_size=1, max_size=5), st.sampled_from(["\n", "\r\n", "\r"]), st.integers(1, 7), st.booleans())
def test_messages_are_read_however_they_are_cut(texts: list[str], end: str, size: int, comments: bool) -> None:
    lines = []
    for number, text in enumerate(texts):
        lines += [":", ""] if comments else []
        lines += [f"id: e-{number}", "event: x", f"data: {text}", "data:second", ""]
    raw = (end.join(lines) + end + "data: not whole").encode()
    chunks = [raw[at : at + size] for at in range(0, len(raw), size)]
    assert list(parse(chunks)) == [Message("x", f"{text}\nsecond", f"e-{number}") for number, text in enumerate(texts)]
