"""What a site says of itself is told to who watches, at once, without a place in history."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from jobs_server import clock
from jobs_server.client import DevicesChange, PreviewChange, Refused, SiteClient
from jobs_server.live import site_news, sse
from jobs_server.live.disconnect import Client
from jobs_server.live.sse import Position, Start
from jobs_server.service import service_of

from ..conftest import inside
from ..state.pictures import noise, picture
from ..support import servers
from ..support.streams import Viewer

MOUNT = {"status": "tracking"}
WHO: dict[str, Any] = {"user_name": "Vera", "user_id": "v"}


def messages(written: bytes) -> list[dict[str, Any]]:
    """The data of what a stream wrote; none of these messages has a position."""
    found = []
    for block in written.decode().split("\n\n"):
        lines = block.splitlines()
        found += [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
        assert not any("devices" in line for line in lines if line.startswith("data:")) or len(lines) == 1
    return [each for each in found if each["topic"] in ("devices", "previews")]


@pytest.fixture
def reader(app: Flask) -> Iterator[sse._Reader]:
    """Somebody who watches the site."""
    feed = service_of(app).feed
    viewer = feed.watch("wmd", Client("", ""))
    yield sse._Reader(feed, viewer.channel, Start(Position("e", 0)).position)
    feed.leave(viewer)
    feed.stop()


def says(app: Flask, devices: dict[str, Any], site: str = "wmd") -> None:
    service_of(app).devices.report(site, devices, clock.read())


def due(reader: sse._Reader) -> None:
    """Let the time pass after which devices are told of again."""
    reader._devices_at -= site_news.SOONEST_SECONDS


def test_who_comes_gets_all_that_is_known_and_then_what_changes(app: Flask, reader: sse._Reader) -> None:
    says(app, {"mount/m": MOUNT, "camera/c": {}})
    says(app, {"mount/m": None})
    (first,) = messages(reader.greeting(None))
    assert first["data"]["devices"].keys() == {"camera/c"}
    says(app, {"mount/m": MOUNT})
    says(app, {"mount/x": MOUNT}, "saf")
    (second,) = messages(reader.news())
    assert second["data"]["devices"]["mount/m"]["status"] == "tracking"
    assert second["data"]["devices"].keys() == {"mount/m"}
    says(app, {"mount/m": None})
    due(reader)
    (third,) = messages(reader.news())
    assert third["data"]["devices"] == {"mount/m": None}
    assert messages(reader.news()) == []


def test_a_site_that_reports_each_device_by_itself_is_told_of_a_few_times_a_second(
    app: Flask, reader: sse._Reader
) -> None:
    reader.greeting(None)
    says(app, {"a/0": {}})
    assert len(messages(reader.news())) == 1
    for number in range(20):
        says(app, {f"a/{number}": {"n": number}})
        assert messages(reader.news()) == []
    due(reader)
    (told,) = messages(reader.news())
    assert len(told["data"]["devices"]) == 20


def test_it_is_written_once_for_all_who_watch(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    news = service_of(app).feed.site_news
    assert news is not None
    says(app, {"a/0": {}})
    _, number = news.all_devices("wmd")
    written: list[object] = []

    def write(*given: object) -> bytes:
        written.append(given)
        return b"message"

    monkeypatch.setattr(site_news, "_devices", write)
    says(app, {"a/0": {}})
    assert {news.devices_since("wmd", number) for _ in range(30)} == {(b"message", number + 1)}
    assert len(written) == 1


def test_a_report_wakes_viewers_of_its_site_and_no_poll(app: Flask) -> None:
    feed = service_of(app).feed
    viewer, other = feed.watch("wmd", Client("", "")), feed.watch("saf", Client("", ""))
    with feed.waiting("wmd", Client("", "")) as poll:
        for each in (viewer, other, poll):
            each._woken.clear()
        feed.wake_viewers("wmd")
        assert viewer._woken.is_set()
        assert not poll._woken.is_set()
    for each in (viewer, other):
        feed.leave(each)
    feed.stop()


def test_a_picture_is_told_of(app: Flask, reader: sse._Reader) -> None:
    job = inside(app).sends()
    reader.greeting(None)
    app.test_client().post(f"/jobs/preview?site=wmd&ulid={job['ulid']}&name=m31", data=picture())
    (told,) = messages(reader.news())
    assert (told["topic"], told["data"]["ulid"], told["data"]["name"]) == ("previews", job["ulid"], "m31")
    assert app.test_client().get(told["data"]["url"]).status_code == 200
    assert messages(reader.news()) == []


@pytest.mark.parametrize("kind", ["flask", "gunicorn", "waitress"])
def test_a_plain_program_shows_devices_and_pictures_to_who_watches(kind: str, tmp_path: Path) -> None:
    with (
        servers.running(kind, tmp_path / "instance", {"JOBS_MAX_BODY_BYTES": "1024"}) as server,
        SiteClient(server.url, "wmd") as client,
        Viewer(server.url) as viewer,
    ):
        job = client.submit("camera", "c1", "expose", **WHO)
        client.state({"mount/m": {"status": "slewing", "ra_hours": float("nan")}})
        (message,) = viewer.sees(1, "devices")
        assert message.data["data"]["devices"]["mount/m"]["ra_hours"] is None
        assert message.id == viewer.last_id or message.event == "message"
        client.state({"camera/c": {"text": "x" * 60_000}})
        large = noise(1300, 1200)
        assert 2**20 < len(large) < 2 * 2**20, "more than any other body may have"
        sent = client.preview(job, large, name="large")
        assert (sent.width, sent.height) == (1300, 1200)
        with pytest.raises(Refused) as refused:
            client.preview(job, large + large, name="too large")
        assert refused.value.status == 413
        (told,) = viewer.sees(1, "previews")
        assert told.data["data"]["url"] == sent.url
        seen = client.follow_all(patience_seconds=20)
        kinds = {type(next(seen)) for _ in range(3)}  # Presence, and both of these with what is known.
        assert {DevicesChange, PreviewChange} <= kinds
