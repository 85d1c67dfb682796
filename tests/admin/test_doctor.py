"""The doctor names what is wrong and what to do, and mends only what is safe to mend."""

from __future__ import annotations

import json
import socket
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from flask import Flask

from jobs_server import create_app
from jobs_server.admin import doctor
from jobs_server.admin.installation import Installation
from jobs_server.config import Loaded
from jobs_server.service import service_of
from jobs_server.storage import migrations, network_share
from jobs_server.storage.database import Database
from jobs_server.upkeep import startup
from jobs_server.upkeep.findings import Grade

from ..conftest import inside, over_http
from ..jobs.test_remote_calendar import a_calendar
from ..support import issuers, servers
from ..support.clocks import HOUR, Clocks
from ..support.waiting import until

pytestmark = pytest.mark.sqlite("a file, its disk and its backups; see test_doctor_postgresql")

Findings = dict[str, dict[str, Any]]


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> int:
    """A port on which nobody listens, which the settings name."""
    found = servers.free_port()
    monkeypatch.setenv("JOBS_PORT", str(found))
    return found


@pytest.fixture
def app(port: int, tmp_path: Path) -> Flask:
    made = create_app({"TESTING": True, "INSTANCE": str(tmp_path / "instance")})
    startup.prepare(made)
    return made


def consult(app: Flask, *options: str) -> tuple[int, Findings]:
    """Ask the doctor; of several findings about one thing, keep the worst."""
    ended = app.test_cli_runner().invoke(args=["doctor", "--json", *options])
    rows = json.loads(ended.output)
    order = ["good", "note", "bad"]
    return ended.exit_code, {row["about"]: row for row in sorted(rows, key=lambda row: order.index(row["grade"]))}


def test_all_is_well(app: Flask) -> None:
    inside(app).sends()
    code, found = consult(app)
    assert code == 0
    assert {row["grade"] for row in found.values()} <= {"good", "note"}
    for about in ("settings", "disk", "permissions", "database", "integrity", "clock", "indexes"):
        assert found[about]["grade"] == "good", found[about]
    assert "1 jobs with 1 events" in found["integrity"]["sentence"]


def test_people_read_it_in_sentences(app: Flask) -> None:
    told = app.test_cli_runner().invoke(args=["doctor"])
    assert "Its tables are this version's" in told.output
    assert "--fix does this" in told.output  # there is no backup yet


def test_nothing_there_yet_is_no_fault_and_can_be_mended(port: int, tmp_path: Path) -> None:
    app = create_app({"INSTANCE": str(tmp_path / "new")})
    code, found = consult(app)
    assert (code, found["database"]["grade"]) == (0, "note")
    assert not (tmp_path / "new").exists()
    _, found = consult(app, "--fix")
    assert found["database"]["done"]
    assert inside(app).sends()


def test_a_database_behind_this_version_is_bad_and_mended(app: Flask) -> None:
    from alembic import command

    with app.app_context():
        command.downgrade(migrations.alembic_config(service_of(app).database), "-1")
    database(app).close()
    code, found = consult(app)
    assert (code, found["database"]["grade"]) == (1, "bad")
    code, found = consult(app, "--fix")
    assert "prepared" in found["database"]["done"]
    assert consult(app)[1]["database"]["grade"] == "good"


def test_a_missing_index_is_bad_since_polls_would_be_slow(app: Flask) -> None:
    with database(app).engine.begin() as connection:
        connection.exec_driver_sql("DROP INDEX ix_job_waiting")
    code, found = consult(app)
    assert (code, found["indexes"]["grade"]) == (1, "bad")
    assert "ix_job_waiting" in found["indexes"]["sentence"]


def test_indexes_are_built_anew_when_it_may_mend(app: Flask) -> None:
    with database(app).engine.begin() as connection:
        for index in ("ix_job_waiting", "ix_job_replica_waiting", "ix_job_event_job_id"):
            connection.exec_driver_sql(f"DROP INDEX IF EXISTS {index}")
    inside(app).sends()
    code, found = consult(app, "--fix")
    assert (code, found["indexes"]["done"]) == (0, "the indexes were built anew.")
    assert consult(app)[1]["indexes"]["grade"] == "good"
    assert indexes_of(app) == indexes_of(create_app({"DATABASE_URL": "sqlite://"}))
    assert len(inside(app).polls()) == 1


