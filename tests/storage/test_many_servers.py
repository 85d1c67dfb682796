"""Several servers on one PostgreSQL: delivered once, seen everywhere, and going on when one or the database is away."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from jobs_server import create_app
from jobs_server.jobs import events as changes
from jobs_server.live.disconnect import Client
from jobs_server.service import service_of
from jobs_server.storage import notifications, postgresql
from jobs_server.storage.statement import Connection

from ..conftest import inside, over_http
from ..faults.load import SITE, Load
from ..support import nginx, postgres, servers
from ..support.relay import relay
from ..support.streams import Viewer
from ..support.waiting import until

SOMEBODY = Client("a browser", "127.0.0.1")
LASTING = {"JOBS_EXPIRES_IN_SECONDS": "604800"}


@pytest.fixture(scope="module")
def cluster() -> postgres.Cluster:
    return postgres.shared()


@pytest.fixture(scope="module")
def durable() -> Iterator[postgres.Cluster]:
    """A cluster that survives a crash, for what is about crashes."""
    with postgres.cluster(durable=True) as made:
        yield made


class Follower:
    """Somebody who watches a site, and comes back with the last position when the stream breaks."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stop = threading.Event()
        self.viewers: list[Viewer] = []
        self._thread = threading.Thread(target=self._follow)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(120)

    def numbers(self) -> list[int]:
        """The numbers of the events, in the order in which they came."""
        messages = [message for viewer in tuple(self.viewers) for message in viewer.all()]
        return [int(message.id.partition("-")[2]) for message in messages]

    def _follow(self) -> None:
        last_id = None
        while not self._stop.is_set():
            viewer = Viewer(self._url, SITE, last_id)
            self.viewers.append(viewer)
            try:
                with viewer:
                    while not (viewer.ended or self._stop.wait(0.02)):
                        pass
            except AssertionError:
                pass  # nobody answers
            last_id = viewer.last_id or last_id
            time.sleep(0.05)


def events(cluster: postgres.Cluster, url: str) -> list[tuple[Any, ...]]:
    """All events of the site: number, ulid, status and queue, in the order of their numbers."""
    name = url.rpartition("/")[2]
    what = "SELECT seq, ulid, e.status FROM job_event e JOIN job ON job.id = job_id"
    return cluster.run(f"{what} WHERE e.site = '{SITE}' ORDER BY seq", name)


def check(load: Load, told: list[tuple[Any, ...]]) -> None:
    """Hold what the clients were told against what the database holds."""
    histories: dict[str, list[str]] = {}
    for _, ulid, status in told:
        histories.setdefault(ulid, []).append(status)
    assert set(load.acknowledged.values()) <= set(histories), "an acknowledged job is not there"
    assert len(set(load.acknowledged.values())) == len(load.acknowledged)
    assert len(histories) <= len(load.acknowledged) + len(load.unanswered)
    for history in histories.values():
        assert history in (["UNREAD", "RECEIVED"], ["UNREAD", "RECEIVED", "STARTED", "COMPLETE"])
    assert {ulid for ulid, history in histories.items() if history[-1] == "COMPLETE"} == load.finished
    assert load.finished, "nothing was carried out"


def test_three_servers_behind_nginx_and_one_of_them_killed(
    cluster: postgres.Cluster, tmp_path: Path, tell: Callable[[str], None]
) -> None:
    url = cluster.database()
    settings = {"JOBS_DATABASE_URL": url, **LASTING}
    with ExitStack() as stack:
        desks = [servers.start("gunicorn", tmp_path / "instance", settings) for _ in range(3)]
        for desk in desks:
            stack.callback(desk.stop)
        front = stack.enter_context(nginx.before([desk.port for desk in desks], tmp_path / "nginx"))
        followers = [Follower(desk.url) for desk in desks]
        for follower in followers:
            stack.callback(follower.stop)
        until(lambda: all(follower.viewers and follower.viewers[0].retry_ms for follower in followers))
        load = Load(front, posters=8, claimers=8)
        with load.running():
            until(lambda: load.finished)
            time.sleep(2)  # the fault itself: any moment is a good one
            desks[1].kill()
            time.sleep(1)
            desks[1] = servers.start("gunicorn", tmp_path / "instance", settings, desks[1].port)
            stack.callback(desks[1].stop)
            time.sleep(1)
        told = events(cluster, url)
        check(load, told)
        last = told[-1][0]
        until(lambda: all(last in follower.numbers() for follower in followers), 30)
        for follower in followers:
            follower.stop()
            seen = follower.numbers()
            assert seen == [seq for seq, *_ in told if seq >= seen[0]]
    tell(
        f"3 servers, one killed: {len(load.acknowledged)} jobs acknowledged, {len(load.finished)} carried out once,"
        f" {load.repeated} requests repeated; {len(told)} events complete and in order on each of 3 streams"
    )


