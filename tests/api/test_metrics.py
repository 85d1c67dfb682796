"""What is counted, what is looked up at the scrape, and who may see it."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import httpx
import pytest
from flask import Flask
from prometheus_client.parser import text_string_to_metric_families

from jobs_server import create_app
from jobs_server.service import service_of

from ..conftest import inside
from ..support import databases, servers
from ..support.clocks import Clocks
from ..support.observatory import a_command
from ..support.processes import worker
from ..support.servers import ROOT

Figures = dict[tuple[str, frozenset[tuple[str, str]]], float]


def figures(app: Flask) -> Figures:
    scraped = app.test_client().get("/metrics")
    assert scraped.status_code == 200
    families = text_string_to_metric_families(scraped.text)
    return {(each.name, frozenset(each.labels.items())): each.value for family in families for each in family.samples}


def figure(app: Flask, name: str, **labels: str) -> float | None:
    return figures(app).get((name, frozenset(labels.items())))


def test_requests_are_counted_by_route_and_status(app: Flask) -> None:
    inside(app).sends()
    inside(app).asks(site=7)
    assert figure(app, "jobs_request_seconds_count", route="/jobs/newjob", method="POST", status="200") == 1
    assert figure(app, "jobs_request_seconds_count", route="/jobs/newjob", method="POST", status="400") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="there, one process serves")
def test_several_processes_of_a_server_count_together(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    settings = {"JOBS_WORKERS": "3", "JOBS_THREADS": "20", "TMPDIR": str(tmp_path / "tmp")}
    with servers.running("serve", tmp_path / "instance", settings) as server:

        def told() -> tuple[float, float]:
            return counted(server.url, "jobs_events_total", site="wmd", step="unread"), counted(
                server.url, "jobs_request_seconds_count", route="/jobs/newjob", method="POST", status="200"
            )

        for _ in range(12):  # each on a connection of its own, which any process may take
            assert (
                httpx.post(f"{server.url}/jobs/newjob", json=a_command(), trust_env=False, timeout=60).status_code
                == 200
            )
        assert [told() for _ in range(6)] == [(12, 12)] * 6
        os.kill(worker(server), signal.SIGKILL)
        assert httpx.post(f"{server.url}/jobs/newjob", json=a_command(), trust_env=False, timeout=60).status_code == 200
        assert [told() for _ in range(6)] == [(13, 13)] * 6
        assert counted(server.url, "jobs_in_step", site="wmd", step="waiting") == 13
    assert list((tmp_path / "tmp").glob("jobs-server-counts-*")) == []


def counted(url: str, name: str, **labels: str) -> float:
    scraped = httpx.get(f"{url}/metrics", trust_env=False, timeout=60).text
    samples = [each for family in text_string_to_metric_families(scraped) for each in family.samples]
    (value,) = [each.value for each in samples if (each.name, each.labels) == (name, labels)]
    return value


def test_methods_that_somebody_made_up_make_no_figures_of_their_own(app: Flask) -> None:
    for number in range(5):
        app.test_client().open("/jobs/newjob", method=f"MADE{number}")
        app.test_client().open("/nowhere", method=f"up{number}")
    methods = {dict(labels).get("method") for name, labels in figures(app) if name == "jobs_request_seconds_count"}
    assert methods == {"(other)"}
    made_up = [value for (name, labels), value in figures(app).items() if ("method", "(other)") in labels]
    assert 10 in made_up or made_up.count(5) >= 2


def test_a_jobs_steps_are_counted_and_what_is_under_way_is_told(app: Flask, clocks: Clocks) -> None:
    observatory = inside(app)
    job = observatory.sends()
    clocks.pass_by(20)
    assert figure(app, "jobs_in_step", site="wmd", step="waiting") == 1
    assert figure(app, "jobs_oldest_waiting_seconds", site="wmd") == 20
    observatory.polls()
    observatory.reports(job, "EXPOSING")
    assert figure(app, "jobs_in_step", site="wmd", step="waiting") is None
    assert figure(app, "jobs_in_step", site="wmd", step="running") == 1
    observatory.reports(job, "COMPLETE")
    for step in ("unread", "received", "running", "ended"):
        assert figure(app, "jobs_events_total", site="wmd", step=step) == 1, step


def test_a_replay_and_a_conflict_are_told(app: Flask) -> None:
    observatory = inside(app)
    job = observatory.sends()
    observatory.polls(claimId="one")
    observatory.polls(claimId="one")
    assert figure(app, "jobs_replays") == 1
    observatory.reports(job, "COMPLETE")
    observatory.reports(job, "FAILED")
    assert figure(app, "jobs_request_seconds_count", route="/jobs/updatejobstatus", method="POST", status="409") == 1


def test_a_silence_grows_until_the_site_asks_again(app: Flask, clocks: Clocks) -> None:
    inside(app).polls()
    clocks.pass_by(90)
    assert figure(app, "jobs_site_silence_seconds", site="wmd") == 90
    inside(app).polls()
    assert figure(app, "jobs_site_silence_seconds", site="wmd") == 0


def test_files_commits_and_streams_are_told(file_app: Flask) -> None:
    inside(file_app).sends()
    told = figures(file_app)
    assert told["jobs_database_bytes", frozenset({("file", "database")})] > 0
    assert told["jobs_commit_seconds_count", frozenset()] >= 1
    assert told["jobs_streams", frozenset()] == 0
    assert told["jobs_waiting_polls", frozenset()] == 0
    assert told["jobs_database_up", frozenset()] == 1


def test_made_up_sites_do_not_make_figures_without_end(app: Flask) -> None:
    for number in range(130):
        inside(app, site=f"s{number}").sends()
    sites = {dict(labels)["site"] for name, labels in figures(app) if name == "jobs_events_total"}
    assert len(sites) == 101
    assert "(others)" in sites


@pytest.mark.parametrize(
    ("address", "may"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("192.168.1.7", True),
        ("::ffff:10.0.0.5", True),
        ("fe80::1%eth0", True),
        ("203.0.113.9", False),
        ("2001:db8::1", False),
        ("", False),
    ],
)
def test_only_this_machine_and_private_networks_may_see_them(app: Flask, address: str, may: bool) -> None:
    scraped = app.test_client().get("/metrics", environ_base={"REMOTE_ADDR": address})
    assert scraped.status_code == (200 if may else 403)


def test_the_networks_are_a_setting() -> None:
    app = create_app({"TESTING": True, "DATABASE_URL": databases.fresh(), "METRICS_FROM": ("203.0.113.7/24",)})
    assert app.test_client().get("/metrics", environ_base={"REMOTE_ADDR": "203.0.113.9"}).status_code == 200
    assert app.test_client().get("/metrics").status_code == 403


def test_the_alert_rules_are_of_figures_that_there_are(file_app: Flask) -> None:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    inside(file_app).polls()
    inside(file_app).sends()
    (group,) = yaml.safe_load((ROOT / "deploy" / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    names = {name for name, _ in figures(file_app)} | {"up", "jobs_backup_age_seconds", "jobs_in_step"}
    for rule in group["rules"]:
        used = {word for word in metrics_in(rule["expr"]) if word.startswith("jobs_")}
        assert used <= names, rule["alert"]
        assert rule["annotations"]["summary"]


def metrics_in(expression: str) -> set[str]:
    import re

    return set(re.findall(r"[a-z_]+", re.sub(r'"[^"]*"', "", expression)))


def test_a_route_is_looked_up_once(app: Flask) -> None:
    inside(app).sends()
    before = dict(service_of(app).metrics._request_children)
    inside(app).sends()
    assert service_of(app).metrics._request_children == before
