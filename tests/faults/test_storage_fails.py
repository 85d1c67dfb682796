"""Storage that is full, read-only or locked: a refusal in words, nothing half done, and no restart needed after it."""

from __future__ import annotations

import os
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest
from flask import Flask
from sqlalchemy import event

from jobs_server.service import service_of
from jobs_server.storage.database import Database
from jobs_server.storage.sqlite_driver import driver

from ..conftest import inside, over_http
from ..live.test_long_poll import Poll, someone_waits
from ..support import servers
from ..support.disks import fill, mounted
from ..support.observatory import Observatory, Reply
from ..support.programs import needs
from ..support.streams import Viewer
from ..support.waiting import until
from . import ledger

LARGE = "x" * 50_000
AT_ONCE = 24
LOCKED_POSTS = 5  # each is refused after the five seconds that the database is waited for

pytestmark = pytest.mark.sqlite("its file, and the disk that it is on")


class Disk(Protocol):
    """A disk that can be filled up and freed, with a service on it."""

    observatory: Observatory
    database: Path

    def fill(self) -> None: ...

    def free(self) -> None: ...


class SmallDisk:
    """A real file system of a few megabytes under a real server."""

    def __init__(self, observatory: Observatory, folder: Path) -> None:
        self.observatory = observatory
        self.database = folder / "jobs.db"
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        fill(self._ballast.parent, self._ballast.name)

    def free(self) -> None:
        self._ballast.unlink()


class LimitedFile:
    """A database that SQLite itself keeps from growing, as it does on a full disk."""

    def __init__(self, app: Flask) -> None:
        self.observatory = inside(app)
        self._service: Database = service_of(app).database
        self.database = Path(str(self._service.engine.url.database))
        self._pages = 2**30

        @event.listens_for(self._service.engine, "checkout")
        def on_checkout(connection: Any, *_: object) -> None:
            connection.execute(f"PRAGMA max_page_count = {self._pages}")

    def fill(self) -> None:
        self._pages = 1  # no less than it has now, says SQLite
        self._service.close()  # connections made before would not know

    def free(self) -> None:
        self._pages = 2**30
        self._service.close()


