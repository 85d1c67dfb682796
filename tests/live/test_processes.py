"""Several server processes on one file, servers that are killed, and servers that stop: who watches misses nothing."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser

from jobs_server import create_app
from jobs_server.jobs import events
from jobs_server.service import service_of

from ..conftest import over_http
from ..support import databases, nginx, servers
from ..support.observatory import Observatory
from ..support.streams import Viewer
from ..support.waiting import until
from .test_long_poll import Poll, someone_waits

# A page as any page does it: EventSource comes back by itself, except after an answer that is no stream.
PAGE = """() => {
  window.seen = [];
  window.starts = 0;
  let last = "";
  const open = () => {
    const stream = new EventSource("/stream?site=wmd" + (last && "&lastEventId=" + last));
    stream.onopen = () => { window.starts += 1; };
    stream.onmessage = (message) => {
      last = message.lastEventId;
      const { topic, data } = JSON.parse(message.data);
      if (topic === "jobs") seen.push([message.lastEventId, data.ulid, data.event.to]);
    };
    stream.addEventListener("reset", () => seen.push("reset"));
    stream.onerror = () => {
      if (stream.readyState === EventSource.CLOSED) setTimeout(open, 200);
    };
  };
  open();
}"""


@contextmanager
def two_servers(instance: Path) -> Iterator[tuple[servers.Server, servers.Server]]:
    with servers.running("gunicorn", instance) as one, servers.running("gunicorn", instance) as other:
        yield one, other


def told(instance: Path) -> list[tuple[str, str, str]]:
    """All that happened, as the history has it."""
    app = create_app(databases.at(instance))
    with service_of(app).database.reading() as connection:
        epoch = events.record(connection).epoch
        found = events.after(connection, 0, 10**6, None, 10**9).events
    service_of(app).database.close()
    return [(f"{epoch}-{each.event.seq}", each.job.ulid, each.event.status) for each in found]


def test_what_one_process_commits_the_other_tells_at_once(tmp_path: Path) -> None:
    with two_servers(tmp_path) as (one, other), httpx.Client(trust_env=False, timeout=60) as client:
        people = over_http(one.url, client)
        poll = Poll(other.url, "wmd")
        until(someone_waits(other.url, "wmd"))
        with Viewer(other.url) as viewer:
            job = people.sends()
            assert poll.gets() == [job["ulid"]]
            people.reports(job, "COMPLETE")
            seen = [(each.id, each.data["data"]["ulid"], each.status) for each in viewer.sees(3)]
    assert seen == told(tmp_path)


def work(people: Observatory, jobs: int) -> None:
    """Send jobs and carry them out."""
    for _ in range(jobs):
        job = people.sends()
        people.polls()
        people.reports(job, "EXPOSING", secondsUntilComplete=5)
        people.reports(job, "COMPLETE")


def test_a_browser_misses_nothing_while_its_server_is_killed_and_restarted(chromium: Browser, tmp_path: Path) -> None:
    """Behind nginx one server is killed and started again, while work goes on at another one on the same file."""
    instance = tmp_path / "instance"
    with (
        two_servers(instance) as (one, other),
        nginx.before(one.port, tmp_path / "n") as url,
        chromium.new_page() as page,
    ):
        page.goto(f"{url}/jobs/sites")
        page.evaluate(PAGE)
        page.wait_for_function("() => window.starts === 1")
        with httpx.Client(trust_env=False, timeout=60) as client:
            people = over_http(other.url, client)
            work(people, 5)
            working = threading.Thread(target=work, args=(people, 30))
            working.start()
            one.kill()
            with servers.stopped_at_the_end(servers.start("gunicorn", instance, port=one.port)):
                working.join()
                work(people, 5)
                history = told(instance)
                page.wait_for_function("count => seen.length >= count", arg=len(history), timeout=60_000)
                seen = page.evaluate("seen")
                assert page.evaluate("starts") > 1
    assert [tuple(each) for each in seen] == history
    assert len(history) == 40 * 4


@pytest.mark.parametrize(
    ("kind", "number"), [("flask", signal.SIGINT), ("gunicorn", signal.SIGTERM), ("waitress", signal.SIGINT)]
)
def test_a_server_stops_although_people_watch_and_wait(
    kind: str, number: signal.Signals, tmp_path: Path, tell: Callable[[str], None]
) -> None:
    patient = {"GUNICORN_CMD_ARGS": "--graceful-timeout 300"}  # it is the streams that end, not gunicorn's patience
    command: Any = {kind: [part for part in servers.COMMANDS[kind] if part not in ("--graceful-timeout", "2")]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(servers, "COMMANDS", command)
        server = servers.start(kind, tmp_path, patient)
    with servers.stopped_at_the_end(server), Viewer(server.url) as viewer, Viewer(server.url, "mrc"):
        poll = Poll(server.url, "wmd")
        until(someone_waits(server.url, "wmd"))
        asked = time.monotonic()
        server.process.send_signal(number)
        server.process.wait(servers.STOP_SECONDS)
        tell(f"{kind} ended {time.monotonic() - asked:.1f} s after it was told to, with streams and a waiting poll")
        viewer.sees_end()
        assert poll.gets() == []
    assert "still running" not in server.log.read_text(encoding="utf-8")
