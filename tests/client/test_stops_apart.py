"""A site that claims only what can begin hears of stops all the same, by a second poll; also of an older service."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from jobs_server.client import ClaimedJob, Job, SiteClient
from jobs_server.client.job_loop import Claims
from jobs_server.client.ledger import Ledger

from ..support import servers
from ..support.claiming import WHO, ends_as, sends, take, take_some, told
from ..support.proxy import Asked, Fate, proxied
from ..support.waiting import until


class OlderService(httpx.HTTPTransport):
    """What a service does that was made before polls for stops alone: it knows neither the key nor the header."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.read() or b"{}")
        if request.url.path.endswith("/getwaitingjobs"):
            return httpx.Response(404, text="Error: there is nothing at /jobs/getwaitingjobs")
        for key in ("stopsOnly", "only"):
            body.pop(key, None)
        headers = [each for each in request.headers.raw if each[0].lower() != b"content-length"]
        older = httpx.Request(request.method, request.url, headers=headers, content=json.dumps(body).encode())
        response = super().handle_request(older)
        response.headers.pop("X-Stops-Only", None)
        return response


@pytest.fixture
def older(client: SiteClient) -> Iterator[SiteClient]:
    """The same site at an older service."""
    with SiteClient(client.url, client.site, transport=OlderService) as older:
        yield older


@pytest.fixture(params=["this service", "an older service"])
def either(request: pytest.FixtureRequest, client: SiteClient) -> SiteClient:
    if request.param == "this service":
        return client
    older: SiteClient = request.getfixturevalue("older")
    return older


class Stopped:
    """What carries out stops, and notes them."""

    def __init__(self) -> None:
        self.came: list[str] = []

    def __call__(self, stop: ClaimedJob) -> None:
        self.came.append(stop.ulid)


def apart(client: SiteClient, ledger: Path, **options: Any) -> Claims:
    return take(client, ledger, **{"stops_apart": True, "on_stop": Stopped()} | options)


@contextmanager
def running(claims: Claims) -> Iterator[ClaimedJob]:
    """The first job, which runs until the block ends."""
    with claims:
        first = claims.next()
        assert first is not None
        yield first
        first.end()


def next_in_thread(claims: Claims) -> list[ClaimedJob]:
    """Jobs as they begin, each of which runs on until it is canceled."""
    begun: list[ClaimedJob] = []

    def begin() -> None:
        while (run := claims.next()) is not None:
            begun.append(run)

    threading.Thread(target=begin, daemon=True).start()
    return begun


def test_all_are_carried_out_in_order(either: SiteClient, ledger: Path) -> None:
    sent = [sends(either).ulid for _ in range(5)]
    assert take_some(apart(either, ledger), 5) == sent


def test_what_cannot_begin_stays_at_the_service_where_people_can_cancel_it(client: SiteClient, ledger: Path) -> None:
    sends(client)
    with running(apart(client, ledger)):
        other = sends(client)
        seen_by_both = sends(client, device="mount", action="stop")
        until(lambda: client.get(seen_by_both).status == "COMPLETE")
        assert client.get(other).status == "UNREAD"


def test_a_stop_reaches_a_site_whose_hands_are_full(either: SiteClient, ledger: Path) -> None:
    sends(either)
    stopped = Stopped()
    with running(apart(either, ledger, on_stop=stopped)) as first:
        sends(either, device="mount", action="go")
        stop = sends(either, action="stop")
        until(lambda: first.cancel_requested and stopped.came == [stop.ulid])


def other_device(job: Job, other: Job) -> bool:
    return job.device != other.device


def test_beside_what_runs_that_alone_is_claimed_which_can_begin(client: SiteClient, ledger: Path) -> None:
    with apart(client, ledger, beside=other_device) as claims:
        begun = next_in_thread(claims)
        first = sends(client)
        until(lambda: [run.ulid for run in begun] == [first.ulid])
        second = sends(client)
        focuser = sends(client, device="focuser", action="move")
        until(lambda: [run.ulid for run in begun] == [first.ulid, focuser.ulid])
        stop = sends(client, device="rotator", action="stop")
        until(lambda: client.get(stop).status == "COMPLETE")
        assert client.get(second).status == "UNREAD", "it was claimed although it cannot begin"
        begun[0].end()
        until(lambda: [run.ulid for run in begun][2:] == [second.ulid])


