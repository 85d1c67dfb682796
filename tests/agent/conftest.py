"""Devices for the tests of the site agent: scripted ones of both protocols, and patience for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest

from jobs_server.agent.devices.interfaces import Device
from jobs_server.agent.devices.opening import open_device
from jobs_server.agent.devices.settings import Settings

from ..support.waiting import PATIENCE_SECONDS

Kind = TypeVar("Kind", bound=Device)
Opens = Callable[..., Any]


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
