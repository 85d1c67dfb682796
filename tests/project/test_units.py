"""What the systemd units start, started here as they say: it tells when it is ready, serves, backs up and ends well."""

from __future__ import annotations

import configparser
import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from ..conftest import over_http
from ..support import servers
from ..support.servers import ROOT
from ..support.waiting import until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="systemd is Linux's")

DEPLOY = ROOT / "deploy"
PLACES = ("/opt/jobs-server", "/var/lib/jobs-server", "/var/backups/jobs-server")


class Debian:
    """The places that the units name, below a folder of the test's own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for place in PLACES:
            self.at(place).mkdir(parents=True)
        program = self.at("/opt/jobs-server/bin/jobs-server")
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m jobs_server "$@"\n', encoding="utf-8")
        program.chmod(0o755)

    def at(self, place: str) -> Path:
        return self.root / place.lstrip("/")

    def command(self, unit: str) -> list[str]:
        """What a unit starts."""
        words = shlex.split(service(unit)["ExecStart"])
        return [str(self.at(word)) if word.startswith(PLACES) else word for word in words]

    def environment(self, unit: str, **more: str) -> dict[str, str]:
        """What a unit gives its program: its settings' file, then its own, and nothing of whoever runs the tests."""
        assert service(unit)["EnvironmentFile"] == "/etc/jobs-server/environment"
        lines = (DEPLOY / "environment").read_text(encoding="utf-8").splitlines()
        given = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
        name, place = service(unit)["Environment"].split("=", 1)
        plain = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
        return plain | given | {name: str(self.at(place))} | more


def service(unit: str) -> configparser.SectionProxy:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(DEPLOY / unit, encoding="utf-8")
    return parser["Service"]


@pytest.fixture
def debian(tmp_path: Path) -> Debian:
    return Debian(tmp_path)


@contextmanager
def started(debian: Debian) -> Iterator[tuple[servers.Server, list[bytes]]]:
    """Start the service's unit; gives what it told systemd too. It listens to this machine alone."""
    unit, port = "jobs-server.service", servers.free_port()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(f"\0jobs-{port}")  # a name of Linux's own, since a path may be too long
        told.settimeout(servers.START_SECONDS)
        more = {"JOBS_HOST": "127.0.0.1", "JOBS_PORT": str(port), "NOTIFY_SOCKET": f"@jobs-{port}"}
        command, variables = debian.command(unit), debian.environment(unit, **more)
        folder = debian.at(service(unit)["WorkingDirectory"])
        server = servers.launch(command, port, folder, variables, debian.root / "log")
        with servers.stopped_at_the_end(server):
            yield server, [told.recv(1000)]


def test_the_service_tells_systemd_when_it_is_ready_serves_a_page_and_ends_well(debian: Debian) -> None:
    assert service("jobs-server.service")["Type"] == "notify"
    with started(debian) as (server, told), httpx.Client(trust_env=False, timeout=60) as client:
        assert any(b"READY=1" in word for word in told)
        page = client.get(f"{server.url}/", follow_redirects=True)
        assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert client.get(f"{server.url}/readyz").status_code == 200
        job = over_http(server.url, client).sends()
        server.stop()
        assert server.process.returncode == 0
        assert (debian.at("/var/lib/jobs-server") / "jobs.db").exists()
    with started(debian) as (server, _), httpx.Client(trust_env=False, timeout=60) as client:
        assert over_http(server.url, client).polls() == [job]


def test_a_killed_server_comes_back_with_all_that_it_had(debian: Debian) -> None:
    assert service("jobs-server.service")["Restart"] == "always"
    with started(debian) as (server, _), httpx.Client(trust_env=False, timeout=60) as client:
        job = over_http(server.url, client).sends()
        server.kill()
    with started(debian) as (server, _), httpx.Client(trust_env=False, timeout=60) as client:
        assert over_http(server.url, client).polls() == [job]


def test_the_backup_unit_backs_up_beside_it(debian: Debian) -> None:
    unit = "jobs-server-backup.service"
    with started(debian) as (server, _), httpx.Client(trust_env=False, timeout=60) as client:
        over_http(server.url, client).sends()
        done = subprocess.run(
            debian.command(unit), env=debian.environment(unit), capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == 0, done.stderr
    [made] = debian.at("/var/backups/jobs-server").iterdir()
    assert done.stdout.startswith(f"{made}: 1 jobs with 1 events, verified")


ENVIRONMENT = r"""
# JOBS_PORT=1
; JOBS_PORT=2
JOBS_TRUSTED_PROXIES=127.0.0.1, 10.0.0.1
JOBS_ALERT_URL=https://gotify.example.org/message?token=A&priority=5;x
  JOBS_OIDC_CLIENT_SECRET = spaced
JOBS_DATABASE_URL="postgresql://jobs:p$w#`id`*@db/jobs"
JOBS_ARCHIVE_FOLDER='/srv/old jobs'
JOBS_ROLES_CLAIM=it's, "so
JOBS_OIDC_ISSUER="https://id.example.org/\"a\$b\\c\d"
JOBS_OIDC_AUDIENCE=a\b\\c
JOBS_SITES=
not a setting
1JOBS=x
HTTPS_PROXY=http://proxy:3128
JOBS_KEEP_DAYS=30"""

READ = {
    "JOBS_TRUSTED_PROXIES": "127.0.0.1, 10.0.0.1",
    "JOBS_ALERT_URL": "https://gotify.example.org/message?token=A&priority=5;x",
    "JOBS_DATABASE_URL": "postgresql://jobs:p$w#`id`*@db/jobs",
    "JOBS_ARCHIVE_FOLDER": "/srv/old jobs",
    "JOBS_ROLES_CLAIM": "it's, \"so",
    "JOBS_OIDC_CLIENT_SECRET": "spaced",
    "JOBS_OIDC_ISSUER": r'https://id.example.org/"a$b\c\d',
    "JOBS_OIDC_AUDIENCE": r"ab\c",
    "JOBS_SITES": "",
    "HTTPS_PROXY": "http://proxy:3128",
    "JOBS_KEEP_DAYS": "30",
}


def test_the_command_reads_the_settings_as_systemd_does_and_no_shell(tmp_path: Path) -> None:
    file = tmp_path / "environment"
    file.write_text(ENVIRONMENT, encoding="utf-8")
    script = (DEPLOY / "jobs-server").read_text(encoding="utf-8")
    [head, _] = script.partition("# As systemd reads it")[2].split("/etc/jobs-server/environment\n")
    asked = ["sh", "-euc", f"#{head}{shlex.quote(str(file))}\nexec env -0"]
    done = subprocess.run(asked, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=True)
    read = dict(line.split("=", 1) for line in done.stdout.split("\0") if line)
    assert {name: value for name, value in read.items() if name not in ("PATH", "PWD", "_")} == READ


def test_the_doctor_finds_it(debian: Debian) -> None:
    with started(debian) as (server, _):
        until(lambda: httpx.get(f"{server.url}/readyz", trust_env=False, timeout=60).status_code == 200)
        variables = debian.environment("jobs-server.service", JOBS_HOST="127.0.0.1", JOBS_PORT=str(server.port))
        program = str(debian.at("/opt/jobs-server/bin/jobs-server"))
        done = subprocess.run(
            [program, "doctor"], env=variables, capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == 0, done.stdout
    assert "It answers at http://127.0.0.1" in done.stdout
