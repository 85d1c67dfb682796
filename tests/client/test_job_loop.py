"""A site that takes its jobs with `claims`: none twice, none lost in silence, none stale, and a stop wins."""

from __future__ import annotations

import errno
import json
import math
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from jobs_server.client import BadRequest, ClaimedJob, Job, SiteClient, SiteClientError, claimer
from jobs_server.client.freshness import age_seconds
from jobs_server.client.job_loop import Claims
from jobs_server.client.ledger import Entry, Ledger
from jobs_server.client.running_job import ENDS
from jobs_server.domain import lifecycle

from ..support import servers
from ..support.claiming import WHO, ends_as, sends, take, take_some, told
from ..support.proxy import Asked, Fate, answer, proxied
from ..support.waiting import until

MINUTE_MS = 60_000


def test_jobs_are_carried_out_in_order_and_their_ends_reported(client: SiteClient, ledger: Path) -> None:
    sent = [sends(client) for _ in range(3)]
    assert take_some(take(client, ledger), 3) == [job.ulid for job in sent]
    for job in sent:
        assert told(client, job) == ["UNREAD", "RECEIVED", "STARTED", "COMPLETE"]


def test_a_failure_is_reported_with_its_words_and_the_next_job_follows(client: SiteClient, ledger: Path) -> None:
    jammed, fine = sends(client), sends(client)

    def carry_out(job: ClaimedJob) -> None:
        if job.ulid == jammed.ulid:
            raise OSError("the filter wheel is jammed")

    take_some(take(client, ledger), 2, carry_out)
    assert ends_as(client, jammed, "FAILED") == "OSError: the filter wheel is jammed"
    assert client.get(fine).status == "COMPLETE"


def test_a_program_that_is_stopped_says_so(client: SiteClient, ledger: Path) -> None:
    job = sends(client)

    def interrupt(_job: ClaimedJob) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take_some(take(client, ledger), 1, interrupt)
    assert ends_as(client, job, "FAILED") == "the site's program was ended while this ran (KeyboardInterrupt)"


def test_statuses_of_its_own_and_estimates_are_told(client: SiteClient, ledger: Path) -> None:
    job = sends(client)

    def expose(run: ClaimedJob) -> None:
        for number in (1, 2, 3):
            run.report(f"EXPOSING {number}/3", 90 - number)

    take_some(take(client, ledger), 1, expose)
    exposing = [event for event in client.get(job).history if event.after.startswith("EXPOSING")]
    assert [(event.after, event.seconds_until_complete) for event in exposing] == [
        *(("EXPOSING 1/3", 89), ("EXPOSING 2/3", 88), ("EXPOSING 3/3", 87))
    ]


@pytest.mark.parametrize("status", ["", " ", "x" * 65, "A#B", "A\0"])
def test_a_status_that_the_service_would_refuse_is_refused_at_once(
    client: SiteClient, ledger: Path, status: str
) -> None:
    job = sends(client)
    take_some(take(client, ledger), 1, lambda run: run.report(status))
    assert "a status is 1 to 64 characters without #" in (ends_as(client, job, "FAILED") or "")


def test_estimates_are_kept_fresh(client: SiteClient, ledger: Path) -> None:
    job = sends(client)

    def expose(run: ClaimedJob) -> None:
        run.report("EXPOSING", 5000)
        until(lambda: told(client, job).count("EXPOSING") >= 3)

    take_some(take(client, ledger, heartbeat_seconds=0.1), 1, expose)
    estimates = [event.seconds_until_complete or 0 for event in client.get(job).history if event.after == "EXPOSING"]
    assert estimates == sorted(estimates, reverse=True)


def test_a_running_job_that_somebody_cancels_ends(client: SiteClient, ledger: Path) -> None:
    job = sends(client)
    aborted = threading.Event()

    def expose(run: ClaimedJob) -> None:
        run.when_canceled(aborted.set)
        client.cancel(job, **WHO)
        run.wait(60)

    take_some(take(client, ledger), 1, expose)
    assert aborted.wait(30)
    assert told(client, job) == ["UNREAD", "RECEIVED", "STARTED", "CANCELED"]


