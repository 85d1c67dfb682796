"""What all tests share: an app in memory, an app on a file, and an observatory that speaks to either."""

from __future__ import annotations

import itertools
import os
import signal
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import httpx
import pytest
from flask import Flask
from hypothesis import HealthCheck, settings
from playwright.sync_api import Browser

from jobs_server import create_app
from jobs_server.service import service_of
from jobs_server.upkeep import startup

from .support import databases, postgres, servers
from .support.clocks import Clocks
from .support.observatory import Observatory, Reply, site_named

_site_numbers = itertools.count()
os.environ |= servers.UNLIMITED
settings.register_profile("any speed", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any speed")

_TOLD = "told"
_LEFT_OPEN = ".* was deleted while still open"
LONG = (
    *("live/test_soak", "upkeep/test_soak", "faults/test_sigkill", "faults/test_lost_replies", "jobs/test_concurrency"),
    *("faults/test_storage_fails", "project/test_benchmarks", "browser/test_looks"),
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options for how long the tests may take that get better with time."""
    sizes = {
        "--soak-seconds": (12, "how long the tests of long service go on"),
        "--kills": (6, "how often the fault tests kill a server under load"),
        "--lossy-jobs": (500, "how many jobs the fault tests send through a network that loses a quarter"),
    }
    for option, (usual, told) in sizes.items():
        name = f"JOBS_TEST_{option[2:].replace('-', '_').upper()}"
        parser.addoption(option, type=int, default=int(os.environ.get(name, usual)), help=f"{told} ({name})")
    database = os.environ.get("JOBS_TEST_DATABASE", "sqlite")
    parser.addoption(
        "--database", choices=("sqlite", "postgresql"), default=database, help="where the apps and servers keep jobs"
    )
    parser.addoption("--core", action="store_true", help="only the files whose behaviour hangs on the database")
    parser.addoption(
        "--outage-seconds", type=float, default=2.0, help="how long the database is away in the tests of that"
    )


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Let children heed Ctrl-C, which a shell's background jobs are made deaf to, and they in turn their children.

    Start a PostgreSQL for the run when all tests are to use one; with xdist, one for each worker.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    spread = config.getoption("numprocesses", None) and not hasattr(config, "workerinput")
    if config.getoption("database") == "postgresql" and not spread:
        databases.use_postgresql()
        # An app in memory need not be closed, and the tests close few of them; here their connections end with them.
        config.addinivalue_line("filterwarnings", f"ignore:{_LEFT_OPEN}:ResourceWarning")
        warnings.filterwarnings("ignore", _LEFT_OPEN, ResourceWarning)  # and after the last test


def pytest_unconfigure() -> None:
    """Stop it."""
    postgres.stop()


def _module(item: pytest.Item) -> str:
    """Return the test's file as a path below `tests/`, without its suffix."""
    return item.path.relative_to(Path(__file__).parent).with_suffix("").as_posix()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with what takes long, lest one process is left alone with it; skip on PostgreSQL what is about SQLite."""
    items.sort(key=lambda item: _module(item) not in LONG)
    if config.getoption("core"):
        others = [item for item in items if _module(item) not in databases.CORE]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if _module(item) in databases.CORE]
    if config.getoption("database") == "postgresql":
        for item in items:
            if about := item.get_closest_marker("sqlite"):
                item.add_marker(pytest.mark.skip(reason=f"about SQLite: {about.args[0]}"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests counted, in whichever process they ran."""
    ends = [report for report in terminalreporter.getreports("") if report.when == "teardown"]
    if told := [line for report in ends for name, line in report.user_properties if name == _TOLD]:
        terminalreporter.section("counted")
        for line in told:
            terminalreporter.write_line(line)


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Return what hands a line to the person who runs the tests, at the end of the run."""
    return lambda line: request.node.user_properties.append((_TOLD, line))


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the settings of whoever runs the tests out of them, and the tests out of the real instance folder."""
    for name in os.environ:
        if name.startswith("JOBS_") and not name.startswith("JOBS_TEST_") and name not in servers.UNLIMITED:
            monkeypatch.delenv(name)
    monkeypatch.setenv("JOBS_INSTANCE", str(tmp_path / "instance"))


@pytest.fixture
def app() -> Iterator[Flask]:
    """An app whose database is in memory."""
    app = create_app({"TESTING": True, "DATABASE_URL": databases.fresh()})
    startup.prepare(app)
    yield app
    service_of(app).database.close()


@pytest.fixture
def file_app(tmp_path: Path) -> Iterator[Flask]:
    """An app whose database is a file, prepared as at the start of serving."""
    instance = tmp_path / "instance"
    app = create_app({"TESTING": True} | databases.at(instance))
    startup.prepare(app)
    yield app
    service_of(app).database.close()


@pytest.fixture
def observatory(app: Flask) -> Observatory:
    """An observatory that speaks to the app in memory."""
    return inside(app)


@pytest.fixture(scope="session")
def shared_app() -> Iterator[Flask]:
    """One app in memory for all tests that need no other; each has a site of its own, see `desk`."""
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith("JOBS_") and not name.startswith("JOBS_TEST_") and name not in servers.UNLIMITED:
                patch.delenv(name)
        app = create_app({"TESTING": True, "DATABASE_URL": databases.fresh(), "MAX_WAITING_JOBS": 0})
        startup.prepare(app)
    yield app
    service_of(app).database.close()


@pytest.fixture
def desk(shared_app: Flask) -> Observatory:
    """An observatory of a new site on the shared app: a fresh start that costs nothing."""
    return inside(shared_app, f"site{next(_site_numbers)}")


@pytest.fixture(params=["flask", "gunicorn"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[servers.Server]:
    """A real server process, once under `flask run` and once under gunicorn."""
    with servers.running(request.param, tmp_path / "instance") as server:
        yield server


@pytest.fixture(params=["flask", "gunicorn", "waitress"], scope="session")
def live(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real server that many tests share, once of each kind."""
    with servers.running(request.param, tmp_path_factory.mktemp(request.param)) as server:
        yield server.url


@pytest.fixture
def people(live: str, request: pytest.FixtureRequest) -> Iterator[Observatory]:
    """People and the software of a site of the test's own, on the server that many tests share."""
    with httpx.Client(trust_env=False, timeout=30) as client:
        yield over_http(live, client, site=site_named(request.node.name.split("[")[0]))


def inside(app: Flask, site: str = "wmd") -> Observatory:
    """An observatory that speaks to an app in this process."""

    def post(path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        response = app.test_client().post(path, data=body, headers=dict(headers))
        return Reply(response.status_code, dict(response.headers), response.get_data(as_text=True))

    return Observatory(post, site)


def over_http(url: str, client: httpx.Client, site: str = "wmd") -> Observatory:
    """An observatory that speaks to a server process."""

    def post(path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        response = client.post(url + path, content=body, headers=dict(headers))
        return Reply(response.status_code, response.headers, response.text)

    return Observatory(post, site)


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    """Both clocks in the test's hands."""
    return Clocks(monkeypatch)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One Chromium for all tests: Playwright cannot run twice in a process."""
    from .browser import stage

    with stage.chromium() as browser:
        yield browser
