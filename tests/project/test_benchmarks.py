"""The measurements run, so that they cannot rot; what they find is no matter of tests."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks import (
    agent_losses,
    agent_stops,
    cases,
    commands,
    history,
    live,
    load,
    many,
    pages,
    routes,
    stalled,
    start,
    wrk,
)
from benchmarks import servers as several
from benchmarks.checkouts import Checkout

from ..support import postgres
from ..support.programs import missing, needs
from ..support.servers import ROOT


def needs_peers(*modules: str) -> None:
    """Skip the test where one of the packages that are measured is missing; fail it when JOBS_TEST_ALL=1."""
    for module in modules:
        if find_spec(module) is None:
            missing(f"{module} is not installed: pip install '.[benchmarks]'")


@pytest.mark.skipif(sys.platform == "win32", reason="gunicorn, which is measured, does not run on Windows")
def test_each_route_is_measured_beside_the_floor() -> None:
    command = [sys.executable, "-m", "benchmarks.routes", "--smallest", "--loader", "python"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "A loop in Python sent the requests" in done.stdout
    rows = [line.split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")][2:]
    measured = [(row[0].removeprefix("| "), int(row[1])) for row in rows]
    assert measured == [(case.name, connections) for case in cases.CASES for connections in routes.CONNECTIONS]
    assert all(float(row[2]) > 0 for row in rows)


@pytest.mark.parametrize("connections", [1, 16, 40])
def test_wrk_sends_each_request_once(bodies: list[bytes], url: str, connections: int) -> None:
    needs("wrk")
    sent = [load.post("/", b"%d" % number) for number in range(40)]
    run = wrk.drive(int(url.rpartition(":")[2]), sent, connections)
    assert sorted(bodies) == sorted(b"%d" % number for number in range(40))
    assert (bodies[-1], run.body, run.count) == (b"39", b"39", 39)
    assert len(run.latencies_ns) >= 39
    assert min(run.seconds, run.client_seconds, run.requests_a_second) > 0


def test_wrk_takes_no_error_for_an_answer(bodies: list[bytes], url: str) -> None:
    needs("wrk")
    with pytest.raises(AssertionError, match="'errors': 1"):
        wrk.drive(int(url.rpartition(":")[2]), [load.post("/", each) for each in (b"1", b"fail", b"2", b"3")], 2)
    assert b"fail" in bodies


@pytest.fixture
def bodies() -> list[bytes]:
    return []


@pytest.fixture
def url(bodies: list[bytes]) -> Iterator[str]:
    """Start a server that keeps the bodies and sends them back."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            bodies.append(body)
            self.send_response(500 if body == b"fail" else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Write nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a process takes")
def test_a_route_is_measured_beside_another_checkout() -> None:
    command = [sys.executable, "-m", "benchmarks.routes", "--against", str(ROOT), "--python", sys.executable]
    options = ["--smallest", "--only", "getnewjobs, 5", "--rounds", "6", "--target", "0.9"]
    done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")]
    assert rows[0][5] == "0.90 is met"
    for connections, row in zip(("1", "16"), rows[2:], strict=True):
        assert row[:3] == ["getnewjobs, 5 jobs", connections, "6"]
        low, high = map(float, row[4].split(" to "))
        assert 0 < low <= float(row[3]) <= high
        assert float(row[6]) > 0, "no processor time was seen"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a process takes")
def test_a_page_is_measured_beside_another_checkout() -> None:
    command = [sys.executable, "-m", "benchmarks.routes", "--pages", "--against", str(ROOT), "--python", sys.executable]
    options = ["--smallest", "--only", "Send, a slew", "--rounds", "6", "--connections", "1"]
    done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")]
    assert [row[:3] for row in rows[2:]] == [["Send, a slew", "1", "6"]]


def test_a_checkout_is_refused_whose_python_serves_another(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="is missing"):
        Checkout(tmp_path, tmp_path / "python").check()
    with pytest.raises(SystemExit, match=r"takes jobs_server from .*, not from "):
        Checkout(tmp_path, Path(sys.executable)).check()


@pytest.mark.skipif(sys.platform == "win32", reason="gunicorn, which is measured, does not run on Windows")
def test_waiting_and_watching_are_measured() -> None:
    command = [sys.executable, "-m", "benchmarks.live", "--smallest"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    tables = [block for block in done.stdout.split("\n\n") if block.startswith("| ")]
    assert len(tables) == len(live.TABLES)
    assert "| 2 | 10 | 0 / 0 |" in tables[1], "a viewer missed something"
    assert "| 150 | 0 / 0 |" in tables[3], "a viewer missed something"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a process takes")
def test_what_the_companion_costs_is_measured() -> None:
    command = [sys.executable, "-m", "benchmarks.companion", "--smallest"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")][2:]
    assert len(rows) == 9
    assert all(float(row[1]) > 0 for row in rows[:7])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a process takes")
def test_what_the_state_of_devices_costs_is_measured() -> None:
    command = [sys.executable, "-m", "benchmarks.devices", "--smallest"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")][2:]
    assert len(rows) == 5
    assert float(rows[0][1]) > 0
    assert all(float(row[1]) > 0 for row in rows[3:])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a process holds")
def test_what_large_jobs_and_slow_readers_take_is_measured() -> None:
    command = [sys.executable, "-m", "benchmarks.memory", "--smallest"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    row = done.stdout.splitlines()[-1].strip("| ").split(" | ")
    assert (row[0], row[4:6]) == ("new", ["12", "12"]), "somebody missed a job"


@pytest.mark.skipif(sys.platform != "linux", reason="processes compare their times by Linux' one monotonic clock")
def test_the_site_agent_is_measured() -> None:
    command = [sys.executable, "-m", "benchmarks.agent", "--smallest"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stderr
    assert "Libraries: skipped" in done.stdout
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")]
    stops, losses, frames = rows[2:8], rows[10:12], rows[14:]
    assert [row[:3] for row in stops] == [
        [way, beside, "1"] for beside in agent_stops.BESIDE for way in agent_stops.WAYS
    ]
    assert [row[0] for row in losses] == list(agent_losses.KINDS)
    assert all("is gone" in row[6] or "is not there" in row[6] for row in losses)
    assert [row[0] for row in frames] == ["the agent, INDI", "a bare copy, astropy", "the agent, Alpaca"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a process takes")
def test_starts_are_measured() -> None:
    command = [sys.executable, "-m", "benchmarks.start", "--smallest", "--against", str(ROOT)]
    command += ["--python", sys.executable]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stderr
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")][2:]
    assert [tuple(row[:2]) for row in rows] == [(name, first) for name in start.SERVERS for first in ("a poll", "Now")]
    for column in (2, 5, 8, 9):
        assert all(float(each) > 0 for row in rows for each in row[column].split(" / "))


def test_what_counting_costs_is_measured() -> None:
    needs_peers("flask_limiter")
    from benchmarks import limiter

    assert set(limiter.measure(rounds=1, requests=3)) == set(limiter.APPS)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a process holds")
def test_long_histories_are_measured() -> None:
    command = [sys.executable, "-m", "benchmarks.history", "--smallest"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    speed, sizes = [block.strip().splitlines()[2:] for block in done.stdout.split("\n\n")[1:]]
    assert len(speed) == len(history.cases("2026-11-24"))
    assert [row.split(" | ")[0] for row in sizes] == ["| 300", "| 600"]
    assert "60 in" in sizes[0], "not all of a site's jobs came"


@pytest.mark.skipif(sys.platform == "win32", reason="the servers of some queues are started on Linux and macOS only")
def test_the_operations_are_measured_beside_other_queues() -> None:
    needs_peers("huey", "litequeue", "persistqueue", "procrastinate", "redis", "rq")
    from benchmarks import kills, stores

    for program, package in (("initdb", "postgresql"), ("redis-server", "redis-server")):
        if stores.find(program) is None:
            missing(f"{program} is not installed (Debian: apt install {package})")
    command = [sys.executable, "-m", "benchmarks.peers", "--smallest"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stderr
    blocks = [block.strip().splitlines()[2:] for block in done.stdout.split("\n\n") if block.startswith("| ")]
    promises, without_history, with_history, latencies, deaths = blocks
    peers = len(kills.QUEUES) - 1
    assert len(promises) == len(deaths) == peers + 1
    assert len(without_history) == len(with_history) == 2 * 2 * peers
    assert len(latencies) == sum(1 + kind.keeps for kind in kills.QUEUES)
    name, _jobs, killed, *_, doubled, _left, lost = deaths[0].strip("| ").split(" | ")
    assert (name, killed, doubled, lost) == ("jobs_server", "1", "0", "0")


@pytest.mark.skipif(sys.platform == "win32", reason="gunicorn, which is measured, does not run on Windows")
def test_the_pages_are_measured() -> None:
    needs("chromium")
    command = [sys.executable, "-m", "benchmarks.pages", "--smallest"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    tables = [block for block in done.stdout.split("\n\n") if block.startswith("| ")]
    assert len(tables) == len(pages.TABLES)
    now = next(line for line in tables[0].splitlines() if line.startswith("| Now |"))
    assert float(now.split(" | ")[4]) < 110, "200 jobs and the sky make a page of more than 110 kB"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a process takes")
def test_more_servers_on_one_postgresql_are_measured() -> None:
    postgres.program("initdb")
    needs("nginx")
    command = [sys.executable, "-m", "benchmarks.servers", "--smallest"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")][2:]
    measured = [(row[0], int(row[1])) for row in rows]
    assert measured == [(case.name, count) for case in several.CASES for count in several.COUNTS]
    assert all(float(row[2]) > 0 for row in rows)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a process takes")
def test_many_observatories_on_one_postgresql_are_measured() -> None:
    postgres.program("initdb")
    command = [sys.executable, "-m", "benchmarks.many", "--smallest"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    stages, steps = [block.strip().splitlines()[2:] for block in done.stdout.split("\n\n")[1:]]
    assert len(stages) == 3
    (step,) = (line.strip("| ").split(" | ") for line in steps)
    jobs = round(many.SMALLEST.rate * many.SMALLEST.seconds)
    assert step[:2] == [f"{many.SMALLEST.rate:g}", str(jobs)]
    assert step[4:6] == ["0 / 0", "0 / 0"], "a viewer missed something, or a job was handed over twice"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell what a process that ended has taken")
def test_commands_are_measured_beside_another_checkout() -> None:
    command = [sys.executable, "-m", "benchmarks.commands", "--against", str(ROOT), "--python", sys.executable]
    options = ["--smallest", "--only=--help", "--only", "jobs list"]
    done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")]
    measured = {row[0]: row[1:] for row in rows if len(row) > 1 and row[0] not in ("---", "command")}
    assert set(measured) == {*commands.FLOOR, "--help", "jobs list"}
    assert all(float(figure) > 0 for row in measured.values() for figure in row[:3])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all addresses of 127.0.0.0/8")
@pytest.mark.parametrize("server", stalled.SERVERS)
def test_stops_are_measured_beside_slow_clients(server: str) -> None:
    command = [sys.executable, "-m", "benchmarks.stalled", "--smallest", "--server", server]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in done.stdout.splitlines() if "│" in line]
    assert [(row[0], row[3], row[4]) for row in rows] == [(kind, "3", "0") for kind in stalled.KINDS]
