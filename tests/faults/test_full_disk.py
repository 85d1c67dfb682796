"""A disk that is full while another program takes each byte that is freed: stops are taken, and reads go on."""

from __future__ import annotations

import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from flask import Flask

from jobs_server import create_app
from jobs_server.service import service_of
from jobs_server.storage import disk_room
from jobs_server.storage.database import Database
from jobs_server.storage.disk_room import DiskRoom
from jobs_server.storage.sqlite_driver import driver
from jobs_server.upkeep import startup
from jobs_server.upkeep.disk_watch import BALLAST, DiskWatch

from ..conftest import inside, over_http
from ..support import disks, servers
from ..support.observatory import Observatory
from ..support.waiting import until
from ..web.test_pages import posts, text_of
from . import ledger

STOPS = 200
REFUSAL = "Error: the database cannot be used now: the disk is full. Nothing was changed; try again in a moment."
PAGES = ("/", "/docs", "/send", "/jobs-log", "/night", "/insights", "/reservations", "/settings")
BANNER = "The disk of the jobs is full."

pytestmark = pytest.mark.sqlite("its file, and the disk that it is on")


@pytest.fixture(params=["tmpfs", "ext4", "ext4 with blocks of 1 KiB"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A small disk; on blocks that are smaller than a page of memory a hole in the index ends the process (SIGBUS)."""
    if request.param == "tmpfs":
        with disks.mounted(tmp_path / "disk", 48 * 1024 * 1024) as mounted:
            yield mounted
    else:
        with disks.ext4(tmp_path / "disk", tmp_path / "image", 1024 if "1 KiB" in request.param else 4096) as mounted:
            yield mounted


class Service:
    """A server on a full disk, and what it answered."""

    def __init__(self, kind: str, folder: Path) -> None:
        self._kind, self._folder = kind, folder
        self.file = folder / "jobs.db"
        self.stops: list[str] = []
        self.server = servers.start(kind, folder)

    def has_its_room(self) -> bool:
        """Whether all that is taken in advance is there."""
        return self.file.with_name("jobs.db.room-shm").exists() and free_pages(self.file) > 0

    def answers(self, count: int) -> Counter[tuple[str, int]]:
        """Send stops, and of each other kind of request some."""
        found: Counter[tuple[str, int]] = Counter()
        with httpx.Client(trust_env=False, timeout=60) as client:
            site = over_http(self.server.url, client)
            for number in range(count):
                stop = site.asks(action="stop", instance=f"c{len(self.stops)}")
                found["stop", stop.status] += 1
                self.stops.append(stop.job["ulid"])
                if number % 20 == 0:
                    found.update(self._others(site, client))
        return found

    def _others(self, site: Observatory, client: httpx.Client) -> Iterator[tuple[str, int]]:
        refused = site.asks()
        assert refused.text == REFUSAL
        yield "job", refused.status
        for path in PAGES:
            page = client.get(f"{self.server.url}{path}?site=wmd")
            assert BANNER in page.text
            yield "page", page.status_code
        button = client.post(f"{self.server.url}/act/stop", data={"how": "now", "site": "wmd"})
        yield "button", button.status_code
        yield "list", site.posts("getrecentjobs", {"site": "wmd", "timeRange": 86_400_000}).status
        yield "poll", site.posts("getnewjobs", {"site": "wmd", "limit": 3}).status


def free_pages(file: Path) -> int:
    with closing(driver.connect(file)) as connection:
        return int(connection.execute("PRAGMA freelist_count").fetchone()[0])


def expected(count: int) -> Counter[tuple[str, int]]:
    times = (count + 19) // 20
    each = {("job", 503): 1, ("page", 200): len(PAGES), ("button", 303): 1, ("list", 200): 1, ("poll", 200): 1}
    return Counter({("stop", 200): count} | {key: times * value for key, value in each.items()})


@pytest.mark.parametrize("kind", ["gunicorn"])
def test_stops_are_taken_to_the_last_reads_go_on_and_a_restart_works(
    folder: Path, kind: str, tmp_path: Path, tell: Any
) -> None:
    service = Service(kind, folder)
    with httpx.Client(trust_env=False, timeout=60) as client:
        before = over_http(service.server.url, client).sends(required_params={"mark": "before"})
    until(service.has_its_room)
    try:
        with disks.another_takes_what_is_freed(folder):
            assert service.answers(STOPS) == expected(STOPS)
            ready = httpx.get(f"{service.server.url}/readyz", trust_env=False, timeout=60)
            assert (ready.status_code, ready.text.splitlines()[0]) == (
                503,
                "the database cannot be used: the disk is full",
            )
            for end in ("kill", "stop"):
                getattr(service.server, end)()
                service.server = servers.start(kind, folder, port=service.server.port)
                assert service.answers(20) == expected(20)
        (folder / "taken").unlink()
        with httpx.Client(trust_env=False, timeout=60) as client:
            after = over_http(service.server.url, client).sends(required_params={"mark": "after"})
    finally:
        service.server.stop()
    assert ledger.select(service.file, "PRAGMA integrity_check") == [("ok",)]
    kept = {str(ulid) for (ulid,) in ledger.select(service.file, "SELECT ulid FROM job")}
    assert kept >= {before["ulid"], *service.stops, after["ulid"]}
    tell(f"full disk, {folder.name}: {len(service.stops)} stops acknowledged, all kept, over two restarts")


@pytest.fixture
def room(file_app: Flask) -> DiskRoom:
    """The room of an app's file, taken."""
    watch = watch_of(file_app)
    watch.take()
    found: DiskRoom = database_of(file_app).kind.room  # type: ignore[attr-defined]
    return found


def database_of(app: Flask) -> Database:
    found: Database = service_of(app).database
    return found


def watch_of(app: Flask, ballast_mb: int = 0) -> DiskWatch:
    return DiskWatch(database_of(app), ballast_mb, 0)


def is_full(monkeypatch: pytest.MonkeyPatch, free_bytes: int) -> None:
    monkeypatch.setattr(DiskRoom, "_look", lambda _: (free_bytes, 1 << 40))


def test_no_room_is_said_to_be_there_while_a_reader_keeps_its_bytes_in_the_log(file_app: Flask) -> None:
    """What stands in the log alone is no room: on a full disk the file could not take it, and the log would grow."""
    database, watch = database_of(file_app), watch_of(file_app)
    inside(file_app).sends(action="stop")
    file = database.kind.room.file  # type: ignore[attr-defined]
    with closing(driver.connect(file, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM job").fetchall()
        watch.take()
        watch.take()
        assert not file.with_name("jobs.db.room-shm").exists()
        reader.rollback()
    watch.take()
    assert file.with_name("jobs.db.room-shm").exists()
    ((pages, page_bytes),) = ledger.select(file, "SELECT * FROM pragma_page_count(), pragma_page_size()")
    assert file.stat().st_size == pages * page_bytes


def test_connections_stay_on_a_full_disk_since_what_their_end_frees_another_program_takes(
    file_app: Flask, room: DiskRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = inside(file_app)
    before = database_of(file_app).closed
    is_full(monkeypatch, 0)
    assert site.asks().text == REFUSAL
    assert site.asks(action="stop").status == 200
    assert database_of(file_app).closed == before
    assert room.file is not None


def test_stops_that_each_meet_a_reader_fit_in_the_log_that_is_there(
    file_app: Flask, room: DiskRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The feed reads what each stop has changed while the next stop comes: the log must begin anew all the same.

    On a disk that another program keeps full a log that grows is "the disk is full" for a stop.
    """
    assert room.file is not None
    log_bytes = room.file.with_name("jobs.db-wal").stat().st_size
    is_full(monkeypatch, 0)
    with closing(driver.connect(room.file, isolation_level=None, check_same_thread=False)) as reader:
        ends: list[threading.Thread] = []

        def end_when_waited_for(statement: str) -> None:
            if "wal_checkpoint" in statement and "PASSIVE" not in statement:
                ends.append(threading.Thread(target=reader.rollback))
                ends[-1].start()

        with database_of(file_app).reading() as connection:
            connection._raw.set_trace_callback(end_when_waited_for)
        site, least_pages = inside(file_app), 4
        for number in range(log_bytes // 4096 // least_pages):
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM job").fetchall()
            assert site.asks(action="stop", instance=f"c{number}").status == 200
            while ends:
                ends.pop().join()
            reader.rollback()
            assert room.file.with_name("jobs.db-wal").stat().st_size == log_bytes, f"after {number} stops"


def test_a_reader_that_does_not_end_leaves_the_rest_of_the_log_to_stops(
    file_app: Flask, room: DiskRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert room.file is not None
    is_full(monkeypatch, 0)
    monkeypatch.setattr(DiskRoom, "is_log_half_used", lambda *_: True)
    with closing(driver.connect(room.file, isolation_level=None)) as reader:
        inside(file_app).sends(action="stop")
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM job").fetchall()
        assert [inside(file_app).asks(action="stop", instance=f"c{n}").status for n in range(3)] == [200] * 3


def test_pages_say_that_the_disk_is_full_and_what_is_taken_then(
    file_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = file_app.test_client()
    assert BANNER not in text_of(browser.get("/?site=wmd"))
    is_full(monkeypatch, 0)
    assert f"{BANNER} Stops, cancels and lock-outs are kept" in text_of(browser.get("/?site=wmd"))
    assert posts(browser, "/act/stop", how="now").status_code == 303


def test_what_was_kept_of_a_log_takes_nothing_back_that_was_written_since(
    file_app: Flask, room: DiskRoom, tmp_path: Path
) -> None:
    """The bytes that are kept for the next start are those of an old log; read as one, they would undo what came."""
    inside(file_app).sends(required_params={"mark": "served"})
    database_of(file_app).close()
    assert room.file is not None
    log = room.file.with_name("jobs.db-wal")
    assert not log.exists()
    with closing(driver.connect(room.file)) as other:
        other.execute("UPDATE job SET user_name = 'written since'")
        other.commit()
    assert not log.exists()
    app = create_app({"TESTING": True, "INSTANCE": str(tmp_path / "instance")})
    startup.prepare(app)
    assert log.samefile(room.file.with_name("jobs.db.room-wal"))
    assert [job["user_name"] for job in inside(app).lists()] == ["written since"]
    database_of(app).close()
    assert [job.mark for job in ledger.read(room.file)] == ["served"]


def test_a_log_that_a_restore_has_kept_under_another_name_is_left_as_it_is(room: DiskRoom, file_app: Flask) -> None:
    assert room.file is not None
    database_of(file_app).close()
    kept = room.file.with_name("jobs.db.room-wal")
    aside = room.file.with_name("jobs.db.before-20260101T000000Z-wal")
    aside.hardlink_to(kept)
    content = aside.read_bytes()
    disk_room.bring_back(room.file)
    assert (aside.read_bytes() == content, kept.exists()) == (True, False)


def test_free_pages_are_kept_in_the_file_and_all_of_them_have_their_bytes(file_app: Flask, room: DiskRoom) -> None:
    assert room.file is not None
    found = room.file.stat()
    assert free_pages(room.file) >= disk_room.STOCK_PAGES
    assert found.st_blocks * 512 >= found.st_size >= disk_room.STOCK_PAGES * 4096
    tables = ledger.select(room.file, "SELECT name FROM sqlite_master WHERE name = 'disk_room'")
    assert tables == []


def test_the_ballast_is_deleted_on_a_full_disk_and_made_again_when_there_is_room(
    file_app: Flask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ballast, watch = tmp_path / "instance" / BALLAST, watch_of(file_app, ballast_mb=3)
    watch.look()
    assert ballast.stat().st_size == 3 << 20
    is_full(monkeypatch, 1 << 20)
    watch.look()
    assert not ballast.exists()
    is_full(monkeypatch, 4 << 20)  # what the ballast gave is for what cannot wait
    watch.look()
    assert (ballast.exists(), inside(file_app).asks().text) == (False, REFUSAL)
    monkeypatch.undo()
    watch.look()
    assert (ballast.stat().st_size, inside(file_app).asks().status) == (3 << 20, 200)


def test_a_small_disk_is_not_filled_by_the_room(file_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    file = Path(str(database_of(file_app).engine.url.database))
    monkeypatch.setattr(DiskRoom, "_look", lambda _: (4 << 20, 8 << 20))
    watch_of(file_app, ballast_mb=8)._room.file = file
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=4 << 20, total=8 << 20))
    watch_of(file_app).take()
    assert file.with_name("jobs.db-wal").stat().st_size + file.stat().st_size < 9 << 18