def test_statistics_that_mislead_the_planner_are_forgotten_when_it_may_mend(app: Flask) -> None:
    with database(app).engine.begin() as connection:
        connection.exec_driver_sql("ANALYZE")
        connection.exec_driver_sql("INSERT INTO sqlite_stat1 VALUES ('job', 'ix_job_waiting', '9000000 9000000')")
        connection.exec_driver_sql("DROP INDEX ix_job_waiting")
    assert consult(app, "--fix")[1]["indexes"]["done"]
    with database(app).engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM sqlite_stat1").scalar_one() == 0


def indexes_of(app: Flask) -> set[str]:
    names = "SELECT sql FROM sqlite_master WHERE type = 'index' AND tbl_name IN ('job', 'job_event') AND sql NOT NULL"
    with database(app).engine.connect() as connection:
        return {" ".join(str(row[0]).replace('"', "").split()) for row in connection.exec_driver_sql(names)}


def test_a_damaged_file_is_bad_and_restore_is_named(app: Flask, tmp_path: Path) -> None:
    observatory = inside(app)
    for _ in range(200):
        observatory.sends()
    with database(app).engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database(app).close()
    path = tmp_path / "instance" / "jobs.db"
    content = bytearray(path.read_bytes())
    content[len(content) // 2 :] = b"\xff" * (len(content) - len(content) // 2)
    path.write_bytes(content)
    code, found = consult(app)
    assert code == 1
    assert found["integrity"]["grade"] == "bad"
    assert "restore" in found["integrity"]["sentence"]


def test_a_clock_that_was_set_back_is_bad(app: Flask, clocks: Clocks) -> None:
    finds_a_clock_set_back(app, clocks)


def finds_a_clock_set_back(app: Flask, clocks: Clocks) -> None:
    inside(app).sends()
    clocks.set_wall(-3 * HOUR)
    code, found = consult(app)
    assert (code, found["clock"]["grade"]) == (1, "bad")
    assert "3:00:00 in the future" in found["clock"]["sentence"]


def test_a_backup_is_made_when_it_may_mend(app: Flask, tmp_path: Path) -> None:
    assert consult(app)[1]["backups"]["grade"] == "note"
    assert not (tmp_path / "instance" / "backups").exists()
    _, found = consult(app, "--fix")
    assert str(tmp_path / "instance" / "backups") in found["backups"]["done"]
    assert consult(app)[1]["backups"]["grade"] == "good"


def test_settings_that_others_can_read_are_closed_when_it_may_mend(app: Flask, tmp_path: Path) -> None:
    config = tmp_path / "instance" / "config.toml"
    config.write_text("threads = 20", encoding="utf-8")
    config.chmod(0o644)
    assert consult(app)[1]["permissions"]["grade"] == "note"
    consult(app, "--fix")
    assert config.stat().st_mode & 0o777 == 0o600
    assert consult(app)[1]["permissions"]["grade"] == "good"


def test_a_port_that_another_program_has_is_bad(app: Flask, port: int) -> None:
    with socket.create_server(("127.0.0.1", port)):
        code, found = consult(app)
    assert (code, found["server"]["grade"]) == (1, "bad")
    assert "taken by another program" in found["server"]["sentence"]


def test_a_running_server_is_asked_and_its_sites_are_told(tmp_path: Path, port: int) -> None:
    server = servers.start("serve", tmp_path / "instance", {"JOBS_PORT": str(port)}, port)
    with servers.stopped_at_the_end(server), httpx.Client(trust_env=False, timeout=60) as client:
        over_http(server.url, client).polls()
        app = create_app({"INSTANCE": str(tmp_path / "instance")})
        code, found = consult(app)
    assert code == 0
    assert "it answers at" in found["server"]["sentence"]
    assert found["site wmd"]["sentence"] == "its software asks for jobs."


def test_a_network_share_is_bad_and_warned_of_at_start(
    app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"22 1 0:1 / / rw - ext4 /dev/sda1 rw\n40 22 0:35 / {tmp_path} rw - nfs4 nas:/export rw\n")
    monkeypatch.setattr(network_share, "network_share", partial(network_share.network_share, mounts=mounts))
    code, found = consult(app)
    assert (code, found["disk"]["grade"]) == (1, "bad")
    assert "network share (nfs4)" in found["disk"]["sentence"]
    startup.prepare(app)
    assert "network share" in caplog.text


MOUNTS = r"""
22 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw
40 22 0:35 / /mnt/nas rw,relatime shared:20 - nfs4 nas:/export rw,vers=4.2
41 22 0:36 / /mnt/with\040space rw - cifs //nas/share rw
42 40 259:3 / /mnt/nas/local rw - xfs /dev/sda1 rw
""".strip()


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/var/lib/jobs-server", "ext4"),
        ("/mnt/nas/observatory", "nfs4"),
        ("/mnt/nasty", "ext4"),
        ("/mnt/with space/x", "cifs"),
        ("/mnt/nas/local/x", "xfs"),
    ],
)
def test_the_innermost_mount_counts(folder: str, kind: str) -> None:
    assert network_share.mounted_as(Path(folder), MOUNTS) == kind


