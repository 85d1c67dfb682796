"""Many people and many pollers at once: each job is handed out exactly once, in order."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from flask import Flask
from sqlalchemy import select

from jobs_server.storage.flask_extension import db
from jobs_server.storage.models import Job, JobEvent

from ..conftest import inside, over_http
from ..support import servers

JOBS = 2000
POSTERS = 8
POLLERS = 16
POLLING_PROCESSES = 2
WRITING_PROCESSES = 4
JOBS_OF_A_WRITER = 100

# A poller of its own process: prints what it gets, until it gets nothing after it was told that all is posted.
POLLING_PROCESS = """
import json, os, sys
import httpx
url, all_posted = sys.argv[1:]
with httpx.Client(trust_env=False, timeout=60) as client:
    while True:
        last_look = os.path.exists(all_posted)
        jobs = client.post(url + "/jobs/getnewjobs", content=b'{"site": "wmd"}').json()
        if jobs:
            print(json.dumps([[job["ulid"], job["timestamp_ms"]] for job in jobs]))
        elif last_look:
            break
"""

# A writer of its own process, whose clock jumps by hours both ways.
WRITING_PROCESS = """
import random, sys
from jobs_server import clock, create_app
from jobs_server.domain import actors, commands
from jobs_server.jobs import operations as jobs
from jobs_server.service import service_of, transaction
dice = random.Random(int(sys.argv[1]))
body = {"site": "wmd", "device": "d", "instance": "i", "action": "a", "user_name": "n", "user_id": "u"}
command = commands.SubmitJob(**body, required_params={}, optional_params={})
app = create_app()
with app.app_context():
    for _ in range(int(sys.argv[2])):
        now = clock.read()
        now = now._replace(wall_ms=now.wall_ms + dice.randrange(-10_000_000, 10_000_000))
        with transaction() as connection:
            jobs.submit(connection, command, actors.SERVER, now, service_of(app).settings)
"""


@pytest.mark.parametrize(
    "shares", [("flask",), ("gunicorn", "gunicorn")], ids=["one server", "two servers on one file"]
)
def test_racing_pollers_get_each_job_once_and_in_order(shares: tuple[str, ...], tmp_path: Path) -> None:
    all_posted = tmp_path / "all-posted"
    posted: list[str] = []
    polls: list[list[tuple[str, int]]] = []
    with several(shares, tmp_path / "instance") as urls:

        def post(number: int) -> None:
            with httpx.Client(trust_env=False, timeout=60) as client:
                people = over_http(urls[number % len(urls)], client)
                posted.extend(people.sends()["ulid"] for _ in range(JOBS // POSTERS))

        def poll(number: int) -> None:
            with httpx.Client(trust_env=False, timeout=60) as client:
                site = over_http(urls[number % len(urls)], client)
                while True:
                    last_look = all_posted.exists()
                    if jobs := site.polls():
                        polls.append([(job["ulid"], job["timestamp_ms"]) for job in jobs])
                    elif last_look:
                        return

        processes = [
            start(tmp_path / "instance", POLLING_PROCESS, urls[n % len(urls)], str(all_posted))
            for n in range(POLLING_PROCESSES)
        ]
        with in_threads([lambda n=n: poll(n) for n in range(POLLERS)]):  # type: ignore[misc]
            try:
                with in_threads([lambda n=n: post(n) for n in range(POSTERS)]):  # type: ignore[misc]
                    pass
            finally:
                all_posted.touch()
        for process in processes:
            output, _ = process.communicate(timeout=60)
            polls.extend([(ulid, time_ms) for ulid, time_ms in json.loads(line)] for line in output.splitlines())
    handed_out = [ulid for jobs in polls for ulid, _ in jobs]
    assert len(posted) == JOBS
    assert sorted(handed_out) == sorted(posted)
    assert all(jobs == sorted(jobs) for jobs in polls)  # by ULID, and so do the timestamps within a poll:
    assert all([time for _, time in jobs] == sorted(time for _, time in jobs) for jobs in polls)


def test_order_holds_between_processes_whose_clocks_jump(file_app: Flask, tmp_path: Path) -> None:
    instance = tmp_path / "instance"
    writers = [start(instance, WRITING_PROCESS, str(n), str(JOBS_OF_A_WRITER)) for n in range(WRITING_PROCESSES)]
    for writer in writers:
        _, complaints = writer.communicate(timeout=120)
        assert writer.returncode == 0, complaints
    with file_app.app_context():
        ulids = list(db.session.execute(select(Job.ulid).join(JobEvent).order_by(JobEvent.seq)).scalars())
    assert len(ulids) == WRITING_PROCESSES * JOBS_OF_A_WRITER
    assert ulids == sorted(set(ulids)), "the order of commit is not the order of the ULIDs"
    waiting = inside(file_app).polls()
    assert [job["timestamp_ms"] for job in waiting] == sorted(job["timestamp_ms"] for job in waiting)


@contextmanager
def several(kinds: tuple[str, ...], instance: Path) -> Iterator[list[str]]:
    """Run servers of these kinds on one instance folder."""
    started: list[servers.Server] = []
    try:
        for kind in kinds:
            started.append(servers.start(kind, instance))
        yield [server.url for server in started]
    finally:
        for server in started:
            server.stop()


@contextmanager
def in_threads(work: list[Callable[[], None]]) -> Iterator[None]:
    """Run all of it beside the block; the first failure of any is the test's."""
    failures: list[BaseException] = []

    def guarded(each: Callable[[], None]) -> None:
        try:
            each()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(each,)) for each in work]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for thread in threads:
            thread.join()
    if failures:
        raise failures[0]


def start(instance: Path, script: str, *arguments: str) -> subprocess.Popen[str]:
    """Run a script in a process of its own, on an instance folder."""
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments], cwd=servers.ROOT, env=servers.environment(instance), **pipes
    )
