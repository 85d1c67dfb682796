"""A program that was killed while something moved: the site is told at the next start, before anything begins."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs_server.client import Job, SiteClient
from jobs_server.client.ledger import Ledger

from ..support.claiming import ends_as, sends, take, take_some
from ..support.waiting import until


def kill_in_a_slew(client: SiteClient, ledger: Path, count: int = 1) -> list[Job]:
    """Leave the file that a program leaves which was killed while jobs ran."""
    sent = [sends(client, device=device, action="go") for device in ("mount", "dome")[:count]]
    file = Ledger(ledger, client.site)
    entries = file.take(client.poll(claim_id=file.ids.current), file.ids.current)
    for entry in entries:
        client.start(entry.job, claim_id=entry.claim_id)
        file.started(entry)
    file.close()
    assert [entry.job.ulid for entry in entries] == [job.ulid for job in sent]
    return sent


def started(ledger: Path) -> int:
    return ledger.read_text(encoding="utf-8").count('"stage": "started"')


def test_what_had_begun_is_told_before_anything_new_begins(client: SiteClient, ledger: Path) -> None:
    slews, told, halted = kill_in_a_slew(client, ledger, 2), list[str](), threading.Event()
    exposure = sends(client)

    def on_lost(jobs: list[Job]) -> None:
        told.extend(job.ulid for job in jobs)
        until(lambda: client.get(exposure).status == "RECEIVED")  # it is here, and could begin
        threading.Timer(0.3, halted.set).start()
        assert halted.wait(60)

    begun_when_halted: list[bool] = []
    claims = take(client, ledger, on_lost=on_lost, beside=lambda _job, _other: True, stops_apart=False)
    take_some(claims, 1, lambda _run: begun_when_halted.append(halted.is_set()))
    assert told == [job.ulid for job in slews]
    assert begun_when_halted == [True]
    for slew in slews:
        assert "what became of it is not known" in (ends_as(client, slew, "LOST") or "")
    assert started(ledger) == 0


@pytest.mark.parametrize("with_on_stop", [True, False])
def test_a_stop_passes_what_is_seen_to(client: SiteClient, ledger: Path, *, with_on_stop: bool) -> None:
    kill_in_a_slew(client, ledger)
    stood, obeyed, order = threading.Event(), threading.Event(), list[str]()
    exposure = sends(client)

    def on_lost(_jobs: list[Job]) -> None:
        assert stood.wait(60)

    options: dict[str, Any] = {"on_stop": lambda _stop: obeyed.set()} if with_on_stop else {}
    with take(client, ledger, on_lost=on_lost, stops_apart=False, **options) as claims:
        until(lambda: client.get(exposure).status == "RECEIVED")
        stop = sends(client, device="mount", action="stop")
        if with_on_stop:
            assert obeyed.wait(60)
            ends_as(client, stop, "COMPLETE")
        else:
            run = claims.next()
            assert run is not None
            order.append(run.ulid)
            run.end()
        stood.set()
        run = claims.next()
        assert run is not None
        order.append(run.ulid)
        run.end()
    assert order == [exposure.ulid] if with_on_stop else [stop.ulid, exposure.ulid]


def test_it_is_told_again_when_the_program_ends_while_it_is_seen_to(client: SiteClient, ledger: Path) -> None:
    (slew,) = kill_in_a_slew(client, ledger)
    copy, told = ledger.with_name("killed.json"), list[str]()

    def on_lost(_jobs: list[Job]) -> None:
        ends_as(client, slew, "LOST")
        copy.write_text(ledger.read_text(encoding="utf-8"), encoding="utf-8")  # so it is found after a kill just now

    other = sends(client)
    take_some(take(client, ledger, on_lost=on_lost), 1)
    ends_as(client, other, "COMPLETE")
    last = sends(client)
    take_some(take(client, copy, on_lost=lambda jobs: told.extend(job.ulid for job in jobs)), 1)
    assert told == [slew.ulid]
    ends_as(client, last, "COMPLETE")
    again = sends(client)
    take_some(take(client, copy, on_lost=lambda _jobs: pytest.fail("it was seen to")), 1)
    ends_as(client, again, "COMPLETE")


def refuse(_jobs: list[Job]) -> None:
    raise OSError("the mount does not answer")


def leave(_jobs: list[Job]) -> None:
    raise SystemExit(3)


@pytest.mark.parametrize(("on_lost", "error"), [(refuse, OSError), (leave, SystemExit)])
def test_nothing_begins_when_it_cannot_be_seen_to(
    client: SiteClient, ledger: Path, on_lost: Callable[[list[Job]], object], error: type[BaseException]
) -> None:
    (slew,) = kill_in_a_slew(client, ledger)
    exposure = sends(client)
    with pytest.raises(error):
        take_some(take(client, ledger, on_lost=on_lost), 1)
    ends_as(client, slew, "LOST")
    assert client.get(exposure).status in ("UNREAD", "RECEIVED")
    assert started(ledger) == 1
    told: list[str] = []
    take_some(take(client, ledger, on_lost=lambda jobs: told.extend(job.ulid for job in jobs)), 1)
    assert told == [slew.ulid]
    ends_as(client, exposure, "COMPLETE")


def test_the_file_is_released_only_when_it_was_seen_to(client: SiteClient, ledger: Path) -> None:
    kill_in_a_slew(client, ledger)
    stood = threading.Event()

    def on_lost(_jobs: list[Job]) -> None:
        assert stood.wait(60)

    claims = take(client, ledger, on_lost=on_lost)
    with claims:
        pass
    assert not claims._released
    stood.set()
    until(lambda: claims._released and started(ledger) == 0)


def test_nobody_is_bothered_when_nothing_had_begun(client: SiteClient, ledger: Path) -> None:
    sends(client)
    file = Ledger(ledger, client.site)
    file.take(client.poll(claim_id=file.ids.current), file.ids.current)
    file.close()
    take_some(take(client, ledger, on_lost=lambda _jobs: pytest.fail("nothing had begun")), 1)