def test_this_machines_own_disk_is_no_share(tmp_path: Path) -> None:
    assert network_share.network_share(tmp_path) is None


def test_what_cannot_be_looked_at_is_a_finding(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: Installation) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(doctor, "CHECKS", {"sqlite": (fails,)})
    loaded = Loaded(service_of(app).settings, service_of(app).origins)
    assert [finding.grade for finding in doctor.look_over(Installation(loaded, database(app)))] == [Grade.BAD]


def database(app: Flask) -> Database:
    found: Database = service_of(app).database
    return found


def test_an_issuer_that_does_not_answer_is_told(port: int, tmp_path: Path) -> None:
    nowhere = f"http://127.0.0.1:{servers.free_port()}/"
    settings = {"OIDC_ISSUER": nowhere, "OIDC_AUDIENCE": "jobs"}
    app = create_app({"INSTANCE": str(tmp_path / "instance")} | settings)
    startup.prepare(app)
    code, found = consult(app)
    assert (code, found["sign-in"]["grade"]) == (0, "note")
    assert nowhere in found["sign-in"]["sentence"]


def test_an_issuer_that_answers_is_asked_and_nothing_is_written(port: int, tmp_path: Path) -> None:
    with issuers.own() as issuer:
        app = create_app({"INSTANCE": str(tmp_path / "instance"), "OIDC_ISSUER": issuer.url, "OIDC_AUDIENCE": "jobs"})
        startup.prepare(app)
        before = sorted((tmp_path / "instance").iterdir())
        _, found = consult(app)
    assert (found["sign-in"]["grade"], issuer.url in found["sign-in"]["sentence"]) == ("good", True)
    assert [path for path in sorted((tmp_path / "instance").iterdir()) if path not in before] == []


def test_a_calendar_elsewhere_is_asked(app: Flask, tmp_path: Path) -> None:
    def asked(url: str) -> tuple[int, dict[str, Any]]:
        code, found = consult(create_app({"INSTANCE": str(tmp_path / "instance"), "CALENDAR_URL": url}))
        return code, found["calendar"]

    with a_calendar() as elsewhere:
        code, found = asked(elsewhere.url)
        assert (code, found["grade"]) == (0, "good")
        elsewhere.events = [{"start": "soon"}]
        code, found = asked(elsewhere.url)
        assert (code, found["grade"], "an event has no creator_id" in found["sentence"]) == (1, "bad", True)
    code, found = asked(elsewhere.url)
    assert (code, found["grade"], elsewhere.url in found["sentence"]) == (1, "bad", True)
    assert "only admins may command" in found["sentence"]


def test_a_silent_site_is_told(tmp_path: Path, port: int) -> None:
    quiet = {"JOBS_PORT": str(port), "JOBS_SILENT_AFTER_SECONDS": "1"}
    server = servers.start("serve", tmp_path / "instance", quiet, port)
    with servers.stopped_at_the_end(server), httpx.Client(trust_env=False, timeout=60) as client:
        over_http(server.url, client).polls()
        until(lambda: client.get(f"{server.url}/sites").json()[0]["state"] == "silent")
        _, found = consult(create_app({"INSTANCE": str(tmp_path / "instance")}))
    assert found["site wmd"]["grade"] == "note"
    assert "has not asked for jobs since" in found["site wmd"]["sentence"]