@pytest.fixture(params=["a small disk", "a limited file"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    if request.param == "a limited file":
        yield LimitedFile(request.getfixturevalue("file_app"))
        return
    with mounted(tmp_path / "disk") as folder, servers.running("gunicorn", folder) as server, connected(server) as site:
        yield SmallDisk(site, folder)


@contextmanager
def connected(server: servers.Server) -> Iterator[Observatory]:
    with httpx.Client(trust_env=False, timeout=60, verify=False) as client:
        yield over_http(server.url, client)


def refused(reply: Reply, reason: str) -> bool:
    """Whether a reply is a refusal because of the storage; anything else but success fails the test."""
    if reply.status == 200:
        return False
    assert reply.status == 503, (reply.status, reply.text)
    assert reply.headers["Retry-After"] == "2"
    sentence = reply.headers.get("X-Error", reply.text)
    assert sentence == f"Error: the database cannot be used now: {reason}. Nothing was changed; try again in a moment."
    assert reply.text in (sentence, "[]")
    return True


def test_a_full_disk_refuses_in_words_and_goes_on_when_there_is_room(disk: Disk, tell: Callable[[str], None]) -> None:
    site = disk.observatory
    before = site.sends(required_params={"mark": "before"})
    running = site.sends(required_params={"mark": "running"})
    site.polls(limit=1)
    disk.fill()
    marks = (f"large {count}" for count in range(1000))
    acknowledged = []
    while not refused(
        reply := site.asks(required_params={"mark": (mark := next(marks)), "filler": LARGE}), "the disk is full"
    ):
        acknowledged.append(reply.job)
    assert site.shows(before)["statusId"] == f"RECEIVED#{before['ulid']}"
    assert site.shows(running)["statusId"] == f"UNREAD#{running['ulid']}"
    assert len(site.lists()) == 2 + len(acknowledged)
    assert Observatory(site._post, "another site").polls() == []

    disk.free()
    after = site.sends(required_params={"mark": "after"})
    assert [job["ulid"] for job in site.polls()] == [job["ulid"] for job in (running, *acknowledged, after)]
    marks_kept = [job.mark for job in ledger.read(disk.database)]
    assert marks_kept == ["before", "running", *(job["required_params"]["mark"] for job in acknowledged), "after"]
    assert mark not in marks_kept
    tell(
        f"full disk, {type(disk).__name__}: {len(acknowledged)} more jobs acknowledged, all kept; then refused in words"
    )


@pytest.mark.parametrize("kind", ["flask", "gunicorn"])
def test_a_database_locked_by_another_process_refuses_writes_only_while_it_is(
    kind: str, tmp_path: Path, tell: Callable[[str], None]
) -> None:
    with (
        servers.running(kind, tmp_path, {"JOBS_DATABASE_TIMEOUT_SECONDS": "0.3"}) as server,
        connected(server) as site,
        closing(driver.connect(tmp_path / "jobs.db", isolation_level=None)) as other,
    ):
        waiting = site.sends()
        other.execute("BEGIN IMMEDIATE")
        with ThreadPoolExecutor(AT_ONCE) as people:
            replies = list(people.map(lambda _: post_once(server, site.site), range(AT_ONCE)))
        assert all(refused(reply, "it is busy") for reply in replies)
        assert refused(site.posts("getnewjobs", {"site": site.site}), "it is busy")
        assert refused(site.starts(waiting), "it is busy")
        assert refused(site.asks_to_cancel(waiting), "it is busy")
        assert site.history(waiting) == ["UNREAD"]
        assert Observatory(site._post, "another site").polls() == []
        other.execute("ROLLBACK")
        assert [job["ulid"] for job in site.polls()] == [waiting["ulid"]]
        assert [job["ulid"] for job in site.lists()] == [waiting["ulid"]]
    tell(f"locked, {kind}: {len(replies) + 3} writes refused in words, none of them done")


def test_a_lock_held_for_long_is_outlived_by_who_waits_and_watches(tmp_path: Path, tell: Callable[[str], None]) -> None:
    with (
        servers.running("gunicorn", tmp_path) as server,
        connected(server) as site,
        closing(driver.connect(tmp_path / "jobs.db", isolation_level=None)) as other,
        Viewer(server.url) as viewer,
    ):
        poll = Poll(server.url, "wmd")
        until(someone_waits(server.url, "wmd"))
        other.execute("BEGIN IMMEDIATE")
        refusals = [site.asks() for _ in range(LOCKED_POSTS)]
        assert all(refused(reply, "it is busy") for reply in refusals)
        other.execute("ROLLBACK")
        job = site.sends()
        assert poll.gets() == [job["ulid"]]
        assert [message.status for message in viewer.sees(2)] == ["UNREAD", "RECEIVED"]
        assert len(site.lists()) == 1
    tell(f"locked: {len(refusals)} posts refused in words; the poll and the stream went on")


def post_once(server: servers.Server, site: str) -> Reply:
    with httpx.Client(trust_env=False, timeout=60, verify=False) as client:
        return over_http(server.url, client, site).asks()


def test_a_database_made_read_only_refuses_writes_and_goes_on_when_it_is_not(
    tmp_path: Path, tell: Callable[[str], None]
) -> None:
    """Connections that are open stay what they were; the ones made meanwhile must not stay read-only after it."""
    path = tmp_path / "jobs.db"
    server = obeying_file_modes("gunicorn", tmp_path)
    with servers.stopped_at_the_end(server), connected(server) as site:
        first = site.sends()
        path.chmod(stat.S_IRUSR)
        acknowledged = [first, *until_refused(server, site.site)]
        path.chmod(stat.S_IRUSR | stat.S_IWUSR)
        with ThreadPoolExecutor(AT_ONCE) as people:
            answers = people.map(lambda _: post_once(server, site.site), range(4 * AT_ONCE))
            good = [reply.job for reply in answers if not refused(reply, "it may only be read")]
        assert len(good) > 3 * AT_ONCE, "connections stayed read-only"
        good += [site.sends() for _ in range(AT_ONCE)]
        assert {job["ulid"] for job in acknowledged + good} == {job["ulid"] for job in site.polls()}
    tell(f"read-only for a while: {len(acknowledged) + len(good)} jobs acknowledged, all handed over")


def test_files_left_beside_a_database_that_was_read_only_do_not_keep_it_so(tmp_path: Path) -> None:
    """SQLite makes them with the database's own mode, and they stay when the process is killed."""
    left = obeying_file_modes("gunicorn", tmp_path)
    with servers.stopped_at_the_end(left), connected(left) as site:
        site.sends()
        left.kill()
    for beside in ("jobs.db-shm", "jobs.db-wal"):
        (tmp_path / beside).chmod(stat.S_IRUSR)
    server = obeying_file_modes("gunicorn", tmp_path)
    with servers.stopped_at_the_end(server), connected(server) as site:
        assert site.asks().status == 200


def test_who_watches_a_database_that_was_read_only_does_not_keep_it_so(tmp_path: Path) -> None:
    """As when its file system was: what SQLite knows of the files lives as long as one connection of the process."""
    server = obeying_file_modes("gunicorn", tmp_path)
    files = [tmp_path / name for name in ("jobs.db", "jobs.db-wal", "jobs.db-shm")]
    with servers.stopped_at_the_end(server), connected(server) as site:
        site.sends()
        for file in files:
            file.chmod(stat.S_IRUSR)
        until_refused(server, site.site)
        assert refused(site.asks(), "it may only be read")  # at rest, so that no connection is left
        with Viewer(server.url):
            for file in files:
                file.chmod(stat.S_IRUSR | stat.S_IWUSR)
            refused(site.asks(), "it may only be read")
            assert site.asks().status == 200


def until_refused(server: servers.Server, site: str) -> list[dict[str, Any]]:
    """Post and look with many at once, so that connections are opened, until somebody is refused."""
    seen = threading.Event()

    def posts(_number: int) -> list[dict[str, Any]]:
        acknowledged = []
        with httpx.Client(trust_env=False, timeout=60, verify=False) as client:
            here = over_http(server.url, client, site)
            for _ in range(500):
                if seen.is_set():
                    break
                here.lists(timeRange=1)
                if refused(reply := here.asks(), "it may only be read"):
                    seen.set()
                else:
                    acknowledged.append(reply.job)
        return acknowledged

    with ThreadPoolExecutor(AT_ONCE) as people:
        acknowledged = [job for jobs in people.map(posts, range(AT_ONCE)) for job in jobs]
    assert seen.is_set()
    return acknowledged


def obeying_file_modes(kind: str, instance: Path) -> servers.Server:
    """Start a server that may write only what its files' modes allow, which the superuser may not care about."""
    if sys.platform == "win32" or os.geteuid() != 0:
        return servers.start(kind, instance)
    plain = ("--bounding-set=-dac_override", "--inh-caps=-dac_override")
    return servers.start(kind, instance, prefix=(needs("setpriv"), *plain))
