"""The client of one edition at the service of the other: what a site or a server has not upgraded yet goes on.

`JOBS_TEST_FIRST_EDITION` names a checkout of the first edition (0.1.0) with its packages in `.venv`.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine

from jobs_server.client import ClaimedJob, Job, SiteClient

from ..support import databases, servers
from ..support.claiming import WHO, ends_as, sends, take, take_some, told
from ..support.waiting import until

FIRST_EDITION = os.environ.get("JOBS_TEST_FIRST_EDITION", "")
pytestmark = pytest.mark.skipif(not FIRST_EDITION, reason="JOBS_TEST_FIRST_EDITION names no checkout")

SITE_PROGRAM = """
import sys
from jobs_server.client import SiteClient
client = SiteClient(sys.argv[1], "wmd", patience_seconds=5)
obeyed = lambda stop: print("stop", stop.ulid, flush=True)
for job in client.claims(sys.argv[2], on_stop=obeyed, wait_seconds=1, poll_seconds=0.05, look_seconds=0.05):
    with job:
        print("begun", job.ulid, flush=True)
        job.wait(job.required_params["time"])
"""


@contextmanager
def first_edition(instance: Path) -> Iterator[servers.Server]:
    """Run a server of the first edition."""
    port, checkout = servers.free_port(), Path(FIRST_EDITION)
    instance.mkdir(parents=True, exist_ok=True)
    python = str(checkout / ".venv" / "bin" / "python")
    command = [python, *(part.format(port=port) for part in servers.COMMANDS["flask"])]
    environment = servers.environment(instance)
    if url := databases.of(instance):
        empty(url)
    environment = {name: value for name, value in environment.items() if name != "JOBS_BALLAST_MB"}
    server = servers.launch(command, port, checkout, environment, instance / f"server-{port}.log")
    with servers.stopped_at_the_end(server):
        yield server


def empty(url: str) -> None:
    """Take away what the newest edition made in a PostgreSQL."""
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
    engine.dispose()


@contextmanager
def its_site_program(url: str, folder: Path) -> Iterator[Callable[[], list[str]]]:
    """Run the site's software of the first edition; gives what it wrote."""
    python, said = Path(FIRST_EDITION) / ".venv" / "bin" / "python", folder / "said"
    with said.open("wb") as output:
        command = [str(python), "-c", SITE_PROGRAM, url, str(folder / "claims.json")]
        process = subprocess.Popen(command, cwd=FIRST_EDITION, stdout=output, stderr=subprocess.DEVNULL)
    try:
        yield lambda: said.read_text(encoding="utf-8").splitlines()
    finally:
        process.kill()
        process.wait()


def other_device(job: Job, other: Job) -> bool:
    return job.device != other.device


def test_the_client_carries_jobs_out_in_order_at_a_service_of_the_first_edition(tmp_path: Path) -> None:
    stopped: list[str] = []
    options: dict[str, Any] = {"on_stop": lambda stop: stopped.append(stop.ulid), "beside": other_device}
    with first_edition(tmp_path) as server, SiteClient(server.url, "wmd") as client:
        sent = [sends(client).ulid for _ in range(4)]
        assert take_some(take(client, tmp_path / "claims.json", **options), 4) == sent
        with take(client, tmp_path / "claims.json", **options) as claims:
            running = [sends(client, 3600), sends(client, device="mount", action="go")]
            begun: list[ClaimedJob] = []
            threads = [threading.Thread(target=lambda: begun.append(_next(claims)), daemon=True) for _ in running]
            for thread in threads:
                thread.start()
            until(lambda: sorted(run.ulid for run in begun) == [job.ulid for job in running])
            stop = sends(client, action="stop")
            until(lambda: stopped == [stop.ulid] and any(run.cancel_requested for run in begun))
            for run in begun:
                run.end("CANCELED" if run.cancel_requested else "COMPLETE")
        ends_as(client, running[0], "CANCELED")


def _next(claims: Any) -> ClaimedJob:
    run: ClaimedJob | None = claims.next()
    assert run is not None
    return run


def test_a_client_of_the_first_edition_takes_jobs_and_hears_a_stop_and_a_pause(tmp_path: Path) -> None:
    with servers.running("flask", tmp_path / "instance") as server, SiteClient(server.url, "wmd") as client:
        a, b = sends(client), sends(client)
        client.move(b, "first", **WHO)
        with its_site_program(server.url, tmp_path) as said:
            until(lambda: len(said()) == 2)
            assert sorted(said()) == sorted(f"begun {job.ulid}" for job in (a, b))
            ends_as(client, a, "COMPLETE")
            client.pause_queue("clouds", **WHO)
            held, stop = sends(client), sends(client, device="mount", action="stop")
            until(lambda: f"stop {stop.ulid}" in said())
            assert told(client, held) == ["UNREAD"]
            client.resume_queue(**WHO)
            ends_as(client, held, "COMPLETE")


def test_what_waits_in_a_database_of_the_first_edition_keeps_its_order_and_can_be_moved(tmp_path: Path) -> None:
    with first_edition(tmp_path) as server, SiteClient(server.url, "wmd") as client:
        done, *waiting = [sends(client) for _ in range(5)]
        client.poll(claim_id="a", limit=1)
        client.update(done, "COMPLETE")
    with servers.running("flask", tmp_path) as server, SiteClient(server.url, "wmd") as client:
        assert told(client, done) == ["UNREAD", "RECEIVED", "COMPLETE"]
        assert [job.ulid for job in client.waiting()] == [job.ulid for job in waiting]
        client.move(waiting[3], waiting[1], **WHO)
        order = [waiting[0], waiting[3], waiting[1], waiting[2]]
        assert take_some(take(client, tmp_path / "claims.json"), 4) == [job.ulid for job in order]