def test_the_roof_closes_although_a_slew_that_waits_was_sent_before(client: SiteClient, ledger: Path) -> None:
    """One unbegun job was claimed ahead, so that a `close` behind a slew that waited stayed at the desk."""

    def beside(job: Job, other: Job) -> bool:
        return "enclosure" in (job.device, other.device)

    with apart(client, ledger, beside=beside) as claims:
        begun = next_in_thread(claims)
        exposure = sends(client)
        until(lambda: [run.ulid for run in begun] == [exposure.ulid])
        slew = sends(client, device="mount", action="go")
        close = sends(client, device="enclosure", action="close")
        until(lambda: [run.ulid for run in begun] == [exposure.ulid, close.ulid])
        assert client.get(slew).status == "UNREAD"


def test_one_beside_an_older_service_waits_for_its_turn_and_no_more_is_claimed(older: SiteClient, ledger: Path) -> None:
    with apart(older, ledger, beside=other_device) as claims:
        begun = next_in_thread(claims)
        first, focuser = sends(older), sends(older, device="focuser", action="move")
        until(lambda: [run.ulid for run in begun] == [first.ulid, focuser.ulid])
        second = sends(older)
        until(lambda: older.get(second).status == "RECEIVED")
        begun[0].end()
        until(lambda: [run.ulid for run in begun][2:] == [second.ulid])


@pytest.mark.parametrize("stops_apart", [True, False])
def test_the_order_that_people_gave_is_the_order_of_work(
    client: SiteClient, ledger: Path, *, stops_apart: bool
) -> None:
    a, b, c, d = (sends(client).ulid for _ in range(4))
    client.move(d, "first", **WHO)
    client.move(a, "last", **WHO)
    client.edit(c, required_params={"time": 0, "edited": True}, **WHO)
    edited: list[str] = []

    def carry_out(run: ClaimedJob) -> None:
        if run.required_params.get("edited"):
            edited.append(run.ulid)

    assert take_some(apart(client, ledger, stops_apart=stops_apart), 4, carry_out) == [d, b, c, a]
    assert edited == [c]


def test_a_program_that_was_killed_goes_on_in_the_order_that_people_gave(client: SiteClient, ledger: Path) -> None:
    a, b, c = (sends(client).ulid for _ in range(3))
    client.move(c, "first", **WHO)
    file = Ledger(ledger, client.site)
    file.take(client.poll(claim_id=file.ids.current), file.ids.current)
    file.close()
    assert take_some(apart(client, ledger), 3) == [c, a, b]


def test_what_waits_can_be_moved_while_a_job_runs(client: SiteClient, ledger: Path) -> None:
    sends(client)
    claims = apart(client, ledger)
    with running(claims) as first:
        sends(client)
        later = sends(client)
        assert client.move(later, "first", **WHO).status == "UNREAD"
        first.end()
        run = claims.next()
        assert run is not None
        assert run.ulid == later.ulid
        run.end()


def test_a_paused_queue_begins_nothing_and_goes_on_when_it_is_resumed(client: SiteClient, ledger: Path) -> None:
    client.pause_queue("clouds", **WHO)
    with apart(client, ledger) as claims:
        begun = next_in_thread(claims)
        job = sends(client)
        stop = sends(client, device="mount", action="stop")
        until(lambda: client.get(stop).status == "COMPLETE")
        assert client.get(job).status == "UNREAD"
        client.resume_queue(**WHO)
        until(lambda: [run.ulid for run in begun] == [job.ulid])