def test_a_job_that_breaks_off_when_canceled_is_canceled(client: SiteClient, ledger: Path) -> None:
    job = sends(client)

    def expose(run: ClaimedJob) -> None:
        aborted = threading.Event()
        run.when_canceled(aborted.set)
        client.cancel(job, **WHO)
        assert aborted.wait(60)
        raise OSError("exposure aborted")

    take_some(take(client, ledger), 1, expose)
    assert ends_as(client, job, "CANCELED") == "ended when it was canceled: exposure aborted"


def test_what_was_done_in_spite_of_a_cancel_is_complete(client: SiteClient, ledger: Path) -> None:
    job = sends(client)
    take_some(take(client, ledger), 1, lambda _run: client.cancel(job, **WHO))
    assert client.get(job).status == "COMPLETE"


def test_a_stop_acts_while_a_job_runs(client: SiteClient, ledger: Path) -> None:
    exposing, waiting = sends(client), sends(client)
    obeyed: list[str] = []
    with take(client, ledger, on_stop=lambda stop: obeyed.append(stop.ulid)) as claims:
        run = claims.next()
        assert run is not None
        with run:
            stop = sends(client, action="stop")
            run.wait(3600)
        until(lambda: obeyed == [stop.ulid])
        ends_as(client, stop, "COMPLETE")
    assert run.ulid == exposing.ulid
    assert client.get(exposing).status == "CANCELED"
    assert client.get(waiting).status == "CANCELED"


def test_without_on_stop_the_stop_is_the_next_job(client: SiteClient, ledger: Path) -> None:
    exposing, other = sends(client), sends(client, device="mount", action="go")
    stops: list[Job] = []

    def carry_out(run: ClaimedJob) -> None:
        if run.ulid == exposing.ulid:
            stops.append(sends(client, action="stop"))
            until(lambda: stops[0].ulid in ledger.read_text(encoding="utf-8"))  # it has come, and not the cancel alone
            run.wait(3600)

    assert take_some(take(client, ledger), 3, carry_out) == [exposing.ulid, stops[0].ulid, other.ulid]
    assert [client.get(job).status for job in (exposing, stops[0], other)] == ["CANCELED", "COMPLETE", "COMPLETE"]


def test_what_is_canceled_in_the_sites_own_queue_never_begins(client: SiteClient, ledger: Path) -> None:
    first, canceled, last = (sends(client) for _ in range(3))

    def expose(run: ClaimedJob) -> None:
        if run.ulid == first.ulid:
            until(lambda: client.get(canceled).status == "RECEIVED")
            client.cancel(canceled, **WHO)

    claims = take(client, ledger, stops_apart=False)  # all that waits is in the site's hands at once
    assert take_some(claims, 2, expose) == [first.ulid, last.ulid]
    assert told(client, canceled) == ["UNREAD", "RECEIVED", "CANCELED"]


def test_jobs_run_beside_each_other_where_the_site_says_so(client: SiteClient, ledger: Path) -> None:
    sent = [sends(client, device=device) for device in ("camera", "mount", "camera", "dome")]
    both = threading.Barrier(3, timeout=30)
    begun: list[str] = []
    lock = threading.Lock()

    def carry_out(run: ClaimedJob) -> None:
        with run:
            with lock:
                begun.append(run.ulid)
                first_three = len(begun) <= 3
            if first_three:
                both.wait()

    claims = take(client, ledger, beside=lambda job, other: job.device != other.device)
    with claims, ThreadPoolExecutor(4) as threads:
        for _ in sent:
            run = claims.next()
            assert run is not None
            threads.submit(carry_out, run)
    assert set(begun[:3]) == {sent[0].ulid, sent[1].ulid, sent[3].ulid}
    assert begun[3] == sent[2].ulid


def test_a_second_program_on_the_same_file_is_refused(client: SiteClient, ledger: Path) -> None:
    with take(client, ledger), pytest.raises(SiteClientError, match="another program that takes jobs"):
        take(client, ledger)


def test_another_sites_file_is_refused(client: SiteClient, ledger: Path) -> None:
    Ledger(ledger, "elsewhere").close()
    with pytest.raises(SiteClientError, match="name another file"):
        take(client, ledger)


