"""A server that is killed at random under load, and started again: nothing lost, nothing doubled, nothing half done."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ..support import servers
from . import ledger
from .load import Load

POSTERS = 8
CLAIMERS = 4
SETTINGS = {"JOBS_EXPIRES_IN_SECONDS": "604800"}


def test_a_server_killed_under_load_loses_nothing_and_doubles_nothing(
    tmp_path: Path, kills: int, tell: Callable[[str], None]
) -> None:
    port, instance = servers.free_port(), tmp_path / "instance"
    kinds = itertools.cycle(("flask", "gunicorn"))
    dice = random.Random()
    server = servers.start(next(kinds), instance, SETTINGS, port)
    load = Load(server.url, POSTERS, CLAIMERS)
    try:
        with load.running():
            for _ in range(kills):
                time.sleep(dice.uniform(0.0, 1.0))  # the fault itself: any moment is a good one
                server.kill()
                server = servers.start(next(kinds), instance, SETTINGS, port)
    finally:
        server.kill()
    kept = ledger.kept_by(instance)
    check(load, kept)
    plain = [job for job in kept if job.claim_id is None]
    gone = sum(job.ulid not in load.delivered for job in plain)
    tell(
        f"{kills} kills: {len(load.acknowledged)} jobs acknowledged, all there; {len(load.unanswered)} never answered,"
        f" of which {len(kept) - len(load.acknowledged)} were kept; {load.repeated} requests repeated, nothing doubled;"
        f" {len(kept) - len(plain)} delivered to claims, each to one, and carried out once;"
        f" {len(plain)} to plain polls, {gone} of them in a reply that was lost; histories whole, integrity_check ok"
    )


def check(load: Load, kept: list[ledger.Kept]) -> None:
    """Hold what the clients were told against what the database holds."""
    by_mark = {job.mark: job for job in kept}
    assert len(by_mark) == len(kept), "a command was queued twice"
    for mark, ulid in load.acknowledged.items():
        assert by_mark[mark].ulid == ulid, "an acknowledged job is not there"
    assert set(by_mark) - set(load.acknowledged) <= load.unanswered
    for job in kept:
        assert job.history[:2] == ("UNREAD", "RECEIVED"), f"{job} was never handed over"
        if job.claim_id is None:
            assert load.delivered.get(job.ulid, "plain").startswith("plain")
            assert job.history == ("UNREAD", "RECEIVED")
        else:
            assert load.delivered.get(job.ulid) == job.claim_id, f"{job} was claimed by nobody who knows"
            assert job.history == ("UNREAD", "RECEIVED", "STARTED", "COMPLETE")
            assert job.ulid in load.finished
    assert load.acknowledged, "there was no load"
    assert load.finished, "nothing was carried out"


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> int:
    """How often the server is killed: the option `--kills`."""
    return int(request.config.getoption("--kills"))
