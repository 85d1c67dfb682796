"""Pictures of jobs: looked at before they are kept, bounded, shown by an address of their own, and backed up once."""

from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from flask import Flask
from PIL import Image
from werkzeug.test import TestResponse

from jobs_server import create_app
from jobs_server.admin import restore
from jobs_server.errors import ConfigError
from jobs_server.service import service_of
from jobs_server.state import previews
from jobs_server.state.previews import Previews
from jobs_server.upkeep import backups, preview_backups, retention, startup

from ..conftest import inside
from ..support import databases
from ..support.clocks import Clocks
from .pictures import picture, png, with_chunk

DAY = 24 * 3600


class Camera:
    """A site's software, which sends pictures of a job."""

    def __init__(self, app: Flask, site: str = "wmd") -> None:
        self.app, self.site, self.client = app, site, app.test_client()
        self.job = inside(app, site).sends()

    def sends(self, data: bytes, name: str | None = None, **other: str) -> TestResponse:
        query = {"site": self.site, "ulid": self.job["ulid"]} | ({"name": name} if name else {}) | other
        return self.client.post("/jobs/preview", data=data, query_string=query)

    def kept(self, data: bytes, name: str | None = None) -> dict[str, Any]:
        reply = self.sends(data, name)
        assert reply.status_code == 200, reply.text
        found: dict[str, Any] = json.loads(reply.text)
        return found

    def listed(self, **query: str) -> list[dict[str, Any]]:
        reply = self.client.get("/previews", query_string={"site": self.site} | query)
        assert reply.status_code == 200, reply.text
        found: list[dict[str, Any]] = json.loads(reply.text)
        return found

    @property
    def files(self) -> list[Path]:
        return sorted(previews.files_in(service_of(self.app).previews.folder))


@pytest.fixture
def camera(app: Flask) -> Camera:
    return Camera(app)


@pytest.mark.parametrize(("kind", "media"), [("PNG", "image/png"), ("JPEG", "image/jpeg")])
def test_a_picture_is_kept_and_shown(camera: Camera, kind: str, media: str) -> None:
    kept = camera.kept(picture(kind), "m31")
    assert (kept["name"], kept["width"], kept["height"]) == ("m31", 64, 48)
    for prefix in ("", "/jobs"):
        shown = camera.client.get(prefix + kept["url"])
        assert (shown.status_code, shown.mimetype) == (200, media)
        assert Image.open(io.BytesIO(shown.data)).size == (64, 48)
    assert camera.listed() == camera.listed(ulid=camera.job["ulid"]) == [kept]
    assert Camera(camera.app, "saf").listed() == []


def test_it_is_shown_with_nosniff_and_a_policy_of_its_own(camera: Camera) -> None:
    shown = camera.client.get(camera.kept(picture())["url"])
    assert shown.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'; sandbox" in shown.headers.getlist("Content-Security-Policy")
    assert "private" in shown.headers["Cache-Control"]


def test_scripts_inside_are_not_served(camera: Camera) -> None:
    kept = camera.kept(with_chunk(picture(), b"tEXt", b"a\0<script>alert(1)</script>"))
    assert b"script" not in camera.client.get(kept["url"]).data


def test_one_of_the_same_name_takes_the_place_of_the_one_before(camera: Camera) -> None:
    first, second = camera.kept(picture(), "live"), camera.kept(picture(size=(32, 32)), "live")
    assert camera.listed() == [second]
    assert first["url"] != second["url"]
    assert camera.client.get(first["url"]).status_code == 404
    assert len(camera.files) == 1


@pytest.mark.parametrize(
    "data",
    [b"", b"GIF89a", b"<svg/>", b"{}", picture()[:-1], picture() + b"<script>", png(60_000, 1)],
)
def test_pictures_that_are_none_are_refused_in_words_and_leave_nothing(camera: Camera, data: bytes) -> None:
    refusal = camera.sends(data)
    assert (refusal.status_code, refusal.text[:18]) == (400, "Error: the picture")
    assert (camera.listed(), camera.files) == ([], [])


