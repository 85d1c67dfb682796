"""`flask demo` shows it all at once, in a folder that goes when the demo ends, whatever ends it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import httpx
import pytest
from click.testing import CliRunner

from ..support import servers
from ..support.waiting import until

FLASK = (sys.executable, "-m", "flask", "--app", "jobs_server", "demo")
JOBS_SERVER = (sys.executable, "-m", "jobs_server", "demo")


class Demo:
    """A demo that runs in a temporary folder of the test's."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes], port: int) -> None:
        self.folder, self.process, self.url = folder, process, f"http://127.0.0.1:{port}"

    @property
    def said(self) -> str:
        """What it has printed."""
        return (self.folder / "said").read_text(encoding="utf-8", errors="replace")

    @property
    def left(self) -> list[str]:
        """Which folders of it there are."""
        return [each.name for each in (self.folder / "tmp").iterdir()]

    def jobs(self) -> list[dict[str, object]]:
        """The jobs of its site."""
        answer = httpx.post(f"{self.url}/jobs/getrecentjobs", json={"site": "demo"}, trust_env=False, timeout=60)
        found: list[dict[str, object]] = answer.json()
        return found


@pytest.fixture(autouse=True)
def environment_of_the_tests() -> Iterator[None]:
    """Give back what a demo in this process takes out of the environment."""
    with patch.dict(os.environ):
        yield


@contextmanager
def running(
    folder: Path, *options: str, command: tuple[str, ...] = FLASK, settings: Mapping[str, str] | None = None
) -> Iterator[Demo]:
    port = servers.free_port()
    (folder / "tmp").mkdir()
    environment = servers.environment(folder / "instance", settings) | {"TMPDIR": str(folder / "tmp")}
    environment = {name: value for name, value in environment.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(
            [*command, "--port", str(port), "--speed", "60", *options],
            cwd=servers.ROOT,
            env=environment,
            stdout=said,
            stderr=said,
        )
    demo = Demo(folder, process, port)
    try:
        servers.until_it_answers(demo.url, process, folder / "said")
        yield demo
    finally:
        process.kill()
        process.wait(60)


@pytest.mark.parametrize("command", [FLASK, JOBS_SERVER], ids=["flask", "jobs-server"])
def test_the_demo_has_a_server_with_an_evening_and_an_observatory_that_works_on(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    with running(tmp_path, "--no-browser", command=command) as demo:
        until(lambda: any(str(job["statusId"]).startswith("EXPOSING") for job in demo.jobs()))
        page = httpx.get(f"{demo.url}/?site=demo", trust_env=False, timeout=60)
        assert page.status_code == 200
        assert "Last picture" in page.text
        states = httpx.get(f"{demo.url}/jobs/devicestate?site=demo", trust_env=False, timeout=60).json()
        assert "camera/camera_1_1" in states["devices"]
        assert re.search(r"The pages are at http://127\.0\.0\.1:\d+/", demo.said)
        program = "flask" if command is FLASK else "jobs-server"
        assert f"open it to the LAN with: {program} demo --host 0.0.0.0" in demo.said
        assert not (tmp_path / "instance").exists()


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_nothing_of_a_demo_is_left_whichever_way_it_is_ended(tmp_path: Path, end: signal.Signals) -> None:
    with running(tmp_path, "--no-browser") as demo:
        assert demo.left
        demo.process.send_signal(end)
        assert demo.process.wait(60) == 0, demo.said
        assert demo.left == []
        assert "Traceback" not in demo.said


def test_the_next_demo_deletes_the_folder_of_one_that_was_killed_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A demo that was killed left its folder for ever."""
    from jobs_server.cli import demo as command

    with running(tmp_path, "--no-browser") as killed:
        [left] = killed.left
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    for name in ("jobs-demo-of-another-program", "photos"):
        (tmp_path / "tmp" / name).mkdir()
        (tmp_path / "tmp" / name / "jobs.db").touch()
    with command._folder() as made:
        assert sorted(killed.left) == sorted([made.name, "jobs-demo-of-another-program", "photos"])
        assert made.name != left
    assert sorted(killed.left) == ["jobs-demo-of-another-program", "photos"]


def test_no_demo_deletes_the_folder_of_one_that_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from jobs_server.cli import demo as command

    with running(tmp_path, "--no-browser") as other:
        [folder] = other.left
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
        with command._folder():
            assert folder in other.left
        assert other.left == [folder]
        assert len(other.jobs()) > 0


def test_no_setting_of_the_pc_reaches_a_demo(tmp_path: Path) -> None:
    elsewhere = {
        "JOBS_DATABASE_URL": f"sqlite:///{tmp_path}/mine.db",
        "JOBS_SITES": "wmd",
        "JOBS_SITE_TOKENS": "required",
    }
    with running(tmp_path, "--no-browser", settings=elsewhere) as demo:
        until(lambda: len(demo.jobs()) > 0)
        assert not (tmp_path / "mine.db").exists()


def test_a_demo_opens_the_browser_where_there_is_one(tmp_path: Path) -> None:
    browser, opened = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}.new && mv {opened}.new {opened}\n', encoding="utf-8")
    browser.chmod(0o755)
    with running(tmp_path, settings={"BROWSER": f"{browser} %s"}) as demo:
        until(opened.exists)
        assert opened.read_text(encoding="utf-8").strip().startswith(demo.url)


def test_a_busy_port_is_said_in_words_where_it_was_asked_for(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        environment = servers.environment(tmp_path / "instance") | {"TMPDIR": str(tmp_path)}
        ended = subprocess.run(
            [*FLASK, "--no-browser", "--port", port],
            cwd=servers.ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
    assert ended.returncode == 1
    assert f"port {port} is taken by another program" in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_demo_that_finds_no_folder_for_itself_says_so_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing can be written, it ended in a traceback."""
    from jobs_server.cli import demo

    def refuse(**_options: object) -> None:
        raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(demo, "TemporaryDirectory", refuse)
    ended = CliRunner().invoke(demo.demo, ["--no-browser", "--port", str(servers.free_port())])
    assert ended.exit_code == 1
    assert ended.output.startswith("Error: no folder for it can be made here: No usable temporary directory")
    assert "TMPDIR" in ended.output


def test_a_demo_whose_disk_is_full_says_so_in_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from jobs_server.cli import demo
    from jobs_server.errors import DatabaseUnavailable

    def refuse(*_given: object, **_options: object) -> None:
        raise DatabaseUnavailable("the disk is full")

    monkeypatch.setattr(demo, "_run", refuse)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ended = CliRunner().invoke(demo.demo, ["--no-browser", "--port", str(servers.free_port())])
    assert ended.exit_code == 1
    assert "the disk is full" in ended.output
    assert list(tmp_path.iterdir()) == []


def test_another_port_is_taken_where_none_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from jobs_server.cli import demo

    with socket.create_server(("127.0.0.1", 0)) as taken:
        busy, free = taken.getsockname()[1], servers.free_port()
        monkeypatch.setattr(demo, "_PORTS", (busy, free))
        assert demo._free_port("127.0.0.1", None) == free
    assert f"Port {busy} is taken by another program; port {free} is free." in capsys.readouterr().err
