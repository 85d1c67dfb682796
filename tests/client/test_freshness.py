"""What is too old to begin: age counts from the hand-over, and from acceptance only for what an earlier run had."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from pathlib import Path
from typing import Any

import httpx
import pytest
from flask import Flask

from jobs_server.client import Job, SiteClient, claimer
from jobs_server.client.job_loop import Claims
from jobs_server.client.ledger import Ledger

from ..support.claiming import WHO, take
from ..support.clocks import Clocks
from ..support.waiting import until

MINUTE = 60.0


class Network(httpx.BaseTransport):
    """Brings requests to an app in this process, and its replies back unless they get lost."""

    def __init__(self, app: Flask, clocks: Clocks) -> None:
        self._wsgi = httpx.WSGITransport(app)
        self._clocks = clocks
        self.lose_replies_to: str | None = None
        self.lose_only_with = b""
        self.lost = 0
        self.held = 0  # replies that said of an id that its jobs are held back

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        reply = self._wsgi.handle_request(request)
        reply.read()
        to_be_lost = self.lose_replies_to is not None and request.url.path.endswith(self.lose_replies_to)
        if to_be_lost and self.lose_only_with in reply.content:
            self.lost += 1
            raise httpx.ReadError("the reply was lost")
        self.held += "X-Claim-Held" in reply.headers
        reply.headers["Date"] = formatdate(self._clocks.now.wall_ms / 1000, usegmt=True)
        return reply


@pytest.fixture
def network(file_app: Flask, clocks: Clocks) -> Network:
    return Network(file_app, clocks)


@pytest.fixture
def client(network: Network) -> Iterator[SiteClient]:
    with SiteClient("http://127.0.0.1/jobs", "wmd", transport=lambda: network, patience_seconds=0) as client:
        yield client


def sends(client: SiteClient, **options: Any) -> Job:
    return client.submit("camera", "camera1", "expose", {"time": 0}, **WHO, **options)


def run_before(client: SiteClient, ledger: Path) -> Ledger:
    """Leave the file of a program that ran before, and had nothing in its hands."""
    file = Ledger(ledger, client.site)
    file.close()
    return file


def crash_with(client: SiteClient, ledger: Path) -> list[str]:
    """Leave the file of a program that was killed with jobs in its hands that had not begun."""
    file = Ledger(ledger, client.site)
    entries = file.take(client.poll(claim_id=file.ids.current), file.ids.current)
    file.close()
    return [entry.job.ulid for entry in entries]


def becomes(client: SiteClient, claims: Claims, job: Job) -> str:
    """Carry out what comes until a job has ended, and return how."""

    def work() -> None:
        for run in claims:
            run.end()

    working = threading.Thread(target=work)
    working.start()
    try:
        until(lambda: client.get(job).status in ("COMPLETE", "EXPIRED"))
    finally:
        claims.close()
        working.join()
    return client.get(job).status


@pytest.mark.parametrize("minutes", [20, 59])
def test_what_waited_long_at_the_service_begins_when_the_program_starts_again(
    client: SiteClient, ledger: Path, clocks: Clocks, minutes: float
) -> None:
    run_before(client, ledger)
    job = sends(client, expires_in_seconds=3600)
    clocks.pass_by(minutes * MINUTE)
    assert becomes(client, take(client, ledger), job) == "COMPLETE"


def test_what_was_held_back_begins_when_the_program_starts_again(
    client: SiteClient, ledger: Path, clocks: Clocks
) -> None:
    run_before(client, ledger)
    job = sends(client, not_before_seconds=30 * MINUTE)
    clocks.pass_by(31 * MINUTE)
    assert becomes(client, take(client, ledger), job) == "COMPLETE"


@pytest.mark.parametrize(
    ("options", "minutes", "begins"),
    [
        ({}, 14, True),
        ({}, 16, False),
        ({"expires_in_seconds": 3600}, 16, True),
        ({"expires_in_seconds": 3600}, 61, False),
        ({"expires_in_seconds": 60}, 2, False),
        ({"not_before_seconds": 30 * MINUTE}, 44, True),
        ({"not_before_seconds": 30 * MINUTE}, 46, False),
        ({"not_before_seconds": 30 * MINUTE, "expires_in_seconds": 60}, 32, False),
    ],
)
def test_what_an_earlier_run_had_begins_while_it_would_still_be_handed_over(
    client: SiteClient, ledger: Path, clocks: Clocks, options: dict[str, float], minutes: float, begins: bool
) -> None:
    job = sends(client, **options)
    clocks.pass_by(options.get("not_before_seconds", 0))
    assert crash_with(client, ledger) == [job.ulid]
    clocks.pass_by(minutes * MINUTE - options.get("not_before_seconds", 0))
    assert becomes(client, take(client, ledger), job) == ("COMPLETE" if begins else "EXPIRED")
    assert begins or "out of the site's sight" in (client.get(job).history[-1].message or "")


def test_a_job_that_an_earlier_run_never_heard_of_counts_from_its_hand_over(
    client: SiteClient, ledger: Path, clocks: Clocks
) -> None:
    file = run_before(client, ledger)
    old = sends(client, expires_in_seconds=3600)
    clocks.pass_by(30 * MINUTE)
    assert [job.ulid for job in client.poll(claim_id=file.ids.current)] == [old.ulid]  # its reply was lost
    clocks.pass_by(14 * MINUTE)
    assert becomes(client, take(client, ledger), old) == "COMPLETE"


def test_what_was_handed_over_too_long_ago_does_not_begin(client: SiteClient, ledger: Path, clocks: Clocks) -> None:
    file = run_before(client, ledger)
    old = sends(client, expires_in_seconds=3600)
    assert [job.ulid for job in client.poll(claim_id=file.ids.current)] == [old.ulid]  # its reply was lost
    clocks.pass_by(16 * MINUTE)
    assert becomes(client, take(client, ledger), old) == "EXPIRED"
    assert "out of the site's sight" in (client.get(old).history[-1].message or "")


def test_what_was_held_back_longer_than_the_greatest_age_begins_after_a_lost_reply(
    client: SiteClient, ledger: Path, clocks: Clocks, network: Network
) -> None:
    job = sends(client, not_before_seconds=30 * MINUTE)
    network.lose_replies_to = "getnewjobs"
    with take(client, ledger) as claims:
        until(lambda: network.lost)
        clocks.pass_by(31 * MINUTE)
        network.lose_replies_to = None
        assert becomes(client, claims, job) == "COMPLETE"


def test_what_a_lock_out_held_back_longer_begins_when_it_is_lifted(
    client: SiteClient, ledger: Path, clocks: Clocks, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claimer, "HELD_SECONDS", 0.05)
    network.lose_replies_to, network.lose_only_with = "getnewjobs", b'"ulid"'  # not those that say that nothing waits
    job = sends(client)
    with take(client, ledger) as claims:
        until(lambda: client.get(job).status == "RECEIVED")
        post = httpx.Client(transport=network, base_url="http://127.0.0.1/jobs").post
        assert post("/lockout", json={"site": "wmd", "note": "hands on the mount", **WHO}).status_code == 200
        network.lose_replies_to = None
        stop = client.submit("camera", "camera2", "stop", **WHO)
        stopping = claims.next()  # it comes by another id: the service has said of the first that it is held back
        assert stopping is not None
        assert stopping.ulid == stop.ulid
        stopping.end()
        clocks.pass_by(60 * MINUTE)
        told = network.held
        until(lambda: network.held > told + 1)  # the site was there all this hour, and heard each time that it is held
        assert post("/liftlockout", json={"site": "wmd", "cancelWaiting": False, **WHO}).status_code == 200
        assert becomes(client, claims, job) == "COMPLETE"


def test_it_waits_for_the_service_to_say_how_old_a_job_is(
    client: SiteClient, ledger: Path, clocks: Clocks, file_app: Flask
) -> None:
    run_before(client, ledger)
    job = sends(client, expires_in_seconds=3600)
    clocks.pass_by(20 * MINUTE)
    losing = Network(file_app, clocks)
    losing.lose_replies_to = "getjob"
    with SiteClient(client.url, "wmd", transport=lambda: losing) as site, ThreadPoolExecutor(1) as threads:
        end = threads.submit(becomes, client, take(site, ledger), job)
        until(lambda: losing.lost)
        losing.lose_replies_to = None
        assert end.result() == "COMPLETE"


def test_only_what_differs_from_the_usual_is_told_of_a_job(client: SiteClient) -> None:
    usual, own = sends(client), sends(client, expires_in_seconds=3600, not_before_seconds=90)
    assert {"expiresInSeconds", "notBeforeSeconds"}.isdisjoint(client.get(usual).wire)
    assert (client.get(own).expires_in_seconds, client.get(own).not_before_seconds) == (3600, 90)
