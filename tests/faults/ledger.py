"""What a database holds, read from its file after the servers have gone."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs_server.storage.sqlite_driver import driver

from ..support import databases, postgres


@dataclass(frozen=True)
class Kept:
    """One job as it is kept, with the statuses that its history tells on the queue that everybody reads."""

    ulid: str
    mark: str
    status: str
    phase: str
    claim_id: str | None
    history: tuple[str, ...]


def select(path: Path, sql: str) -> list[tuple[Any, ...]]:
    """Read from a database that no server of this process has open."""
    with closing(driver.connect(path)) as connection:
        return [tuple(row) for row in connection.execute(sql)]


def kept_by(instance: Path) -> list[Kept]:
    """Read all jobs of an instance folder, in SQLite or in PostgreSQL, as `read` does."""
    if url := databases.of(instance):
        return _jobs(lambda sql: postgres.shared().run(sql, url.rpartition("/")[2]))
    return read(instance / "jobs.db")


def read(path: Path) -> list[Kept]:
    """Read all jobs of a file, oldest first, and check what must hold for any database."""
    assert select(path, "PRAGMA integrity_check") == [("ok",)]
    assert select(path, "PRAGMA foreign_key_check") == []
    return _jobs(lambda sql: select(path, sql))


def _jobs(run: Callable[[str], list[tuple[Any, ...]]]) -> list[Kept]:
    histories: dict[int, list[str]] = defaultdict(list)
    for job_id, status in run("SELECT job_id, status FROM job_event WHERE queue = 0 ORDER BY seq"):
        histories[job_id].append(status)
    jobs = run("SELECT id, ulid, required_params, status, phase, claim_id FROM job ORDER BY id")
    ulids = [job[1] for job in jobs]
    assert ulids == sorted(set(ulids)), "ULIDs do not rise in the order of commit"
    assert set(histories) <= {job[0] for job in jobs}
    kept = []
    for job_id, ulid, params, status, phase, claim_id in jobs:
        history = tuple(histories[job_id])
        assert history[0] == "UNREAD", (ulid, history)
        assert history[-1] == status, (ulid, history, status)
        assert len(set(history)) == len(history), f"a step was done twice: {ulid} {history}"
        kept.append(Kept(ulid, json.loads(params).get("mark", ""), status, phase, claim_id, history))
    return kept
