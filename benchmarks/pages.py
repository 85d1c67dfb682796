"""Measure the pages, on the server and in a real Chromium: `python -m benchmarks.pages`."""

from __future__ import annotations

import argparse
import gzip
import json
import os
import re
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, CDPSession
from rich.console import Console

from tests.browser import stage
from tests.support import gateway, nights, servers
from tests.support.gateway import Mood

from . import report
from .load import Line, drive, post

SITE = "wmd"
WAITING = 200
PAGES = {
    "Now": f"/?site={SITE}",
    "its timeline (JSON)": f"/timeline.json?site={SITE}",
    "Send": f"/send?site={SITE}",
    "Jobs": f"/jobs-log?site={SITE}",
    "Night": f"/night?site={SITE}",
    "Insights, 7 nights": f"/insights?site={SITE}",
    "Reservations": f"/reservations?site={SITE}",
    "Site": f"/settings?site={SITE}",
}
_STEP_SECONDS = 10  # of a simulated day
_NAP_SECONDS = 8
_LONG_TASKS = """() => {
  window.tasks = [];
  const note = (list) => window.tasks.push(...list.getEntries().map((task) => task.duration));
  new PerformanceObserver(note).observe({type: 'longtask'});
  window.gap = 0;
  let last = performance.now();
  const frame = (now) => { window.gap = Math.max(window.gap, now - last); last = now; requestAnimationFrame(frame); };
  requestAnimationFrame(frame);
}"""
_PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
_SIZES = """performance.getEntriesByType('resource').filter((each) => each.name.includes('/assets/'))
  .reduce((sum, each) => sum + each.encodedBodySize, 0)"""


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    requests: int
    loads: int
    burst_seconds: float
    hours: int
    naps: int


FULL = Size(requests=200, loads=10, burst_seconds=10, hours=12, naps=5)
SMALLEST = Size(requests=3, loads=1, burst_seconds=0.5, hours=1, naps=1)


class Traffic:
    """People and site software of one site, over one kept-alive connection."""

    def __init__(self, port: int, site: str = SITE) -> None:
        self._line = Line(port)
        self._site = site
        self._number = 0

    def send(self, target: str) -> str:
        """Send a job; gives its ULID."""
        who = {"site": self._site, "user_name": "Vera", "user_id": "lan|vera"}
        ulid: str = self._ask("newjob", who | nights.expose(target))["ulid"]
        return ulid

    def say(self, ulid: str, status: str, **more: Any) -> None:
        """Report."""
        self._ask("updatejobstatus", {"site": self._site, "ulid": ulid, "newStatus": status, **more})

    def a_job(self) -> Iterator[None]:
        """Take a job through its whole life, one change at each step; what waits beside it goes on waiting."""
        self._number += 1
        ulid = self.send(f"Target {self._number}")
        yield
        for status in ("STARTED", "EXPOSING 1/2", "READING OUT 1/2", "EXPOSING 2/2", "READING OUT 2/2"):
            self.say(ulid, status, secondsUntilComplete=60)
            yield
        self.say(ulid, "COMPLETE")
        yield

    def close(self) -> None:
        """Hang up."""
        self._line.close()

    def _ask(self, route: str, body: dict[str, Any]) -> Any:
        return json.loads(self._line.ask(post(f"/jobs/{route}", json.dumps(body).encode())))


@contextmanager
def served() -> Iterator[servers.Server]:
    """Serve a site with a past of three nights and with 200 jobs waiting."""
    with (
        tempfile.TemporaryDirectory() as folder,
        stage.served(Path(folder) / "instance") as (server, observatory),
    ):
        stage.a_present(observatory)
        traffic = Traffic(server.port)
        for number in range(WAITING - 2):
            traffic.send(f"NGC {number}")
        traffic.close()
        yield server


