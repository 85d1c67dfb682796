"""The agent between a real desk and devices that coast, hang, lie and go away: each job has an honest end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from jobs_server.client import SiteClient

from ..support import servers
from . import fake_alpaca, fake_indi
from .fake_alpaca import FakeAlpaca
from .fake_indi import FakeIndi
from .site import Site

GOTO, PARK, ABORT = "EQUATORIAL_EOD_COORD", "TELESCOPE_PARK", "TELESCOPE_ABORT_MOTION"
STAR = {"ra": 3.0, "dec": 80.0}  # never sets at the site of the tests
FOCUS, FOCUS_ABORT = "ABS_FOCUS_POSITION", "FOCUS_ABORT_MOTION"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    with servers.running("gunicorn", tmp_path_factory.mktemp("service")) as server:
        yield server


@pytest.fixture
def client(service: servers.Server, request: pytest.FixtureRequest) -> Iterator[SiteClient]:
    with SiteClient(service.url, f"s{abs(hash(request.node.nodeid))}") as client:
        yield client


@pytest.fixture
def mount() -> Iterator[FakeIndi]:
    with closing(fake_indi.mount()) as server:
        server.set("GEOGRAPHIC_COORD", "Ok", LAT=47.7, LONG=12.0, ELEV=0)
        yield server


@pytest.fixture
def focuser() -> Iterator[FakeIndi]:
    with closing(fake_indi.focuser()) as server:
        yield server


@pytest.fixture
def camera() -> Iterator[FakeAlpaca]:
    with fake_alpaca.serving() as server:
        fake_alpaca.be_camera(server)
        yield server


def table(kind: str, server: FakeIndi | FakeAlpaca, more: str = "") -> str:
    address = server.address if isinstance(server, FakeIndi) else server.address(kind)
    limits = "min_altitude_degrees = 0\nsun_distance_degrees = 0\n" if kind == "mount" else ""
    return f'[{kind}.{kind}1]\ndriver = "{address}"\n{limits}{more}\n'


def slews(server: FakeIndi) -> None:
    server.on(GOTO, lambda _: server.set(GOTO, "Busy"))


def asked(server: FakeIndi, name: str) -> int:
    return [each for each, _ in server.came].count(name)


def test_a_job_is_complete_when_the_mount_arrived(client: SiteClient, mount: FakeIndi, tmp_path: Path) -> None:
    with Site(client, tmp_path, table("mount", mount)) as site:
        assert site.ends(site.sends("mount", "go", STAR)) == ("COMPLETE", "")
