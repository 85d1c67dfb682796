"""The pretend observatory: it carries jobs out as a real one would, and obeys a stop at once."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask import Flask
from rich.console import Console

from jobs_server.cli.screen import Screen
from jobs_server.client import Job, SiteClient, may_run_beside

from ..support import servers
from ..support.simulation import Simulation, simulated
from ..support.waiting import until

WHO: dict[str, Any] = {"user_name": "Vera", "user_id": "auth0|vera"}
_sites = count()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    with servers.running("gunicorn", tmp_path_factory.mktemp("service")) as server:
        yield server


@pytest.fixture
def client(service: servers.Server) -> Iterator[SiteClient]:
    with SiteClient(service.url, f"site{next(_sites)}") as client:
        yield client


@pytest.fixture(params=["claims", "legacy"])
def simulation(request: pytest.FixtureRequest, client: SiteClient, tmp_path: Path) -> Iterator[Simulation]:
    """An observatory that takes its jobs either way."""
    way = ["--legacy"] if request.param == "legacy" else []
    with simulated(client.url, client.site, tmp_path, "--speed", "20", *way) as simulation:
        yield simulation


def exposes(client: SiteClient, seconds: float, frames: int = 1, instance: str = "camera_1_1") -> Job:
    return client.submit("camera", instance, "expose", {"time": seconds}, {"count": frames}, **WHO)


def told(client: SiteClient, job: Job) -> list[str]:
    return [event.after for event in client.get(job).history if not event.alternate_queue and event.mark is None]


def ends_as(client: SiteClient, job: Job, status: str) -> str | None:
    until(lambda: client.get(job).status == status)
    return client.get(job).history[-1].message


def test_an_exposure_is_told_step_by_step(client: SiteClient, simulation: Simulation) -> None:
    job = exposes(client, 4, frames=2)
    ends_as(client, job, "COMPLETE")
    assert told(client, job) == [
        *("UNREAD", "RECEIVED", "STARTED", "EXPOSING 1/2", "READING OUT 1/2"),
        *("EXPOSING 2/2", "READING OUT 2/2", "COMPLETE"),
    ]
    estimates = [event.seconds_until_complete for event in client.get(job).history if "EXPOSING" in event.after]
    assert estimates == [1, 1]
    assert "EXPOSING 2/2" in simulation.text()


def test_a_stop_ends_an_exposure_at_once(client: SiteClient, simulation: Simulation) -> None:
    job = exposes(client, 36000)
    until(lambda: client.get(job).status == "EXPOSING")
    stop = client.submit("camera", "camera_1_1", "stop", **WHO)
    ends_as(client, job, "CANCELED")
    ends_as(client, stop, "COMPLETE")
    assert simulation.process.poll() is None


def test_a_cancel_ends_a_running_job(client: SiteClient, tmp_path: Path) -> None:
    with simulated(client.url, client.site, tmp_path):
        job = exposes(client, 36000)
        until(lambda: client.get(job).status == "EXPOSING")
        client.cancel(job, **WHO)
        ends_as(client, job, "CANCELED")


def test_what_a_device_cannot_do_fails_with_the_reason(client: SiteClient, simulation: Simulation) -> None:
    job = client.submit("mount", "mount1", "go", {"ra": "empty", "dec": "empty"}, **WHO)
    assert ends_as(client, job, "FAILED") == "dec must be a number, not 'empty'"
    assert "Traceback" not in simulation.text()


def test_a_right_ascension_of_1e308_fails_with_its_key(client: SiteClient, simulation: Simulation) -> None:
    """RA `1e308`: the simulator ends in "math domain error"."""
    job = client.submit("mount", "mount1", "go", {"ra": 1e308, "dec": 0}, **WHO)
    assert ends_as(client, job, "FAILED") == "ra must be from 0 to 24, not 1e+308"
    assert "Traceback" not in simulation.text()


def test_faults_fail_or_fall_silent(client: SiteClient, tmp_path: Path) -> None:
    jobs = [exposes(client, 1, instance=f"camera{number}") for number in range(12)]
    with simulated(client.url, client.site, tmp_path, "--speed", "1000", "--faults", "1", "--seed", "7") as simulation:
        until(lambda: simulation.text().count("pretended") >= len(jobs))
    ended = {client.get(job).status for job in jobs}
    assert "COMPLETE" not in ended
    assert {"FAILED"} < ended


def test_ctrl_c_leaves_no_job_without_an_end(client: SiteClient, tmp_path: Path) -> None:
    with simulated(client.url, client.site, tmp_path) as simulation:
        job = exposes(client, 36000)
        until(lambda: client.get(job).status == "EXPOSING")
        assert simulation.end() == 0
        assert "Ended." in simulation.text()
        assert client.get(job).status == "FAILED"


def test_it_waits_for_a_service_that_is_not_there_yet(tmp_path: Path) -> None:
    port = servers.free_port()
    with simulated(f"http://127.0.0.1:{port}", "wmd", tmp_path) as simulation:
        until(lambda: "no jobs can be had, trying again" in simulation.text())
        server = servers.start("gunicorn", tmp_path / "instance", port=port)
        with servers.stopped_at_the_end(server), SiteClient(server.url, "wmd") as client:
            ends_as(client, exposes(client, 0), "COMPLETE")


def test_names_cannot_command_the_terminal(monkeypatch: pytest.MonkeyPatch, client: SiteClient) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    console = Console(file=io.StringIO(), force_terminal=True, width=200)
    job = client.submit("camera\x1b[2J", "[/red] [bold", "expose", **WHO)
    with Screen(console) as screen:
        screen.begin(job, 5)
        screen.go_on(job, "[/nothing] \x1b[2J", 3)
        screen.end(job, "FAILED", "[/x]\x1b[2J")
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert "[/red] [bold" in said
    assert "━" in said, "no progress bar"
    assert "\x1b[2J" not in said


def test_the_site_must_be_named(app: Flask) -> None:
    result = CliRunner().invoke(app.cli, ["simulate"], obj=None)
    assert result.exit_code == 2
    assert re.search("name the site to play", result.output)


@pytest.mark.parametrize(
    ("device", "other", "may"),
    [
        ("mount", "focuser", True),
        ("camera", "mount", False),
        ("mount", "camera", False),
        ("camera", "camera", True),
        ("sequencer", "camera", False),
        ("filter_wheel", "sequencer", False),
        ("enclosure", "sequencer", True),
        ("screen", "camera", True),
        ("all", "obs", False),
        ("toaster", "camera", True),
    ],
)
def test_what_may_go_on_at_the_same_time(client: SiteClient, device: str, other: str, may: bool) -> None:
    jobs = [client.submit(each, f"{each}{number}", "x", **WHO) for number, each in enumerate((other, device))]
    assert may_run_beside(jobs[1], jobs[0]) is may
    assert not may_run_beside(jobs[0], jobs[0])
