"""Devices for the tests of the site agent: scripted ones of both protocols, and patience for them."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from typing import Any, TypeVar

import pytest

from jobs_server.agent.devices.interfaces import Device
from jobs_server.agent.devices.opening import open_device
from jobs_server.agent.devices.settings import Settings
from jobs_server.client import SiteClient

from ..support import programs, servers
from ..support.waiting import PATIENCE_SECONDS, until
from . import fake_alpaca, fake_indi, running
from .fake_alpaca import FakeAlpaca
from .fake_indi import FakeIndi
from .running import Frames

Kind = TypeVar("Kind", bound=Device)
Opens = Callable[..., Any]
_sites = count()


@pytest.fixture
def opens() -> Iterator[Opens]:
    """Return what opens a device and waits until it is ready; all are closed at the end."""
    opened: list[Device] = []

    def opens(kind: str, driver: str, **settings: Any) -> Device:
        quick = {"settle_seconds": 0.3, "rest_seconds": 0.2, "poll_seconds": 0.02, "check_seconds": 0.1}
        device = open_device(kind, f"{kind}1", driver, Settings(**(quick | settings)))
        opened.append(device)
        device.start()
        device.wait_ready(PATIENCE_SECONDS)
        return device

    yield opens
    for device in opened:
        device.close()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    with servers.running("gunicorn", tmp_path_factory.mktemp("service")) as server:
        yield server


@pytest.fixture
def client(service: servers.Server) -> Iterator[SiteClient]:
    """A site that no other test speaks for."""
    with SiteClient(service.url, f"site{next(_sites)}") as client:
        yield client


@pytest.fixture
def mount() -> Iterator[FakeIndi]:
    with closing(running.mount()) as server:
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


@pytest.fixture
def frames(camera: FakeAlpaca) -> Frames:
    return Frames(camera)


def may_connect(port: int) -> bool:
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    return False


@pytest.fixture(scope="module")
def alpaca() -> Iterator[str]:
    """Where the Alpaca simulators are, such as `alpaca://127.0.0.1:PORT`."""
    command = os.environ.get("JOBS_TEST_ALPACA", "")
    if not command or shutil.which(command) is None:
        programs.missing("JOBS_TEST_ALPACA names no alpaca-simulators (pip, in an environment of its own)")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    process = subprocess.Popen(
        [command, "--host", "127.0.0.1", "--port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until(lambda: may_connect(port))
        yield f"alpaca://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()
