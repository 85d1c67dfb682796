"""A service for all tests of a module, and for each test a site of its own."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from jobs_server.client import SiteClient

from ..support import servers

_sites = count()


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
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "claims.json"