@pytest.mark.parametrize("damaged", ["", "[]", '{"version": 1}', "\0" * 9])
def test_a_damaged_file_is_refused_with_what_to_do(client: SiteClient, ledger: Path, damaged: str) -> None:
    ledger.write_text(damaged, encoding="utf-8")
    with pytest.raises(SiteClientError, match="see what the telescope does, then move the file away"):
        take(client, ledger)


def test_a_site_that_may_not_claim_is_told(tmp_path: Path, ledger: Path) -> None:
    with (
        servers.running("gunicorn", tmp_path / "instance", {"JOBS_SITES": "mrc1"}) as server,
        SiteClient(server.url, "wmd") as client,
        pytest.raises(BadRequest, match="site must be one of mrc1, not wmd"),
    ):
        take_some(take(client, ledger), 1)


def test_ends_are_told_when_the_service_is_back(tmp_path: Path, ledger: Path) -> None:
    server = servers.start("gunicorn", tmp_path / "instance")
    with SiteClient(server.url, "wmd") as client, take(client, ledger) as claims:
        job = sends(client)
        run = claims.next()
        assert run is not None
        server.kill()
        run.report("EXPOSING", 5)
        run.end("COMPLETE", "a fine frame")
        back = servers.start("gunicorn", tmp_path / "instance", port=server.port)
        with servers.stopped_at_the_end(back):
            assert ends_as(client, job, "COMPLETE") == "a fine frame"


@contextmanager
def site_program(url: str, site: str, folder: Path, max_age_seconds: float = 900) -> Iterator[Callable[[], list[str]]]:
    """Run the software of a site as a process, and kill it at the end of the block; gives its diary."""
    arguments = [url, site, str(folder), str(max_age_seconds)]
    command = [sys.executable, "-m", "tests.support.site_program", *arguments]
    diary = folder / "diary"
    process = subprocess.Popen(command, cwd=servers.ROOT, stderr=subprocess.DEVNULL)
    try:
        yield lambda: diary.read_text(encoding="utf-8").splitlines() if diary.exists() else []
        assert process.poll() is None, "the site's program ended by itself"
    finally:
        process.kill()
        process.wait()


def test_a_killed_program_begins_nothing_twice_and_says_what_it_cannot_know(client: SiteClient, tmp_path: Path) -> None:
    finished, running, queued = sends(client), sends(client, seconds=3600), sends(client)
    with site_program(client.url, client.site, tmp_path) as diary:
        until(lambda: f"begun {running.ulid}" in diary())
        until(lambda: client.get(queued).status == "RECEIVED")
    with site_program(client.url, client.site, tmp_path) as diary:
        message = ends_as(client, running, "LOST")
        assert message is not None
        assert "what became of it is not known" in message
        ends_as(client, queued, "COMPLETE")
        assert diary() == [
            *(f"begun {finished.ulid}", f"done {finished.ulid}", f"begun {running.ulid}"),
            *(f"begun {queued.ulid}", f"done {queued.ulid}"),
        ]


def test_a_claim_whose_reply_was_lost_is_had_after_a_crash(
    service: servers.Server, client: SiteClient, tmp_path: Path
) -> None:
    job = sends(client)
    lose = {"getnewjobs": Fate.REPLY_LOST}

    def choose(asked: Asked) -> Fate:
        return lose.get(asked.route, Fate.PASSES)

    with proxied(service.port, choose) as proxy:
        with site_program(proxy.url, client.site, tmp_path) as diary:
            until(lambda: client.get(job).status == "RECEIVED")
        assert diary() == []
        lose.clear()
        with site_program(proxy.url, client.site, tmp_path) as diary:
            ends_as(client, job, "COMPLETE")
            assert diary() == [f"begun {job.ulid}", f"done {job.ulid}"]


