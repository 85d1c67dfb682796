"""`flask serve` runs the server for every day, and says in one sentence why it cannot."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from ..conftest import over_http
from ..support import servers


@pytest.mark.parametrize("kind", ["serve", "serve-waitress"])
def test_it_serves(kind: str, tmp_path: Path) -> None:
    with servers.running(kind, tmp_path / "instance") as server, httpx.Client(trust_env=False, timeout=60) as client:
        job = over_http(server.url, client).sends()
        assert over_http(server.url, client).polls() == [job]


@pytest.mark.sqlite("more than one process serves PostgreSQL")
def test_on_linux_it_becomes_gunicorn_with_one_process_and_the_threads_that_are_set(tmp_path: Path) -> None:
    settings = {"JOBS_THREADS": "7"}
    with servers.running("serve", tmp_path / "instance", settings) as server:
        said = server.log.read_text(encoding="utf-8")
    assert f"Listening at: {server.url} ({server.process.pid})" in said  # the very process that was started
    assert "Using worker: WholeRequestWorker" in said
    assert said.count("Booting worker") == 1


def test_gunicorn_started_by_hand_takes_the_same_settings(tmp_path: Path) -> None:
    port = servers.free_port()
    command = [sys.executable, "-m", "gunicorn", "--config", "deploy/gunicorn.conf.py", "wsgi:app"]
    environment = servers.environment(tmp_path, {"JOBS_PORT": str(port)})
    server = servers.launch(command, port, servers.ROOT, environment, tmp_path / "log")
    with servers.stopped_at_the_end(server), httpx.Client(trust_env=False, timeout=60) as client:
        assert over_http(server.url, client).sends()


def test_a_stop_ends_it_at_once_and_cleanly(tmp_path: Path) -> None:
    with servers.running("serve", tmp_path / "instance") as server:
        server.process.terminate()
        assert server.process.wait(servers.STOP_SECONDS) == 0


@pytest.mark.parametrize("kind", ["gunicorn", "waitress"])
def test_a_port_that_is_taken_is_one_sentence(kind: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        ended = serve(tmp_path, "--server", kind, "--port", str(other.getsockname()[1]))
    assert ended.returncode == 1
    assert "is taken by another program" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_address_of_another_machine_is_one_sentence(tmp_path: Path) -> None:
    ended = serve(tmp_path, "--host", "192.0.2.1", "--port", str(servers.free_port()))
    assert ended.returncode == 1
    assert "192.0.2.1" in ended.stderr
    assert "choose this PC's address with --host" in ended.stderr


def test_a_wrong_setting_ends_gunicorn_in_one_sentence(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gunicorn", "--config", "deploy/gunicorn.conf.py", "wsgi:app"]
    ended = run(command, tmp_path, JOBS_THREADS="many")
    assert ended.returncode == 3
    assert ended.stderr.splitlines()[0].startswith("Error: JOBS_THREADS")
    assert "Traceback" not in ended.stderr


def serve(instance: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run([sys.executable, "-m", "flask", "--app", "jobs_server", "serve", *arguments], instance)


def run(command: Sequence[str], instance: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = servers.environment(instance, settings)
    return subprocess.run(
        command, cwd=servers.ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
