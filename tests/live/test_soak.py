"""Whoever comes and goes leaves nothing behind: threads, handles and memory stay flat.

How long the work goes on: half of `--soak-seconds`, short unless said otherwise.
"""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from jobs_server.config import Settings

from ..conftest import over_http
from ..support import databases, servers
from ..support.processes import holds, worker
from ..support.streams import Viewer
from ..support.waiting import until
from .test_long_poll import Poll

DROPPED = 1000
AT_ONCE = 40
MOST_VIEWERS = 48  # of 64 threads, 16 stay free
GROWTH_KB = 6 * 1024  # of memory, once all is warm
LEAST_ROUNDS = 5  # in each stretch of time, however slow the machine is


def drop_connections(server: servers.Server, count: int) -> None:
    """Open streams and polls that wait, and hang up without a word."""
    body = b'{"site": "wmd", "waitSeconds": 60}'
    poll = b"POST /getnewjobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    stream = b"GET /stream?site=wmd HTTP/1.1\r\nHost: localhost\r\n\r\n"
    for _ in range(count // AT_ONCE):
        opened = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(AT_ONCE)]
        for number, each in enumerate(opened):
            each.sendall(stream if number % 2 else poll)
        for number, each in enumerate(opened):
            if number % 2:
                each.recv(10)
            each.close()


def test_a_thousand_dropped_connections_leave_nothing_behind(tmp_path: Path) -> None:
    with servers.running("gunicorn", tmp_path) as server:
        process_id = worker(server)
        start = holds(process_id)
        drop_connections(server, DROPPED)
        pool = 0 if databases.scheme() == "sqlite:" else Settings().database_connections  # which stay open
        until(lambda: holds(process_id).handles <= start.handles + pool)
        # gunicorn keeps its 64 threads once it has made them, and the feed's is one more.
        assert holds(process_id).threads <= start.threads + 64 + 1
        with Viewer(server.url), httpx.Client(trust_env=False, timeout=60) as client:
            assert over_http(server.url, client).sends()


def test_all_stays_flat_while_people_come_and_go(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    seconds: float = pytestconfig.getoption("soak_seconds") / 2
    changes = 0
    with servers.running("gunicorn", tmp_path) as server, httpx.Client(trust_env=False, timeout=60) as client:
        people, process_id = over_http(server.url, client), worker(server)

        def goes_on(seconds: float, viewers_count: int) -> int:
            done, rounds, end = 0, 0, time.monotonic() + seconds
            with ExitStack() as watching:
                viewers = [watching.enter_context(Viewer(server.url)) for _ in range(viewers_count)]
                while rounds < LEAST_ROUNDS or time.monotonic() < end:
                    rounds += 1
                    waiting = Poll(server.url, "wmd")
                    job = people.sends()
                    waiting.gets()
                    people.reports(job, "EXPOSING", secondsUntilComplete=9)
                    people.reports(job, "COMPLETE")
                    with Viewer(server.url):
                        done += 4
                for viewer in viewers:
                    viewer.sees(done)
            return done

        with ExitStack() as crowd:  # gunicorn makes threads as they are needed, and keeps them: more come and go later
            for _ in range(MOST_VIEWERS):
                crowd.enter_context(Viewer(server.url))
        for _ in range(2):  # fills what else is bounded: the kept events, the connections, the caches
            changes += goes_on(seconds / 4, viewers_count=12)
        until(lambda: httpx.get(f"{server.url}/sites", trust_env=False, timeout=60).json()[0]["waiting"] is False)
        warm = holds(process_id)
        changes += goes_on(seconds / 2, viewers_count=5)
        until(lambda: holds(process_id).threads <= warm.threads and holds(process_id).handles <= warm.handles)
        after = holds(process_id)
    print(f"{changes} changes in {seconds:g} s; warm {warm}, after {after}")
    assert after.memory_kb - warm.memory_kb < GROWTH_KB
