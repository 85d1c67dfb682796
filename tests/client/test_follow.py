"""Following a site from afar: what happens comes as it happens, nothing missed and nothing twice."""

from __future__ import annotations

import socket
from collections.abc import Iterator
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
