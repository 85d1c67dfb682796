"""Ending a job that runs: what halts it has done so before anything else begins."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs_server.client import Canceled, ClaimedJob, SiteClient

from ..support import servers
from ..support.claiming import WHO, ends_as, sends, take, take_some
from ..support.waiting import until


class Mount:
    """A mount that halts slowly: it obeys a halt only when it is let go on, and stops whatever it does then."""

    def __init__(self) -> None:
        self.moves_for: str | None = None
        self.halted: list[str | None] = []
        self.asked = threading.Event()
        self.answers = threading.Event()

    def slew(self, run: ClaimedJob) -> None:
        self.moves_for = run.ulid
        run.when_canceled(self.halt)

    def halt(self) -> None:
        self.asked.set()
        assert self.answers.wait(60)
        self.halted.append(self.moves_for)


def test_an_abort_does_not_reach_the_next_job(client: SiteClient, ledger: Path) -> None:
    mount = Mount()
    first, second = sends(client, device="mount", action="go"), sends(client, device="mount", action="go")

    def carry_out(run: ClaimedJob) -> None:
        mount.slew(run)
        if run.ulid == first.ulid:
            client.cancel(first, **WHO)
            assert mount.asked.wait(60)
            threading.Timer(0.3, mount.answers.set).start()
            run.wait(60)

    assert take_some(take(client, ledger), 2, carry_out) == [first.ulid, second.ulid]
    assert mount.halted == [first.ulid]
    ends_as(client, first, "CANCELED")
    ends_as(client, second, "COMPLETE")


def test_nothing_begins_until_the_abort_has_returned_but_what_may_run_beside(client: SiteClient, ledger: Path) -> None:
    mount, begun = Mount(), list[str]()
    sent = [sends(client, device=device) for device in ("mount", "mount", "dome")]
    with take(client, ledger, beside=lambda job, other: job.device != other.device) as claims:
        run = claims.next()
        assert run is not None
        mount.slew(run)
        client.cancel(run.job, **WHO)
        assert mount.asked.wait(60)
        ending = threading.Thread(target=run.end, args=("CANCELED",))
        ending.start()
        for _ in range(2):
            following = claims.next()
            assert following is not None
            begun.append(following.ulid)
            if following.device == "dome":
                assert mount.halted == []
                threading.Timer(0.5, mount.answers.set).start()
            else:
                assert mount.halted == [run.ulid]
            following.end()
        ending.join()
    assert begun == [sent[2].ulid, sent[1].ulid]


@pytest.mark.parametrize("end", [ClaimedJob.end, ClaimedJob.abandon])
def test_every_end_waits_for_the_abort(client: SiteClient, ledger: Path, end: object) -> None:
    mount = Mount()
    job, other = sends(client), sends(client)
    with take(client, ledger) as claims:
        run = claims.next()
        assert run is not None
        mount.slew(run)
        client.cancel(job, **WHO)
        assert mount.asked.wait(60)
        ending = threading.Thread(target=end, args=(run,))  # type: ignore[arg-type]
        ending.start()
        threading.Timer(0.5, mount.answers.set).start()
        following = claims.next()
        assert following is not None
        assert (following.ulid, mount.halted) == (other.ulid, [job.ulid])
        following.end()
        ending.join()


def test_an_abort_that_does_not_return_holds_the_next_job_up_for_so_long_only(client: SiteClient, ledger: Path) -> None:
    mount = Mount()
    first, second = sends(client), sends(client)

    def carry_out(run: ClaimedJob) -> None:
        if run.ulid == first.ulid:
            mount.slew(run)
            client.cancel(first, **WHO)
            run.wait(60)

    assert take_some(take(client, ledger, abort_seconds=0.1), 2, carry_out) == [first.ulid, second.ulid]
    mount.answers.set()


def test_a_cancel_after_the_end_aborts_nothing(client: SiteClient, ledger: Path) -> None:
    mount = Mount()
    sends(client)
    with take(client, ledger) as claims:
        run = claims.next()
        assert run is not None
        mount.slew(run)
        run.end()
        run.request_cancel()
        run.when_canceled(mount.halt)
    assert not mount.asked.is_set()


def test_an_abort_may_end_the_job_itself(client: SiteClient, ledger: Path) -> None:
    job = sends(client)
    with take(client, ledger, abort_seconds=3600) as claims:
        run = claims.next()
        assert run is not None
        run.when_canceled(lambda: run.end("CANCELED", "halted"))
        client.cancel(job, **WHO)
        assert ends_as(client, job, "CANCELED") == "halted"
        until(run.acknowledged.is_set)


def refuse(*_arguments: object) -> None:
    raise TimeoutError("the mount does not answer")


def hang(*_arguments: object) -> None:
    threading.Event().wait(120)


def canceled(client: SiteClient, ledger: Path, carry_out: Callable[[ClaimedJob], object], **options: Any) -> list[Any]:
    """Cancel a job that is being carried out; gives its status and message."""
    job = sends(client)

    def cancel(run: ClaimedJob) -> None:
        client.cancel(job, **WHO)
        until(lambda: run.cancel_requested)
        carry_out(run)

    take_some(take(client, ledger, **options), 1, cancel)
    until(lambda: client.get(job).status in ("CANCELED", "FAILED", "COMPLETE"))
    return [client.get(job).status, client.get(job).history[-1].message]


@pytest.mark.parametrize(
    ("abort", "reason"),
    [(refuse, "TimeoutError: the mount does not answer"), (hang, "what is to halt it has not returned")],
)
@pytest.mark.parametrize("end", ["wait", "CANCELED", "aborted", "raise"])
def test_what_could_not_be_aborted_is_not_called_canceled(
    client: SiteClient, ledger: Path, abort: Callable[[], object], reason: str, end: str
) -> None:
    def carry_out(run: ClaimedJob) -> None:
        run.when_canceled(abort)
        if end == "raise":
            raise OSError("the mount has gone")
        if end != "wait":
            run.end(end, "halted, it is hoped")
        run.wait(60)

    first = {"wait": "it was canceled", "raise": "OSError: the mount has gone"}.get(end, "halted, it is hoped")
    assert canceled(client, ledger, carry_out, abort_seconds=0.3) == [
        "FAILED",
        f"{first}; could not be stopped: {reason}",
    ]


@pytest.mark.parametrize("error", [OSError("the mount has gone"), KeyError("ra"), ZeroDivisionError("no step")])
def test_a_failure_that_is_no_consequence_of_the_cancel_is_a_failure(
    client: SiteClient, ledger: Path, error: Exception
) -> None:
    def carry_out(_run: ClaimedJob) -> None:
        raise error

    assert canceled(client, ledger, carry_out) == [
        "FAILED",
        f"it was canceled; could not be stopped: {type(error).__name__}: {error}",
    ]


def test_a_halt_that_fails_inside_the_block_is_a_failure(client: SiteClient, ledger: Path) -> None:
    def carry_out(run: ClaimedJob) -> None:
        try:
            run.wait(60)
        except Canceled:
            refuse()

    status, message = canceled(client, ledger, carry_out)
    assert (status, message) == (
        "FAILED",
        "it was canceled; could not be stopped: TimeoutError: the mount does not answer",
    )


def test_what_the_code_raises_from_the_cancel_is_its_consequence(client: SiteClient, ledger: Path) -> None:
    def carry_out(run: ClaimedJob) -> None:
        try:
            run.wait(60)
        except Canceled as error:
            raise OSError("no frame was taken") from error

    assert canceled(client, ledger, carry_out) == ["CANCELED", "ended when it was canceled: no frame was taken"]


def test_what_was_done_although_its_abort_failed_is_complete_and_says_so(client: SiteClient, ledger: Path) -> None:
    assert canceled(client, ledger, lambda run: run.when_canceled(refuse)) == [
        "COMPLETE",
        "it was canceled; could not be stopped: TimeoutError: the mount does not answer",
    ]


def stopped(client: SiteClient, ledger: Path, on_stop: Callable[[ClaimedJob], object], **options: Any) -> list[Any]:
    """Stop a slew that obeys at once; gives the slew's status and message, and the stop's status."""
    slew = sends(client, device="mount", action="go")
    with take(client, ledger, on_stop=on_stop, **options) as claims:
        run = claims.next()
        assert run is not None
        with run:
            stop = sends(client, device="mount", action="stop")
            run.wait(60)
        until(lambda: client.get(stop).status in ("COMPLETE", "FAILED"))
        until(lambda: client.get(slew).status in ("CANCELED", "FAILED"))
        return [client.get(slew).status, client.get(slew).history[-1].message, client.get(stop).status]


def end_as_failed(stop: ClaimedJob) -> None:
    stop.end("FAILED", "the mount does not answer")


@pytest.mark.parametrize("look_seconds", [0.01, 60], ids=["the service's word first", "the stop first"])
@pytest.mark.parametrize(
    ("on_stop", "reason"),
    [(refuse, "TimeoutError: the mount does not answer"), (end_as_failed, "the mount does not answer")],
)
def test_what_a_stop_could_not_halt_is_not_called_canceled(
    client: SiteClient, ledger: Path, on_stop: Callable[[ClaimedJob], object], reason: str, look_seconds: float
) -> None:
    assert stopped(client, ledger, on_stop, look_seconds=look_seconds, poll_seconds=0.3) == [
        *("FAILED", f"it was canceled; could not be stopped: {reason}", "FAILED")
    ]


def test_what_a_stop_halts_is_canceled_when_the_halt_has_returned(client: SiteClient, ledger: Path) -> None:
    halting = threading.Event()

    def on_stop(_stop: ClaimedJob) -> None:
        halting.set()

    assert stopped(client, ledger, on_stop, look_seconds=0.01, poll_seconds=0.3) == ["CANCELED", None, "COMPLETE"]
    assert halting.is_set()


def test_a_stop_that_hangs_lets_the_slew_be_reported(client: SiteClient, ledger: Path) -> None:
    slew, released = sends(client, device="mount", action="go"), threading.Event()
    with take(client, ledger, on_stop=lambda _stop: released.wait(120), abort_seconds=0.3) as claims:
        run = claims.next()
        assert run is not None
        with run:
            sends(client, device="mount", action="stop")
            run.wait(60)
        message = ends_as(client, slew, "FAILED")
        released.set()
    assert message == "it was canceled; could not be stopped: what is to halt it has not returned"


def test_a_stop_that_the_service_lets_cover_the_whole_site_is_awaited(tmp_path: Path, ledger: Path) -> None:
    with (
        servers.running("gunicorn", tmp_path / "instance", {"JOBS_STOP_SCOPE": "site"}) as server,
        SiteClient(server.url, "wmd") as client,
    ):
        slew = sends(client, device="mount", action="go")
        with take(client, ledger, on_stop=lambda _stop: None, abort_seconds=3600) as claims:
            run = claims.next()
            assert run is not None
            with run:
                sends(client, device="camera", action="stop")
                run.wait(60)
            ends_as(client, slew, "CANCELED")


def test_both_sentences_fit_into_the_line(client: SiteClient, ledger: Path) -> None:
    def carry_out(run: ClaimedJob) -> None:
        run.when_canceled(lambda: (_ for _ in ()).throw(OSError("y" * 900)))
        raise OSError("x" * 900)

    _status, message = canceled(client, ledger, carry_out)
    assert len(message) <= 500
    assert "xxx; could not be stopped: OSError: yyy" in message
