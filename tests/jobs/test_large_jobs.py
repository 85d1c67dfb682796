"""Jobs as large as a body may be: nothing that is read, handed over or changed is bounded by its number alone."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask

from jobs_server import clock
from jobs_server.domain import actors
from jobs_server.domain.commands import ClaimJobs
from jobs_server.history import night, now, search
from jobs_server.jobs import events, handover, pages, queries, rows, statements
from jobs_server.jobs.handover import REPLY_BYTES
from jobs_server.live import sse
from jobs_server.service import service_of
from jobs_server.storage.statement import Connection

from ..conftest import inside
from ..support.observatory import Observatory

LARGE = 250_000
DAY_MS = 24 * 60 * 60 * 1000


@pytest.fixture
def observatory(app: Flask) -> Observatory:
    """An observatory at which 24 jobs wait, three times what a reply may hold."""
    observatory = inside(app)
    for number in range(24):
        sends_large(observatory, number)
    return observatory


def sends_large(observatory: Observatory, number: int = 0, **changed: Any) -> dict[str, Any]:
    required = {"time": number, "image_type": "light"}
    return observatory.sends(required_params=required, optional_params={"note": "x" * LARGE}, **changed)


def test_a_poll_hands_over_two_megabytes_at_most_and_the_rest_with_the_next(observatory: Observatory) -> None:
    taken: list[dict[str, Any]] = []
    while (reply := observatory.posts("getnewjobs", {"site": "wmd"})).jobs:
        assert len(reply.text) <= REPLY_BYTES
        assert len(reply.jobs) == min(7, 24 - len(taken)), "as many go as there is room for"
        taken += reply.jobs
    assert [job["required_params"]["time"] for job in taken] == list(range(24))
    assert all(len(job["optional_params"]["note"]) == LARGE for job in taken)


def test_a_poll_hands_over_at_least_one_job(app: Flask) -> None:
    observatory = inside(app)
    service_of(app)
    app.config["MAX_CONTENT_LENGTH"] = 4_000_000
    jobs = [observatory.sends(optional_params={"note": "x" * (REPLY_BYTES + 1)}) for _ in range(2)]
    assert [[each["ulid"] for each in observatory.polls()] for _ in range(3)] == [[each["ulid"]] for each in jobs] + [
        []
    ]


@pytest.mark.parametrize("options", [{}, {"alternateQueue": True}, {"limit": 20}], ids=str)
def test_where_something_is_left_out_stops_go_in_first_and_the_order_stays(
    observatory: Observatory, options: dict[str, Any]
) -> None:
    stop = observatory.sends("stop", device="mount", instance="mount1")
    taken = observatory.polls(**options)
    assert [job["action"] for job in taken] == ["expose"] * 7 + ["stop"]
    assert [job["ulid"] for job in taken] == sorted(job["ulid"] for job in taken)
    assert taken[-1]["ulid"] == stop["ulid"]
    assert [job["required_params"]["time"] for job in observatory.polls(**options)] == list(range(7, 14))


def test_a_repeated_claim_gets_the_same_jobs_and_no_others(observatory: Observatory) -> None:
    first = observatory.polls(claimId="c-1")
    assert len(first) == 7
    assert observatory.polls(claimId="c-1") == first
    stop = observatory.sends("stop", device="mount", instance="mount1")
    sends_large(observatory, 99)
    second = observatory.polls(claimId="c-2")
    assert [job["required_params"].get("time") for job in second[:-1]] == list(range(7, 14))
    assert second[-1]["ulid"] == stop["ulid"], "what is claimed ends at the stop"


@pytest.mark.parametrize("options", [{}, {"limit": 1000}, {"limit": 20}], ids=str)
def test_a_list_of_large_jobs_is_complete_and_read_in_pages(
    observatory: Observatory, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    sizes: list[int] = []
    read = rows.listed_jobs

    def noted(found: Any) -> Any:
        jobs = read(found)
        sizes.append(sum(len(job.required_params) + len(job.optional_params) for job in jobs))
        return jobs

    monkeypatch.setattr(pages, "listed_jobs", noted)
    reply = observatory.posts("getrecentjobs", {"site": "wmd", **options})
    count = min(24, options.get("limit", 24))
    assert [job["required_params"]["time"] for job in reply.jobs] == list(range(24 - count, 24))
    assert len(sizes) > 5
    assert max(sizes) <= pages.PAGE_BYTES + 1.1 * LARGE <= 2_000_000


def test_one_leafs_through_large_jobs_and_misses_none(observatory: Observatory) -> None:
    found: list[int] = []
    before: dict[str, Any] = {}
    while page := observatory.posts("getrecentjobs", {"site": "wmd", "limit": 10, **before}).jobs:
        found = [job["required_params"]["time"] for job in page] + found
        before = {"before": page[0]["ulid"]}
    assert found == list(range(24))


def test_a_reader_that_takes_its_time_holds_no_page_and_no_connection(app: Flask, observatory: Observatory) -> None:
    database = service_of(app).database
    reading = queries.recent(database, "wmd", 0)
    next(reading)
    sends_large(observatory, 24)  # a write, which the reader does not hold up
    assert [job.required_params for page in reading for job in page.jobs][-1].startswith('{"time":24')


def test_what_outgrows_a_reply_between_the_look_and_the_claim_is_cut_to_it(
    app: Flask, observatory: Observatory
) -> None:
    from jobs_server.live import long_poll
    from jobs_server.live.disconnect import Client

    class Busy(Client):
        def disconnected(self) -> bool:
            if not sent:
                sent.extend(sends_large(observatory, site="busy") for _ in range(10))
            return False

    sent: list[Any] = []
    observatory.sends(site="busy")
    service, command = service_of(app), ClaimJobs(site="busy")
    got = []
    while reply := long_poll.poll(service.database, service.feed, command, actors.site("busy"), Busy("test", "")).jobs:
        assert sum(len(job.optional_params) for job in reply) <= REPLY_BYTES
        got.append(len(reply))
    assert got == [8, 3]


def test_what_happened_to_large_jobs_is_read_in_pages(app: Flask, observatory: Observatory) -> None:
    seen: list[int] = []
    more = True
    with service_of(app).database.reading() as connection:
        while more:
            page, more = events.after(connection, seen[-1] if seen else 0, 100, "wmd")
            assert sum(len(each.job.optional_params) for each in page) <= pages.PAGE_BYTES + 1.1 * LARGE
            seen += [each.event.seq for each in page]
    assert len(seen) == 24


def test_a_stream_sends_large_jobs_in_messages_of_their_own(app: Flask, observatory: Observatory) -> None:
    feed = service_of(app).feed
    from jobs_server.live.disconnect import Client

    viewer = feed.watch("wmd", Client("test", ""))
    with service_of(app).database.reading() as connection:
        begin = sse.start(connection, None, "wmd")
    stream = sse.messages(feed, viewer, begin._replace(position=begin.position._replace(seq=0)))
    next(stream)
    got = b""
    while got.count(b'"topic":"jobs"') < 24:
        message = next(stream)
        assert len(message) <= 1.1 * LARGE + 300_000
        got += message
    feed.leave(viewer)


def test_a_stop_that_cancels_large_jobs_reads_none_of_them(
    observatory: Observatory, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed: list[Any] = []
    service_of(app).database.on_changes.append(changed.extend)
    for step in statements.CANCEL_SITE.values():
        for statement in (step.waiting, step.claimed, step.request):
            assert "'{}' AS required_params" in statement.compiled("sqlite")[0]
    observatory.sends("cancel_all_commands", device="all", instance="all")
    assert sum(change.event.status == "CANCELED" for change in changed) == 48
    assert all(len(change.job.optional_params) < 100 for change in changed)
    assert all(len(each["optional_params"]["note"]) == LARGE for each in observatory.lists()[:24])


@pytest.mark.parametrize(
    "read",
    [
        lambda connection: now.present(connection, "wmd").waiting,
        lambda connection: search.find(connection, "wmd", search.Filter()).jobs,
        lambda connection: [each.job for each in night.report(connection, "wmd", 0, 2**60).jobs],
    ],
    ids=["now", "log", "night"],
)
def test_pages_hold_of_large_jobs_only_what_their_line_says(
    app: Flask, observatory: Observatory, read: Callable[[Connection], Any]
) -> None:
    with service_of(app).database.snapshot() as connection:
        jobs = read(connection)
    assert sorted(json.loads(job.required_params)["time"] for job in jobs) == list(range(24))
    assert all(len(job.optional_params) < 1000 for job in jobs)


def test_the_line_of_a_large_job_says_the_same(app: Flask, observatory: Observatory) -> None:
    note = {f"key {number}": "x" * 100 for number in range(2000)}
    job = observatory.sends(required_params={"time": 12, "image_type": "dark"}, optional_params=note | {"filter": "Rc"})
    line = "Expose 12 s, filter Rc, dark"
    browser = app.test_client()
    assert line in browser.get("/?site=wmd").text
    assert line in browser.get(f"/job/{job['ulid']}?site=wmd").text


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_an_export_has_large_jobs_whole_and_is_written_in_pieces(
    app: Flask, observatory: Observatory, kind: str
) -> None:
    response = app.test_client().get(f"/jobs-log.{kind}?site=wmd", buffered=False)
    pieces = [len(piece) for piece in response.iter_encoded()]
    assert sum(pieces) > 24 * LARGE
    assert max(pieces) < 2 * LARGE


def test_a_history_of_any_length_is_complete_and_its_page_shows_both_ends(app: Flask) -> None:
    observatory = inside(app)
    job = observatory.sends()
    count = 2 * queries.PAGE_EVENTS
    for number in range(count):
        observatory.reports(job, "EXPOSING", message=f"frame {number}")
    history = observatory.shows(job)["history"]
    assert [each.get("message") for each in history] == [None, *(f"frame {number}" for number in range(count))]
    assert [each["from"] for each in history[:3]] == [None, "UNREAD", "EXPOSING"]
    assert all(each["from"] == each["to"] for each in history[2:])
    shown = app.test_client().get(f"/job/{job['ulid']}?site=wmd").text
    assert "frame 10<" in shown
    assert f"frame {count - 1}<" in shown
    assert "601 entries in the middle are left out" in shown


def test_a_deeply_nested_job_makes_no_page_of_many_megabytes(app: Flask) -> None:
    observatory = inside(app)
    nested: Any = ["x"] * 50_000
    for _ in range(100):
        nested = [nested]
    job = observatory.sends(optional_params={"nested": nested})
    assert len(app.test_client().get(f"/job/{job['ulid']}?site=wmd").data) < 5_000_000


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


def test_six_who_read_slowly_hold_a_few_pages_between_them(app: Flask, observatory: Observatory, traced: None) -> None:
    client = app.test_client()
    replies = [client.post("/jobs/getrecentjobs", json={"site": "wmd"}, buffered=False) for _ in range(6)]
    readers = [reply.iter_encoded() for reply in replies]
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    for _ in range(20):
        for reader in readers:
            next(reader)
    held, peak = tracemalloc.get_traced_memory()
    assert held - before < 6 * 2 * (pages.PAGE_BYTES + LARGE)
    assert peak - before < 6 * 3 * (pages.PAGE_BYTES + LARGE)
    for reply in replies:
        reply.close()


def test_a_claim_reads_as_much_as_it_hands_over(app: Flask, observatory: Observatory, traced: None) -> None:
    from jobs_server.jobs import operations

    database = service_of(app).database
    tracemalloc.reset_peak()
    before, _ = tracemalloc.get_traced_memory()
    with database.transaction("wmd") as connection:
        operations.claim(connection, ClaimJobs(site="wmd"), actors.site("wmd"), clock.read())
    assert tracemalloc.get_traced_memory()[1] - before < 2 * REPLY_BYTES
    with database.reading() as connection:
        assert handover.look(connection, ClaimJobs(site="wmd"), clock.read()) == (False, False)