def test_what_one_server_hears_the_others_know(cluster: postgres.Cluster, tmp_path: Path) -> None:
    settings = {"JOBS_DATABASE_URL": cluster.database()}
    with ExitStack() as stack:
        one, other = (stack.enter_context(servers.running("gunicorn", tmp_path / n, settings)) for n in "ab")
        client = stack.enter_context(httpx.Client(trust_env=False, timeout=30))
        viewer = stack.enter_context(Viewer(other.url))
        here, there = over_http(one.url, client), over_http(other.url, client)
        assert here.polls() == []
        until(lambda: viewer.states[-1] == "online", 20)
        (known,) = client.get(f"{other.url}/jobs/sites").json()
        assert (known["site"], known["state"]) == ("wmd", "online")
        got = list[Any]()
        waits = threading.Thread(target=lambda: got.extend(there.polls(waitSeconds=20)))
        waits.start()
        sent = here.sends()
        waits.join(20)
        assert got == [sent]
        assert [message.status for message in viewer.sees(2)] == ["UNREAD", "RECEIVED"]


def test_a_look_at_many_sites_reads_those_alone_at_which_something_happened(
    cluster: postgres.Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = cluster.database()
    here, there = (create_app({"DATABASE_URL": url, "INSTANCE": str(tmp_path / name)}) for name in "ab")
    live, asked = service_of(here).feed, list[str | None]()
    viewers = {f"site-{number}": live.watch(f"site-{number}", SOMEBODY) for number in range(8)}
    until(lambda: all(viewer.channel.tail is not None for viewer in viewers.values()), 20)
    read = changes.after

    def noted(connection: Connection, seq: int, count: int, site: str | None = None) -> changes.EventPage:
        asked.append(site)
        return read(connection, seq, count, site)

    monkeypatch.setattr(changes, "after", noted)
    sent = {site: inside(there, site).sends() for site in ("site-3", "site-5")}
    live.nudge(None)
    until(lambda: all(viewers[site].channel.frames for site in sent), 20)
    for site, viewer in viewers.items():
        assert [sent[site]["ulid"].encode() in frame.data for frame in viewer.channel.frames] == [True] * (site in sent)
        live.leave(viewer)
    assert set(asked) == set(sent)
    until(lambda: live.tail is None)
    for app in (here, there):
        service_of(app).database.close()


@pytest.mark.parametrize("pooled", [False, True])
def test_a_server_knows_whether_it_hears_the_others(
    pooled: bool,
    cluster: postgres.Cluster,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = create_app({"DATABASE_URL": cluster.database(), "INSTANCE": str(tmp_path)})
    with closing(service_of(app).database) as database, closing(notifications.Listener(database).connect()) as raw:
        if not pooled:  # a pooler that lends connections for a transaction forgets who listens
            raw.execute(f"LISTEN {postgresql.CHANNEL}")
        assert notifications.hears_itself(raw, 0.5 if pooled else 60.0) is not pooled
    assert ("session mode" in caplog.text) is pooled


@pytest.mark.parametrize("how", ["the server is restarted", "the postmaster is killed", "the wire is cut"])
def test_the_database_goes_away_and_comes_back(
    how: str, durable: postgres.Cluster, tmp_path: Path, pytestconfig: pytest.Config, tell: Callable[[str], None]
) -> None:
    url, seconds = durable.database(), pytestconfig.getoption("outage_seconds")
    with ExitStack() as stack:
        wire = stack.enter_context(relay(durable.port))
        through = durable.url(url.rpartition("/")[2], port=wire.port)
        settings = {"JOBS_DATABASE_URL": through, "JOBS_DATABASE_TIMEOUT_SECONDS": "3", **LASTING}
        desk = stack.enter_context(servers.running("gunicorn", tmp_path / "instance", settings))
        client = stack.enter_context(httpx.Client(trust_env=False, timeout=60))
        follower = Follower(desk.url)
        stack.callback(follower.stop)
        waiting = Waiting(desk.url)
        until(lambda: any(known["waiting"] for known in client.get(f"{desk.url}/jobs/sites").json()))
        load = Load(desk.url, posters=4, claimers=4, patient=True)
        with load.running():
            until(lambda: load.finished)
            {"the server is restarted": durable.stop, "the postmaster is killed": durable.kill}.get(how, wire.cut)()
            is_away(desk, client, seconds)
            if how == "the wire is cut":
                wire.mend()
            else:
                durable.start()
            until(lambda: client.get(f"{desk.url}/readyz").status_code == 200)
            done = len(load.finished)
            until(lambda: len(load.finished) > done)
        sent = over_http(desk.url, client, Waiting.SITE).sends()
        assert waiting.gets() == [sent]
        assert waiting.asked <= waiting.most_asks(), "a poll did not go on waiting"
        told = events(durable, url)
        until(lambda: told[-1][0] in follower.numbers())
        follower.stop()
        seen = follower.numbers()
        assert seen == [seq for seq, *_ in told if seq >= seen[0]]
        check(load, told)
        assert load.refused, "nobody met the outage"
        pool_is_healthy(durable, url, desk)
    tell(
        f"{how} for {seconds:g} s: {len(load.acknowledged)} jobs acknowledged, {len(load.finished)} carried out once,"
        f" {load.refused} refused with 503 and sent again, {len(load.unanswered)} of which nobody knew;"
        f" {len(told)} events complete and in order, on {len(follower.viewers)} streams one after the other"
    )


WAIT_SECONDS = 60
"""As long as a poll may wait."""


class Waiting:
    """The software of a quiet site, which waits for a job and asks again when it is told that there is none."""

    SITE = "mrc"

    def __init__(self, url: str) -> None:
        self._url = url
        self._got: list[dict[str, Any]] = []
        self.asked = 0
        self._began = time.monotonic()
        self._thread = threading.Thread(target=self._wait, daemon=True)
        self._thread.start()

    def gets(self) -> list[dict[str, Any]]:
        self._thread.join(2 * WAIT_SECONDS)
        return self._got

    def most_asks(self) -> int:
        """Return how often a site asks that waits each time for as long as a poll may."""
        return 1 + int((time.monotonic() - self._began) / WAIT_SECONDS)

    def _wait(self) -> None:
        with httpx.Client(trust_env=False, timeout=2 * WAIT_SECONDS) as client:
            site = over_http(self._url, client, self.SITE)
            while not self._got:
                self.asked += 1
                reply = site.posts("getnewjobs", {"site": self.SITE, "waitSeconds": WAIT_SECONDS})
                if reply.status == 503:
                    time.sleep(float(reply.headers["Retry-After"]))
                else:
                    self._got = reply.jobs


def is_away(desk: servers.Server, client: httpx.Client, seconds: float) -> None:
    """See, for so long, that whoever asks is told to come again, and nothing of where the database is."""
    here, end = over_http(desk.url, client, "tst"), time.monotonic() + seconds
    until(lambda: here.asks().status == 503)
    while time.monotonic() < end:
        refused = here.asks()
        assert (refused.status, int(refused.headers["Retry-After"]) > 0) == (503, True)
        assert PASSWORD_IN_URL not in refused.text
        assert client.get(f"{desk.url}/healthz").status_code == 200
        assert client.get(f"{desk.url}/readyz").status_code == 503
        time.sleep(0.2)


def pool_is_healthy(cluster: postgres.Cluster, url: str, desk: servers.Server) -> None:
    """See that nothing is left over on the server: no more connections than are set, none of them in the middle."""
    ours = "application_name = 'jobs_server' AND datname"
    name = url.rpartition("/")[2]
    (states,) = cluster.run(f"SELECT array_agg(state) FROM pg_stat_activity WHERE {ours} = '{name}'")[0]
    assert isinstance(states, list)
    assert set(states) == {"idle"}
    assert len(states) <= 10 + 1
    with ThreadPoolExecutor(20) as people:
        assert set(
            people.map(lambda n: httpx.get(f"{desk.url}/readyz", trust_env=False, timeout=60).status_code, range(40))
        ) == {200}


PASSWORD_IN_URL = postgres.PASSWORD.replace(" ", "%20")
