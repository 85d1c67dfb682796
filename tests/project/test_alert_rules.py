"""The rules of `deploy/alerts.yml`, as Prometheus' own promtool reads and runs them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from ..support.programs import needs
from ..support.servers import ROOT

RULES = ROOT / "deploy" / "alerts.yml"

# By alert: figures as promtool writes them, a value a minute ("a+bxn": n more, each by b), and when to look.
FIRES: dict[str, tuple[dict[str, str], str]] = {
    "JobsServerDown": ({'up{job="jobs_server"}': "0x10"}, "2m"),
    "JobsDatabaseDown": ({"jobs_database_up": "0x10"}, "2m"),
    "SiteSilentWithWork": (
        {'jobs_site_silence_seconds{site="wmd"}': "90+60x10", 'jobs_in_step{site="wmd",step="waiting"}': "2x10"},
        "2m",
    ),
    "JobWaitsLong": ({'jobs_oldest_waiting_seconds{site="wmd"}': "301+60x10"}, "3m"),
    "JobLost": ({'jobs_events_total{site="wmd",step="lost"}': "0 0 1x10"}, "4m"),
    "JobsServerFails": ({'jobs_request_seconds_count{status="503"}': "0+10x30"}, "15m"),
    "CommitsSlow": (
        {'jobs_commit_seconds_bucket{le="0.5"}': "0x60", 'jobs_commit_seconds_bucket{le="1.0"}': "0+10x60",
         'jobs_commit_seconds_bucket{le="+Inf"}': "0+10x60"},
        "40m",
    ),
    "BackupOld": ({"jobs_backup_age_seconds": "180000x10"}, "1m"),
}  # fmt: skip
QUIET: dict[str, str] = {
    'up{job="jobs_server"}': "1x60",
    "jobs_database_up": "1x60",
    'jobs_site_silence_seconds{site="wmd"}': "90+60x60",  # silent, and nothing waits there
    'jobs_in_step{site="wmd",step="waiting"}': "0x60",
    'jobs_site_silence_seconds{site="mrc1"}': "1x60",  # not silent, and something waits
    'jobs_in_step{site="mrc1",step="waiting"}': "3x60",
    'jobs_oldest_waiting_seconds{site="mrc1"}': "100x60",
    'jobs_events_total{site="wmd",step="lost"}': "5x60",
    'jobs_request_seconds_count{status="200"}': "0+100x60",
    'jobs_request_seconds_count{status="404"}': "0+10x60",
    'jobs_commit_seconds_bucket{le="0.5"}': "0+10x60",
    'jobs_commit_seconds_bucket{le="+Inf"}': "0+10x60",
    "jobs_backup_age_seconds": "90000x60",
}


def test_prometheus_takes_them() -> None:
    checked = promtool("check", "rules", str(RULES))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "8 rules found" in checked.stdout


def test_each_rule_is_tried_out() -> None:
    named = [
        line.split(":")[1].strip() for line in RULES.read_text(encoding="utf-8").splitlines() if "- alert:" in line
    ]
    assert named == list(FIRES)


@pytest.mark.parametrize("alert", FIRES)
def test_it_fires_when_it_should(tmp_path: Path, alert: str) -> None:
    figures, at = FIRES[alert]
    assert fires(tmp_path, alert, figures, at)


@pytest.mark.parametrize("alert", FIRES)
def test_it_is_quiet_when_all_is_well(tmp_path: Path, alert: str) -> None:
    assert not fires(tmp_path, alert, QUIET, "40m")


def fires(folder: Path, alert: str, figures: dict[str, str], at: str) -> bool:
    """Whether an alert is in force at a time: promtool fails a test that expects none where there is one."""
    series = [{"series": name, "values": values} for name, values in figures.items()]
    nothing = {"alertname": alert, "eval_time": at, "exp_alerts": list[object]()}
    tests = [{"interval": "1m", "input_series": series, "alert_rule_test": [nothing]}]
    file = folder / "tests.json"
    file.write_text(json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "30s", "tests": tests}))
    tried = promtool("test", "rules", str(file))
    if tried.returncode == 0:
        return False
    assert f"alertname: {alert}, time: {at}" in tried.stdout + tried.stderr, tried.stdout + tried.stderr
    return True


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([needs("promtool"), *arguments], capture_output=True, text=True, timeout=60, check=False)