def test_one_larger_than_2_mib_is_refused(camera: Camera) -> None:
    refusal = camera.sends(picture() + bytes(2 * 1024 * 1024))
    assert (refusal.status_code, refusal.text) == (413, "Error: the body is larger than 2097152 bytes")


@pytest.mark.parametrize(
    ("query", "status"),
    [({"site": "saf"}, 404), ({"ulid": "01KPR8Z4J6Q3T5V7X9Y0A1B2C3"}, 404), ({"ulid": ""}, 400), ({"name": "\0"}, 400)],
)
def test_one_sent_to_anothers_job_or_to_none_is_refused(camera: Camera, query: dict[str, str], status: int) -> None:
    refusal = camera.sends(picture(), **query)
    assert (refusal.status_code, refusal.text[:7]) == (status, "Error: ")
    assert camera.files == []


def test_of_a_thousand_a_minute_ten_of_a_job_are_taken(camera: Camera, clocks: Clocks) -> None:
    statuses = [camera.sends(picture(), f"n{number}").status_code for number in range(1000 // 20)]
    assert statuses == [200] * 10 + [429] * 40
    assert int(camera.sends(picture()).headers["Retry-After"]) >= 1
    assert Camera(camera.app).sends(picture()).status_code == 200
    clocks.pass_by(61)
    assert camera.sends(picture()).status_code == 200


def test_ten_a_minute_hold_for_all_servers_together(tmp_path: Path) -> None:
    settings = {"TESTING": True} | databases.at(tmp_path / "instance")
    apps = [create_app(settings) for _ in range(2)]
    startup.prepare(apps[0])
    first = Camera(apps[0])
    second = Camera(apps[1])
    second.job = first.job
    turns = [(each, f"{number} {each is first}") for number in range(6) for each in (first, second)]
    statuses = [each.sends(picture(), name).status_code for each, name in turns]
    assert statuses == [200] * 10 + [429] * 2
    for app in apps:
        service_of(app).database.close()


@pytest.mark.parametrize("path", ["/previews/x/y.png", "/previews/../config.toml", "/previews/%2e%2e/config.toml"])
def test_no_other_file_is_shown(camera: Camera, path: str) -> None:
    camera.kept(picture())
    assert camera.client.get(path).status_code in (404, 405)


def test_a_picture_whose_file_has_gone_is_said_to_be_gone(camera: Camera) -> None:
    kept = camera.kept(picture())
    camera.files[0].unlink()
    reply = camera.client.get(kept["url"])
    assert (reply.status_code, "not kept any more" in reply.text) == (404, True)


def test_past_what_all_may_take_the_oldest_go(camera: Camera) -> None:
    kept = [camera.kept(picture(), f"n{number}") for number in range(4)]
    service = service_of(camera.app)
    small = Previews(service.database, service.previews.folder, 10)
    small._most_bytes = sum(each["bytes"] for each in kept[2:])
    assert small.prune(0) == 0
    assert [each["name"] for each in camera.listed()] == ["n3", "n2"]
    assert len(camera.files) == 2


def test_what_is_too_old_goes_with_its_file_and_files_that_nobody_names_too(camera: Camera, clocks: Clocks) -> None:
    old = camera.kept(picture(), "old")
    clocks.pass_by(20 * DAY)
    new = camera.kept(picture(), "new")
    stray = camera.files[0].with_name("stray.png")
    stray.write_bytes(b"")
    service = service_of(camera.app)
    now_ms = clocks.now.wall_ms
    assert service.previews.prune(previews.before_days(now_ms, 30)) == 0
    assert service.previews.prune(previews.before_days(now_ms + 15 * DAY * 1000, 30)) == 1
    assert camera.listed() == [new]
    assert camera.client.get(old["url"]).status_code == 404
    assert stray in camera.files, "its row may be on the way"
    os.utime(stray, (time.time() - 7200,) * 2)
    service.previews.prune(0)
    assert len(camera.files) == 1


def test_pictures_of_a_job_that_is_pruned_go_with_it(camera: Camera, clocks: Clocks) -> None:
    inside(camera.app).reports(camera.job, "COMPLETE")
    camera.kept(picture())
    clocks.pass_by(3 * DAY)
    service = service_of(camera.app)
    assert retention.prune(service.database, clocks.now.wall_ms - DAY * 1000).jobs == 1
    assert camera.listed() == []
    for path in camera.files:
        os.utime(path, (time.time() - 7200,) * 2)
    service.previews.prune(0)
    assert camera.files == []


def test_a_disk_that_is_full_is_said_and_leaves_nothing(camera: Camera, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    refusal = camera.sends(picture())
    assert (refusal.status_code, "No space left" in refusal.text) == (503, True)
    assert (camera.listed(), camera.files) == ([], [])


class TestWhoMayLook:
    """JOBS_PICTURES_FROM."""

    SIGN_IN: ClassVar = {"OIDC_ISSUER": "https://issuer.example", "OIDC_AUDIENCE": "jobs", "PICTURES_FROM": "signed-in"}

    @pytest.fixture
    def closed(self, tmp_path: Path) -> Iterator[Flask]:
        app = create_app({"TESTING": True} | databases.at(tmp_path / "instance") | self.SIGN_IN)
        startup.prepare(app)
        yield app
        service_of(app).database.close()

    @pytest.mark.parametrize("path", ["/previews?site=wmd", "/previews/01KP/01KP-1.png", "/jobs/previews?site=wmd"])
    def test_signed_in_alone_where_it_is_set(self, closed: Flask, path: str) -> None:
        reply = closed.test_client().get(path)
        assert (reply.status_code, "sign in" in reply.text) == (401, True)

    def test_it_is_refused_where_nobody_can_sign_in(self) -> None:
        with pytest.raises(ConfigError, match="JOBS_PICTURES_FROM"):
            create_app({"PICTURES_FROM": "signed-in"})


@pytest.mark.sqlite("backups are of its file")
class TestBackups:
    """Copies beside the backups of the database."""

    def test_each_picture_is_copied_once(self, file_app: Flask, tmp_path: Path) -> None:
        camera, settings = Camera(file_app), service_of(file_app).settings
        camera.kept(picture(), "one")
        assert preview_backups.copy_new(settings, tmp_path / "b") == 1
        assert preview_backups.copy_new(settings, tmp_path / "b") == 0
        camera.kept(picture(), "two")
        assert preview_backups.copy_new(settings, tmp_path / "b") == 1
        assert len(list(previews.files_in(tmp_path / "b" / "previews"))) == 2

    def test_a_restore_brings_back_what_is_missing(self, file_app: Flask) -> None:
        camera, service = Camera(file_app), service_of(file_app)
        kept = camera.kept(picture())
        made = file_app.test_cli_runner().invoke(args=["backup"])
        assert "1 pictures" in made.output
        camera.files[0].unlink()
        service.database.close()
        (archive,) = backups.listed(service.settings.backups)
        restore.restore(archive.path, service.settings)
        again = create_app({"TESTING": True, "INSTANCE": service.settings.instance})
        startup.prepare(again)
        assert again.test_client().get(kept["url"]).status_code == 200
        service_of(again).database.close()

    def test_the_doctor_tells_what_is_missing(self, file_app: Flask) -> None:
        camera = Camera(file_app)

        def told() -> tuple[str, str]:
            rows = json.loads(file_app.test_cli_runner().invoke(args=["doctor", "--json"]).output)
            ((grade, sentence),) = [(row["grade"], row["sentence"]) for row in rows if row["about"] == "pictures"]
            return grade, sentence

        camera.kept(picture())
        assert told()[0] == "good"
        camera.files[0].unlink()
        assert (told()[0], "1 of 1 are not in" in told()[1]) == ("note", True)
