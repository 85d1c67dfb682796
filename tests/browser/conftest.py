"""One server with a pretend observatory at work, and one Chromium, for all tests of the pages."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support import servers
from tests.support.observatory import Observatory

from . import stage

expect.set_options(timeout=60_000)  # for what it waits, a busy machine may take a while


@dataclass(frozen=True)
class Desk:
    """A server at work, and what people do there."""

    server: servers.Server
    observatory: Observatory

    def at(self, site: str) -> Observatory:
        """People and software of another site on the same server."""
        return Observatory(self.observatory._post, site)

    def address(self, path: str, site: str = "wmd") -> str:
        """The address of a page."""
        return f"{self.server.url}{path}{'&' if '?' in path else '?'}site={site}"


@pytest.fixture(scope="session")
def browser(chromium: Browser) -> Browser:
    return chromium


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A site with a past whose pretend observatory works at 30 times real speed."""
    folder = tmp_path_factory.mktemp("desk")
    with stage.served(folder) as (server, observatory), at_work(folder, server.url):
        yield Desk(server, observatory)


@pytest.fixture
def page(browser: Browser, desk: Desk) -> Iterator[Page]:
    """A phone in the dome."""
    with stage.context(browser, desk.server, stage.PHONE) as context:
        yield context.new_page()


@contextmanager
def at_work(folder: Path, url: str, site: str = "wmd") -> Iterator[None]:
    """Let a pretend observatory carry out what a site is sent."""
    command = [sys.executable, "-m", "flask", "--app", "jobs_server", "simulate"]
    command += ["--site", site, "--speed", "30", "--url", url]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("JOBS_", "FLASK_"))}
    with (folder / f"simulator-{site}.log").open("wb") as log:
        simulator = subprocess.Popen(
            command, cwd=servers.ROOT, env=environment | {"JOBS_INSTANCE": str(folder)}, stdout=log, stderr=log
        )
    try:
        yield
    finally:
        simulator.terminate()
        simulator.wait(20)
