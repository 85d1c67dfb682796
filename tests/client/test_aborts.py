"""Ending a job that runs: what halts it has done so before anything else begins."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from jobs_server.client import ClaimedJob, SiteClient

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