def test_what_is_too_old_after_a_crash_does_not_begin(client: SiteClient, tmp_path: Path) -> None:
    running, queued = sends(client, seconds=3600), sends(client)
    with site_program(client.url, client.site, tmp_path) as diary:
        until(lambda: f"begun {running.ulid}" in diary())
        until(lambda: client.get(queued).status == "RECEIVED")
    with site_program(client.url, client.site, tmp_path, max_age_seconds=0) as diary:
        assert "out of the site's sight" in (ends_as(client, queued, "EXPIRED") or "")
        fresh = sends(client)
        ends_as(client, fresh, "COMPLETE")
        assert diary() == [f"begun {running.ulid}", f"begun {fresh.ulid}", f"done {fresh.ulid}"]


def test_a_program_that_is_told_to_begins_old_jobs(client: SiteClient, ledger: Path) -> None:
    job = sends(client)
    with take(client, ledger):
        until(lambda: client.get(job).status == "RECEIVED")
    assert take_some(take(client, ledger, max_age_seconds=None), 1) == [job.ulid]


@pytest.mark.parametrize(
    ("server_ms", "here_ms", "seconds"),
    [
        (10 * MINUTE_MS, MINUTE_MS, 600),
        (MINUTE_MS, 10 * MINUTE_MS, 600),
        (-30_000, 2000, 2),  # within what clocks may differ
        (-2 * MINUTE_MS, 2000, None),  # the service's clock was set back
        (None, 2000, None),
    ],
)
def test_a_jobs_age_goes_by_clocks_compared_with_themselves(
    server_ms: int | None, here_ms: int, seconds: float | None
) -> None:
    accepted_ms, received_ms = 1_800_000_000_000, 1_500_000_000_000  # this machine's clock is years behind
    now_ms = None if server_ms is None else accepted_ms + server_ms
    assert age_seconds(accepted_ms, now_ms, received_ms, received_ms + here_ms) == seconds


def test_a_claim_whose_jobs_were_canceled_before_the_reply_came_holds_nothing_up(
    service: servers.Server, client: SiteClient, ledger: Path
) -> None:
    canceled = sends(client)
    losing = [Fate.REPLY_LOST]

    def choose(asked: Asked) -> Fate:
        if asked.route != "getnewjobs" or client.get(canceled).status == "CANCELED":
            return Fate.PASSES
        return losing[0]

    with (
        proxied(service.port, choose) as proxy,
        SiteClient(proxy.url, client.site) as site,
        take(site, ledger, stops_apart=False) as claims,
    ):
        until(lambda: client.get(canceled).status == "RECEIVED")
        client.cancel(canceled, **WHO)
        stop = sends(client, action="stop")
        run = claims.next()
        assert run is not None
        assert run.ulid == stop.ulid
        run.end()


def test_an_id_that_the_network_spent_is_not_used_for_ever(
    service: servers.Server, client: SiteClient, ledger: Path
) -> None:
    canceled = sends(client)
    spent: list[str] = []

    def choose(asked: Asked) -> Fate:
        if asked.route == "getnewjobs" and not spent:  # it is delivered twice, and the job is canceled in between
            spent.append(json.loads(asked.raw.partition(b"\r\n\r\n")[2])["claimId"])
            assert [job.ulid for job in client.poll(claim_id=spent[0])] == [canceled.ulid]
            client.cancel(canceled, **WHO)
        return Fate.PASSES

    with proxied(service.port, choose) as proxy, SiteClient(proxy.url, client.site) as site:
        with take(site, ledger):
            until(lambda: spent)
            job = sends(client)
            until(lambda: client.get(job).status == "RECEIVED")
        assert client.get(canceled).status == "CANCELED"