class TestHold:
    """A site that holds new work begins stops alone."""

    def test_claims_nothing_else_until_it_goes_on(self, client: SiteClient, ledger: Path) -> None:
        claims = apart(client, ledger)
        claims.hold("unsafe: it rains")
        with claims:
            begun = next_in_thread(claims)
            job = sends(client)
            stop = sends(client, device="mount", action="stop")
            until(lambda: client.get(stop).status == "COMPLETE")
            assert (claims.held, client.get(job).status) == ("unsafe: it rains", "UNREAD")
            claims.go_on()
            until(lambda: [run.ulid for run in begun] == [job.ulid])
            assert claims.held is None

    def test_begins_nothing_that_is_in_its_hands(self, older: SiteClient, ledger: Path) -> None:
        """The service is an older one, which hands all over."""
        claims = apart(older, ledger)
        claims.hold("unsafe: it rains")
        with claims:
            begun = next_in_thread(claims)
            covered, job = sends(older), sends(older, device="mount", action="go")
            until(lambda: older.get(job).status == "RECEIVED")
            stop = sends(older, action="stop")
            until(lambda: older.get(stop).status == "COMPLETE")
            assert begun == []
            claims.go_on()
            until(lambda: [run.ulid for run in begun] == [job.ulid])
            assert told(older, covered) == ["UNREAD", "RECEIVED", "CANCELED"]

    def test_ends_in_words_what_waited_too_long(self, older: SiteClient, ledger: Path) -> None:
        claims = apart(older, ledger, max_age_seconds=0.05)
        claims.hold("unsafe: it rains")
        with claims:
            begun = next_in_thread(claims)
            job = sends(older)
            assert (ends_as(older, job, "FAILED") or "").startswith("not begun: unsafe: it rains (for ")
            assert begun == []

    def test_of_any_claims_begins_stops_alone(self, client: SiteClient, ledger: Path) -> None:
        stopped = Stopped()
        claims = take(client, ledger, on_stop=stopped, stops_apart=False)
        claims.hold("unsafe: it rains")
        with claims:
            begun = next_in_thread(claims)
            job, stop = sends(client), sends(client, device="mount", action="stop")
            until(lambda: stopped.came == [stop.ulid])
            assert (client.get(job).status, begun) == ("RECEIVED", [])
            claims.go_on()
            until(lambda: [run.ulid for run in begun] == [job.ulid])


def loses_first(of: Callable[[Asked], bool]) -> Callable[[Asked], Fate]:
    """Lose one reply of these, and let everything else pass."""
    lost: list[Asked] = []

    def choose(asked: Asked) -> Fate:
        if lost or not of(asked):
            return Fate.PASSES
        lost.append(asked)
        return Fate.REPLY_LOST

    return choose


def test_a_stop_in_a_reply_that_was_lost_comes_again(service: servers.Server, client: SiteClient, ledger: Path) -> None:
    sends(client)
    stopped = Stopped()
    sent: list[Job] = []
    choose = loses_first(lambda asked: bool(sent) and b'"stopsOnly": true' in asked.raw)
    with (
        proxied(service.port, choose) as proxy,
        SiteClient(proxy.url, client.site) as site,
        running(apart(site, ledger, on_stop=stopped, wait_seconds=1)),
    ):
        sent.append(sends(client, action="stop"))
        until(lambda: stopped.came == [sent[0].ulid])


def test_a_stop_in_a_reply_that_was_lost_with_the_program_comes_at_the_next_start(
    client: SiteClient, ledger: Path
) -> None:
    file = Ledger(ledger, client.site, with_stop_ids=True)
    assert file.stop_ids is not None
    lost_id = file.stop_ids.current
    file.close()
    stop = sends(client, device="mount", action="stop")
    assert client.poll(claim_id=lost_id, stops_only=True) == [stop]
    stopped = Stopped()
    with apart(client, ledger, on_stop=stopped):
        until(lambda: stopped.came == [stop.ulid])


def test_a_program_that_polls_for_stops_no_more_has_again_what_that_poll_got(client: SiteClient, ledger: Path) -> None:
    file = Ledger(ledger, client.site, with_stop_ids=True)
    assert file.stop_ids is not None
    lost_id = file.stop_ids.current
    file.close()
    stop = sends(client, device="mount", action="stop")
    client.poll(claim_id=lost_id, stops_only=True)
    stopped = Stopped()
    with take(client, ledger, on_stop=stopped):
        until(lambda: stopped.came == [stop.ulid])


def test_a_stop_that_the_poll_for_work_lost_comes_although_there_is_no_room_for_work(
    client: SiteClient, ledger: Path
) -> None:
    file = Ledger(ledger, client.site, with_stop_ids=True)
    lost_id = file.ids.current
    file.close()
    focuser = sends(client, device="focuser", action="move")
    stop = sends(client, device="mount", action="stop")
    assert {job.ulid for job in client.poll(claim_id=lost_id)} == {focuser.ulid, stop.ulid}
    stopped = Stopped()
    claims = apart(client, ledger, on_stop=stopped)
    claims.hold("unsafe: it rains")
    with claims:
        begun = next_in_thread(claims)
        until(lambda: stopped.came == [stop.ulid])
        assert begun == []
        claims.go_on()
        until(lambda: [run.ulid for run in begun] == [focuser.ulid])
