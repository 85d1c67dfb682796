"""A page that waits for the database keeps no page waiting that has the database."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask

from jobs_server.storage.connections import Connections
from jobs_server.web.context import page

pytestmark = pytest.mark.sqlite("only a database in memory is read by one page after the other")


def test_a_page_in_its_snapshot_does_not_wait_for_one_that_waits_for_the_snapshot(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = threading.Event()
    lock = Connections.lock

    def noted(connections: Connections) -> None:
        waits.set()
        lock(connections)

    def another_page() -> list[str]:
        with app.test_request_context("/"):
            return page().sites

    with ThreadPoolExecutor(1) as pool:
        with app.test_request_context("/"), page().snapshot():
            monkeypatch.setattr(Connections, "lock", noted)
            other = pool.submit(another_page)
            assert waits.wait(30)
            sites = page().sites
        assert other.result() == sites == []