def server_time(server: servers.Server, _browser: Browser, size: Size) -> list[list[str]]:
    """Ask for each page over one connection; a style sheet tells what the server and the network alone take."""
    asset = re.search(rb'href="(/assets/[^"]+/theme.css)"', _get(server, "/?site=wmd"))
    assert asset is not None
    rows = []
    for name, path in {"a style sheet, for comparison": asset[1].decode(), **PAGES}.items():
        before = _processor_seconds(server.process.pid)
        run = drive(server.port, [_request(path)] * size.requests, 1)
        plain = gzip.decompress(run.body)
        times = [f"{run.percentile_ms(percent):.1f}" for percent in (50, 99)]
        worked = (_processor_seconds(server.process.pid) - before) / size.requests
        rows.append([name, f"{worked * 1000:.1f}", *times, f"{len(plain) / 1000:.1f}", f"{len(run.body) / 1000:.1f}"])
    return rows


def _processor_seconds(pid: int) -> float:
    """Add up the processor time of a process and its children; Linux alone tells it, elsewhere it is nothing."""
    ticks = 0
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = file.read_text().rpartition(") ")[2].split()
        except OSError:
            continue  # it has just ended
        if pid in (int(file.parent.name), int(fields[1])):
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK") if ticks else 0.0


def _request(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n".encode()


def _get(server: servers.Server, path: str) -> bytes:
    return gzip.decompress(drive(server.port, [_request(path)], 1).body)


def paint(server: servers.Server, browser: Browser, size: Size) -> list[list[str]]:
    """Open Now in new profiles of the browser, and once more in each."""
    cold, warm, assets = list[float](), list[float](), 0.0
    for _ in range(size.loads):
        with stage.context(browser, server, stage.PHONE) as context:
            for times in (cold, warm):
                page = stage.open_page(context, server.url + PAGES["Now"])
                page.wait_for_function(_PAINT)
                times.append(page.evaluate(_PAINT))
                assets = max(assets, page.evaluate(_SIZES))
                page.close()
    return [
        [name, f"{statistics.median(times):.0f}", f"{max(times):.0f}", f"{assets / 1000:.1f}" if times is cold else "0"]
        for name, times in (("for the first time", cold), ("again", warm))
    ]


def burst(server: servers.Server, browser: Browser, size: Size) -> list[list[str]]:
    """Change a hundred things a second before a page that is open, and cancel a job in the midst of it."""
    rows = []
    for name, width in (("phone", stage.PHONE), ("desktop", stage.DESK)):
        with stage.context(browser, server, width) as context:
            page, fetched = context.new_page(), list[str]()
            page.goto(server.url + PAGES["Now"])
            page.wait_for_load_state("load")
            page.wait_for_timeout(1000)
            if width == stage.PHONE:
                page.locator(".rest summary").click()  # else three alone of those that wait are shown
            page.evaluate(_LONG_TASKS)
            page.on("request", lambda request: fetched.append(request.url))  # noqa: B023
            changes = _Changes(server.port, size.burst_seconds)
            page.wait_for_timeout(500 * size.burst_seconds)
            began = time.perf_counter()
            page.get_by_role("button", name="Cancel Expose").nth(100).click()
            page.locator(".note.done").first.wait_for()
            stopped_ms = (time.perf_counter() - began) * 1000
            while changes.is_alive():
                page.wait_for_timeout(100)
            tasks = page.evaluate("window.tasks")
            renewed = sum("timeline" not in url for url in fetched)
            rows.append(
                [
                    *(name, f"{changes.count / changes.seconds:.0f}", str(renewed), str(len(tasks))),
                    *(f"{max(tasks, default=0):.0f}", f"{page.evaluate('window.gap'):.0f}", f"{stopped_ms:.0f}"),
                ]
            )
    return rows


class _Changes(threading.Thread):
    """Change a hundred things a second for a while."""

    def __init__(self, port: int, seconds: float) -> None:
        super().__init__(daemon=True)
        self._port = port
        self._for_seconds = seconds
        self.count, self.seconds = 0, 0.0
        self.start()

    def run(self) -> None:
        traffic, began = Traffic(self._port), time.perf_counter()
        while (passed := time.perf_counter() - began) < self._for_seconds:
            for _ in traffic.a_job():
                self.count += 1
                time.sleep(max(0.0, began + self.count / 100 - time.perf_counter()))
        self.seconds = passed
        traffic.close()


def day(server: servers.Server, browser: Browser, size: Size) -> list[list[str]]:
    """Leave Now open for a day whose clock is turned on by hand: a change every ten seconds, each shown."""
    with stage.context(browser, server, stage.DESK) as context:
        page = context.new_page()
        page.clock.install()
        page.goto(server.url + PAGES["Now"])
        page.wait_for_load_state("load")
        session = context.new_cdp_session(page)
        session.send("Performance.enable")
        traffic, changes = Traffic(server.port), 0
        steps = _for_ever(traffic.a_job)
        rows = []
        for hour in range(size.hours + 1):
            rows.append([str(hour), str(changes), *_memory(session)])
            for _ in range(3600 // _STEP_SECONDS if hour < size.hours and size is FULL else 5):
                next(steps)
                changes += 1
                with page.expect_response(lambda response: "/?site=" in response.url):
                    page.clock.run_for(1000 * _STEP_SECONDS)
        traffic.close()
        return [row for row in rows if int(row[0]) in (0, 1, 2, 4, 8, size.hours)]


def _for_ever(life: Callable[[], Iterator[None]]) -> Iterator[None]:
    while True:
        yield from life()


def _memory(session: CDPSession) -> list[str]:
    """Collect the garbage, and give the heap in MB, the nodes, the listeners and the documents."""
    for _ in range(3):
        session.send("HeapProfiler.collectGarbage")
    metrics = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
    counts = [f"{metrics[name]:.0f}" for name in ("Nodes", "JSEventListeners", "Documents")]
    return [f"{metrics['JSHeapUsedSize'] / 1e6:.2f}", *counts]


def sleep(server: servers.Server, browser: Browser, size: Size) -> list[list[str]]:
    """Stop the page as a closed laptop does, let something happen, and look how long after waking it is shown."""
    rows = []
    for name, dead in (("still there", False), ("dead", True)):
        times = [_nap(server, browser, number, dead=dead) for number in range(size.naps)]
        rows.append([name, f"{statistics.median(times):.0f}", f"{max(times):.0f}"])
    return rows


def _nap(server: servers.Server, browser: Browser, number: int, *, dead: bool) -> float:
    site = f"nap-{number}-{dead}"
    traffic = Traffic(server.port, site)
    with gateway.before(server.port) as between, stage.context(browser, server, stage.PHONE) as context:
        page = stage.open_page(context, f"{between.url}/?site={site}")
        page.wait_for_timeout(3000)
        with stage.asleep(browser):
            if dead:
                between.becomes(Mood.SILENT)
                between.becomes(Mood.PASSES)
            traffic.send("While it slept")
            time.sleep(_NAP_SECONDS)
            began = time.perf_counter()
        page.locator("#queue", has_text="While it slept").wait_for()
        traffic.close()
        return (time.perf_counter() - began) * 1000


Measure = Callable[[servers.Server, Browser, Size], list[list[str]]]
TABLES: dict[str, tuple[Measure, list[str]]] = {
    "server": (server_time, ["page, 200 jobs waiting", "processor ms", "median ms", "p99 ms", "kB", "kB compressed"]),
    "paint": (paint, ["Now is opened", "first contentful paint, median ms", "longest ms", "assets, kB compressed"]),
    "burst": (
        burst,
        [
            *(
                "Now on a",
                "changes/s",
                "renewed",
                "tasks over 50 ms",
                "longest task ms",
                "longest time between frames ms",
            ),
            "Cancel of one job, from click to its note, ms",
        ],
    ),
    "day": (day, ["hour", "changes", "heap MB", "nodes", "listeners", "documents"]),
    "sleep": (sleep, ["connections after sleep", "until it is shown, median ms", "longest ms"]),
}


def main() -> None:
    """Measure, and print tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pages", description=__doc__)
    parser.add_argument("--only", choices=TABLES, help="measure one thing alone")
    parser.add_argument("--smallest", action="store_true", help="only show that it runs")
    asked = parser.parse_args()
    console = Console(stderr=True)
    print(report.machine())
    with served() as server, stage.chromium() as browser:
        print(f"Chromium {browser.version}")
        for name, (measure, headings) in TABLES.items():
            if asked.only in (None, name):
                console.print(f"measuring: {name}")
                rows = measure(server, browser, SMALLEST if asked.smallest else FULL)
                print(f"\n{report.table(headings, rows)}", flush=True)


if __name__ == "__main__":
    main()