@pytest.mark.parametrize("stopped", [False, True], ids=["nothing else", "a stop meanwhile"])
def test_what_a_lockout_holds_back_of_a_lost_reply_is_had_when_it_is_lifted(
    service: servers.Server, client: SiteClient, ledger: Path, monkeypatch: pytest.MonkeyPatch, *, stopped: bool
) -> None:
    monkeypatch.setattr(claimer, "ASK_AGAIN_SECONDS", (0.0, 0.0))
    monkeypatch.setattr(claimer, "HELD_SECONDS", 0.05)
    file = Ledger(ledger, client.site)
    file.close()
    job = sends(client)
    assert [had.ulid for had in client.poll(claim_id=file.ids.current)] == [job.ulid]  # its reply was lost
    holder = {"site": client.site, "note": "hands on the mount", **WHO}
    assert httpx.post(f"{client.url}/lockout", json=holder).status_code == 200
    stops = [sends(client, device="mount", action="stop").ulid] if stopped else []
    asked: list[str] = []

    def choose(request: Asked) -> Fate:
        if request.route == "getnewjobs":
            asked.append(json.loads(request.raw.partition(b"\r\n\r\n")[2])["claimId"])
        return Fate.PASSES

    with (
        proxied(service.port, choose) as proxy,
        SiteClient(proxy.url, client.site) as site,
        take(site, ledger) as claims,
    ):
        assert [carried_out(claims) for _ in stops] == stops
        until(lambda: asked.count(file.ids.current) > 4)  # for as long as it lasts
        until(lambda: set(asked) > {file.ids.current})  # and for new jobs too
        until(lambda: retired(ledger) == [file.ids.current])  # a new start knows it
        lift = {"site": client.site, "cancelWaiting": False, **WHO}
        assert httpx.post(f"{client.url}/liftlockout", json=lift).status_code == 200
        assert carried_out(claims) == job.ulid
        until(lambda: file.ids.current not in asked[-3:])


def retired(ledger: Path) -> list[str]:
    kept: list[str] = json.loads(ledger.read_text(encoding="utf-8"))["retired"]
    return kept


def carried_out(claims: Claims) -> str:
    run = claims.next()
    assert run is not None
    run.end()
    return run.ulid


def test_what_comes_late_while_the_program_ends_is_had_at_the_next_start(
    service: servers.Server, client: SiteClient, ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claimer, "ASK_AGAIN_SECONDS", (0.1, 60.0))
    file = Ledger(ledger, client.site)
    lost_id = file.ids.current
    file.retire(lost_id)
    file.close()
    late, running = sends(client), threading.Event()
    assert [job.ulid for job in client.poll(claim_id=lost_id)] == [late.ulid]
    first = sends(client)

    def choose(asked: Asked) -> Fate:
        if asked.route != "getnewjobs" or lost_id.encode() not in asked.raw:
            return Fate.PASSES
        if not running.is_set():
            return Fate.REQUEST_LOST
        claims.close()  # while the first job runs
        return Fate.PASSES

    with proxied(service.port, choose) as proxy, SiteClient(proxy.url, client.site) as site:
        with take(site, ledger) as claims:
            run = claims.next()
            assert run is not None
            assert run.ulid == first.ulid
            running.set()
            assert claims.next() is None
            for thread in claims._threads:
                thread.join(10)
            run.end()
        assert lost_id in ledger.read_text(encoding="utf-8")
        assert take_some(take(client, ledger), 1) == [late.ulid]


def test_an_old_id_that_cannot_be_asked_keeps_no_job_waiting(
    service: servers.Server, client: SiteClient, ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claimer, "ASK_AGAIN_SECONDS", (0.0, 60.0))
    file = Ledger(ledger, client.site)
    old_id = file.ids.current
    file.retire(old_id)
    file.close()
    job = sends(client)

    def choose(asked: Asked) -> Fate:
        return Fate.REQUEST_LOST if old_id.encode() in asked.raw else Fate.PASSES

    with proxied(service.port, choose) as proxy, SiteClient(proxy.url, client.site) as site, take(site, ledger):
        until(lambda: client.get(job).status == "RECEIVED")


@pytest.mark.parametrize("seconds", [math.inf, math.nan, Decimal("5.5")])
def test_whatever_number_a_library_gives_the_end_is_told(client: SiteClient, ledger: Path, seconds: Any) -> None:
    job = sends(client)
    take_some(take(client, ledger), 1, lambda run: run.report("EXPOSING", seconds, ValueError("a remark")))
    ends_as(client, job, "COMPLETE")


def test_an_end_may_be_told_with_an_exception_in_odd_characters(client: SiteClient, ledger: Path) -> None:
    first, second = sends(client), sends(client)
    failure = OSError("camera says \0 in /data/\udc80.fits")
    take_some(take(client, ledger), 2, lambda run: run.end("FAILED", failure))
    for job in (first, second):
        assert ends_as(client, job, "FAILED") == "camera says \\0 in /data/\\udc80.fits"


