"""Of the servers on one PostgreSQL one is on duty for what must be done once; when it ends, another one takes over."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from jobs_server import create_app
from jobs_server.service import service_of
from jobs_server.storage import postgresql
from jobs_server.upkeep import startup

from ..conftest import inside, over_http
from ..support import databases, postgres, servers
from ..support.clocks import HOUR, Clocks
from ..support.observatory import Observatory
from ..support.waiting import until
from .test_alerts import Receiver, receiver  # noqa: F401  a fixture
from .test_retention import finished, rows

SOON = {"JOBS_SWEEP_SECONDS": "0.2", "JOBS_LOST_AFTER_SECONDS": "1"}


def loses(site: Observatory, claim: str) -> dict[str, Any]:
    """Have a job start of which nothing more is heard."""
    job = site.sends()
    site.polls(claimId=claim)
    assert site.starts(job, claimId=claim, secondsUntilComplete=0).status == 200
    return job


def on_duty(cluster: postgres.Cluster, url: str) -> int:
    """Count the servers on duty, as PostgreSQL knows it."""
    high, low = divmod(postgresql.lock_key("duty") % 2**64, 2**32)
    held = f"granted AND locktype = 'advisory' AND (classid, objid) = ({high}, {low})"
    of_this = f"database = (SELECT oid FROM pg_database WHERE datname = '{url.rpartition('/')[2]}')"
    ((count,),) = cluster.run(f"SELECT count(*)::int FROM pg_locks WHERE {held} AND {of_this}")
    assert isinstance(count, int)
    return count


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_when_the_server_on_duty_ends_another_labels_and_alerts(how: str, tmp_path: Path, receiver: str) -> None:  # noqa: F811
    cluster = postgres.shared()
    url = cluster.database()
    with ExitStack() as stack:
        desks = {}
        for name in ("one", "two"):
            settings = {"JOBS_DATABASE_URL": url, "JOBS_ALERT_URL": f"{receiver}/{name}", **SOON}
            desks[name] = stack.enter_context(servers.running("gunicorn", tmp_path / name, settings))
        client = stack.enter_context(httpx.Client(trust_env=False, timeout=60))
        job = loses(over_http(desks["one"].url, client), "a")
        until(lambda: Receiver.got)
        assert on_duty(cluster, url) == 1
        first = Receiver.got[0][0].strip("/")
        getattr(desks.pop(first), how)()
        ((second, left),) = desks.items()
        site = over_http(left.url, client)
        another = loses(site, "b")
        until(lambda: len(Receiver.got) > 1)
        assert on_duty(cluster, url) == 1
        assert [path.strip("/") for path, *_ in Receiver.got] == [first, second]
        assert [site.history(each).count("LOST") for each in (job, another)] == [1, 1]


def test_only_the_server_on_duty_prunes(clocks: Clocks, tmp_path: Path) -> None:
    named = {"DATABASE_URL": postgres.shared().database(), "INSTANCE": str(tmp_path / "instance"), "KEEP_DAYS": 10}
    app, other = (create_app({"TESTING": True} | named) for _ in range(2))
    startup.prepare(app)
    finished(inside(app), 2)
    clocks.pass_by(11 * 24 * HOUR)
    later = datetime.fromtimestamp(clocks.now.wall_ms / 1000).astimezone()
    databases.put_on_duty(app)
    service_of(other).daily_work.look(later)
    assert (service_of(other).is_on_duty, rows(app, "job")) == (False, 2)
    service_of(app).daily_work.look(later)
    assert rows(app, "job") == 0
    for each in (app, other):
        service_of(each).database.close()