def test_a_word_that_is_no_end_to_the_service_is_refused_before_it_is_told(client: SiteClient, ledger: Path) -> None:
    job = sends(client)
    take_some(take(client, ledger), 1, lambda run: run.end("DONE"))
    assert "'DONE' is no end to the service" in (ends_as(client, job, "FAILED") or "")


def test_the_client_and_the_service_know_the_same_ends() -> None:
    assert {word for listed in lifecycle.END_WORDS.values() for word in listed} == ENDS
    assert {word for word in ENDS if lifecycle.classify(word) is lifecycle.Report.END} == ENDS


def test_a_report_that_comes_after_the_end_does_not_take_its_place(
    service: servers.Server, client: SiteClient, ledger: Path
) -> None:
    job, away = sends(client), {"updatejobstatus": Fate.REQUEST_LOST}
    with (
        proxied(service.port, lambda asked: away.get(asked.route, Fate.PASSES)) as proxy,
        SiteClient(proxy.url, client.site) as site,
        take(site, ledger) as claims,
    ):
        run = claims.next()
        assert run is not None
        ending = threading.Thread(target=run.end)
        ending.start()
        until(lambda: '"stage": "ended"' in ledger.read_text(encoding="utf-8"))
        run.report("READING OUT", 5)  # by a thread of the site's own
        tried = proxy.routes["updatejobstatus"]
        until(lambda: proxy.routes["updatejobstatus"] > tried + 1)  # in vain
        away.clear()
        ends_as(client, job, "COMPLETE")
        ending.join()


def test_a_stop_is_obeyed_once_although_the_disk_is_full(
    client: SiteClient, ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    obeyed: list[str] = []
    running = sends(client, seconds=3600)
    with take(client, ledger, on_stop=lambda stop: obeyed.append(stop.ulid)) as claims:
        run = claims.next()
        assert run is not None
        with monkeypatch.context() as disk:
            disk.setattr(Ledger, "_write", no_space)
            stop = sends(client, action="stop")
            until(lambda: obeyed)
            assert run.cancel_requested
            run.end("CANCELED")
        ends_as(client, stop, "COMPLETE")
    ends_as(client, running, "CANCELED")
    assert obeyed == [stop.ulid]


def test_a_disk_that_fails_for_a_moment_keeps_no_job_from_its_begin(
    client: SiteClient, ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, faults, write = sends(client), [OSError("busy"), OSError("busy")], Ledger.started

    def started(file: Ledger, entry: Entry) -> None:
        if faults:
            raise faults.pop()
        write(file, entry)

    monkeypatch.setattr(Ledger, "started", started)
    assert take_some(take(client, ledger), 1) == [job.ulid]
    assert not faults


@pytest.mark.parametrize("status", ["302 Found", "401 Unauthorized", "404 Not Found"])
def test_a_page_of_somebody_else_is_not_taken_for_the_services_word(
    service: servers.Server, client: SiteClient, ledger: Path, status: str
) -> None:
    job, met = sends(client), set[str]()

    def choose(asked: Asked) -> Fate | bytes:
        if asked.route in met:
            return Fate.PASSES
        met.add(asked.route)
        return answer(status, "<html>Welcome to the hotel</html>")

    with proxied(service.port, choose) as proxy, SiteClient(proxy.url, client.site) as site:
        assert take_some(take(site, ledger), 1) == [job.ulid]
        ends_as(client, job, "COMPLETE")
    assert {"getnewjobs", "startjob", "updatejobstatus"} <= met


def test_an_end_that_the_services_settings_refuse_is_told_when_they_are_put_right(
    service: servers.Server, client: SiteClient, ledger: Path
) -> None:
    job, other = sends(client), sends(client)
    refused = "Error: site must be one of mrc1, not wmd"
    refusals = [answer("400 Bad Request", refused) for _ in range(4)]

    def choose(asked: Asked) -> Fate | bytes:
        return refusals.pop() if refusals and asked.route == "updatejobstatus" else Fate.PASSES

    with proxied(service.port, choose) as proxy, SiteClient(proxy.url, client.site) as site:
        take_some(take(site, ledger), 2, lambda run: run.end("FAILED", "the lamp is broken"))
    for each in (job, other):
        ends_as(client, each, "FAILED")


def test_a_site_that_may_not_claim_for_a_moment_hears_the_stop_of_what_runs(
    service: servers.Server, client: SiteClient, ledger: Path
) -> None:
    sends(client, seconds=3600)
    refusals: list[bytes] = []

    def choose(asked: Asked) -> Fate | bytes:
        return refusals.pop() if refusals and asked.route == "getnewjobs" else Fate.PASSES

    with (
        proxied(service.port, choose) as proxy,
        SiteClient(proxy.url, client.site) as site,
        take(site, ledger, on_stop=lambda _stop: None) as claims,
    ):
        run = claims.next()
        assert run is not None
        refusals.append(answer("401 Unauthorized", "[]", X_Error="Error: this needs a valid site token"))
        until(lambda: not refusals)
        ends_as(client, sends(client, action="stop"), "COMPLETE")
        until(lambda: run.cancel_requested)
        run.end("CANCELED")


def test_a_job_whose_stop_is_quicker_than_the_answer_to_its_start_does_not_begin(
    service: servers.Server, client: SiteClient, ledger: Path
) -> None:
    job, asked_again = sends(client), threading.Event()

    def choose(asked: Asked) -> Fate:
        if asked.route != "startjob" or asked_again.is_set():
            return Fate.PASSES
        asked_again.set()
        body = json.loads(asked.raw.partition(b"\r\n\r\n")[2])
        client.start(body["ulid"], claim_id=body["claimId"])  # it is delivered, and its answer is slow
        sends(client, action="stop")
        return Fate.DELAYED

    begun: list[str] = []
    with (
        proxied(service.port, choose, delay_seconds=0.5) as proxy,
        SiteClient(proxy.url, client.site) as site,
        take(site, ledger, on_stop=lambda _stop: None) as claims,
    ):
        working = threading.Thread(target=lambda: begun.extend(run.ulid for run in claims))
        working.start()
        assert ends_as(client, job, "CANCELED") == "not begun: it was canceled first"
        claims.close()
        working.join()
    assert begun == []


def test_a_job_whose_start_was_not_answered_for_too_long_does_not_begin(
    service: servers.Server, client: SiteClient, ledger: Path
) -> None:
    job = sends(client)
    first: list[float] = []

    def choose(asked: Asked) -> Fate:
        if asked.route == "startjob":
            first.append(time.monotonic())
        return Fate.REPLY_LOST if asked.route == "startjob" and first[-1] - first[0] < 2 else Fate.PASSES

    with (
        proxied(service.port, choose) as proxy,
        SiteClient(proxy.url, client.site) as site,
        take(site, ledger, max_age_seconds=1) as claims,
    ):
        working = threading.Thread(target=claims.next)
        working.start()
        assert "the service did not say that it may" in (ends_as(client, job, "EXPIRED") or "")
        claims.close()
        working.join()


def test_a_stop_is_obeyed_however_old_it_is(client: SiteClient, ledger: Path) -> None:
    file = Ledger(ledger, client.site)
    file.close()
    stop = sends(client, action="stop")
    client.poll(claim_id=file.ids.current)  # its answer was lost, and then the service was away for long
    assert take_some(take(client, ledger, max_age_seconds=0), 1) == [stop.ulid]


def test_an_id_stays_in_use_when_its_successor_cannot_be_kept(ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = Ledger(ledger, "wmd")
    claim_id = file.ids.current
    with monkeypatch.context() as disk:
        disk.setattr(Ledger, "_write", no_space)
        with pytest.raises(OSError, match="No space"):
            file.retire(claim_id)
        assert (file.ids.current, file.ids.retired) == (claim_id, set())
        with pytest.raises(OSError, match="No space"):
            file.close()
    Ledger(ledger, "wmd").close()  # it was let go all the same


def test_a_folder_that_cannot_be_made_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(SiteClientError, match="cannot be used"):
        Ledger(tmp_path / "file" / "claims.json", "wmd")


def no_space(*_arguments: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")
