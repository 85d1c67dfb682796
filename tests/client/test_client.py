"""The client of a site: typed answers, refusals in words, and no repeat of what must not be repeated."""

from __future__ import annotations

import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grimp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs_server.client import (
    BadReply,
    BadRequest,
    Conflict,
    Job,
    KeyReused,
    NotFound,
    SiteClient,
    Unavailable,
    Unreachable,
)
from jobs_server.client.backoff import Backoff
from jobs_server.client.errors import TooManyRequests

from ..support import servers
from ..support.proxy import Asked, Choose, Fate, answer, proxied

WHO: dict[str, Any] = {"user_name": "Vera", "user_id": "auth0|vera"}


def sends(client: SiteClient, action: str = "expose", **options: Any) -> Job:
    return client.submit("camera", "camera_1_1", action, {"time": 1.5}, {"count": 2}, **WHO, **options)


def once(route: str, fate: Fate | bytes) -> Choose:
    """Let the first request to a route meet a fate, and everything else pass."""
    met: list[Asked] = []

    def choose(asked: Asked) -> Fate | bytes:
        if asked.route == route and not met:
            met.append(asked)
            return fate
        return Fate.PASSES

    return choose


def test_a_jobs_whole_life(server: servers.Server) -> None:
    with SiteClient(f"{server.url}/jobs", "wmd") as client:
        sent = sends(client)
        assert (sent.status, sent.device, sent.required_params) == ("UNREAD", "camera", {"time": 1.5})
        assert [job.ulid for job in client.poll()] == [sent.ulid]
        assert client.start(sent, seconds_until_complete=9.2).seconds_until_complete == 10
        assert client.update(sent, "EXPOSING 1/2", message="clear sky").status == "EXPOSING 1/2"
        assert client.cancel(sent, **WHO).cancel_requested
        assert client.update(sent.ulid, "COMPLETE").cancel_requested
        history = client.get(sent).history
        said = [event.after for event in history if event.mark is None and not event.alternate_queue]
        assert said == ["UNREAD", "RECEIVED", "STARTED", "EXPOSING 1/2", "COMPLETE"]
        assert "clear sky" in [event.message for event in history]
        assert [job.status for job in client.recent(seconds=60)] == ["COMPLETE"]
        assert client.poll() == []


def test_numbers_and_texts_come_back_as_they_went(client: SiteClient) -> None:
    params = {"big": 10**30 + 7, "small": 0.1 + 0.2, "text": "Ω Cen \0 \U0001f52d", "none": None, "list": [[], {}]}
    client.submit("camera", "c", "expose", params, **WHO)
    (job,) = client.poll()
    assert job.required_params == params


def test_stop_commands_come_first(client: SiteClient) -> None:
    move = sends(client)
    stop = client.submit("mount", "m", "stop", **WHO)
    script = client.submit("sequencer", "s", "run", {"script": "stopScript"}, **WHO)
    assert [job.ulid for job in client.poll()] == [stop.ulid, script.ulid, move.ulid]


@pytest.mark.parametrize(
    ("stop", "other", "covered"),
    [
        (("stop", "camera", "a"), ("expose", "camera", "a"), True),
        (("stop", "camera", "a"), ("expose", "camera", "b"), False),
        (("stop", "all", "a"), ("go", "mount", "m"), True),
        (("CANCEL_ALL_COMMANDS", "obs", "obs"), ("go", "mount", "m"), True),
        (("cancel_all_commands", "all", "all"), ("stop", "mount", "m"), False),
        (("expose", "all", "all"), ("go", "mount", "m"), False),
    ],
)
def test_what_a_stop_covers(
    client: SiteClient, stop: tuple[str, str, str], other: tuple[str, str, str], covered: bool
) -> None:
    (action, device, instance), (stop_action, stop_device, stop_instance) = other, stop
    earlier = client.submit(device, instance, action, **WHO)
    stopping = client.submit(stop_device, stop_instance, stop_action, **WHO)
    assert stopping.covers(earlier) is covered
    assert not stopping.covers(client.submit(device, instance, action, **WHO))


def test_refusals_are_typed_and_say_why(client: SiteClient) -> None:
    with pytest.raises(NotFound, match=r"has no job 01NO") as refusal:
        client.update("01NO", "COMPLETE")
    assert (refusal.value.status, refusal.value.sentence) == (404, f"site {client.site} has no job 01NO")
    ended = sends(client)
    client.update(ended, "FAILED")
    with pytest.raises(Conflict, match="is FAILED and cannot become COMPLETE"):
        client.update(ended, "COMPLETE")
    with pytest.raises(BadRequest, match="limit must be a whole number, 1 or more"):
        client.poll(limit=0)
    with pytest.raises(KeyReused):
        [sends(client, action, idempotency_key="k") for action in ("expose", "stop")]


def test_the_history_is_that_of_one_queue(client: SiteClient) -> None:
    job = sends(client)
    client.poll()
    client.poll(alternate_queue=True)
    client.update(job, "SLEWING", alternate_queue=True)
    client.update(job, "FAILED", message="the camera is cold")
    client.update(job, "CANCELED", alternate_queue=True)
    first, second = client.get(job), client.get(job, alternate_queue=True)
    assert (first.status, [event.after for event in first.history]) == ("FAILED", ["UNREAD", "RECEIVED", "FAILED"])
    assert (second.status, [event.after for event in second.history]) == (
        "CANCELED",
        ["RECEIVED", "SLEWING", "CANCELED"],
    )
    assert {event.alternate_queue for event in first.history} == {False}
    assert {event.alternate_queue for event in second.history} == {True}
    assert len(first.wire["history"]) == len(first.history) + len(second.history)


def test_the_fence_holds(client: SiteClient) -> None:
    job = sends(client)
    (claimed,) = client.poll(claim_id="a")
    client.cancel(job, **WHO)
    with pytest.raises(Conflict, match="must not start: it is CANCELED"):
        client.start(claimed, claim_id="a")


def test_a_plain_poll_is_never_repeated(service: servers.Server, client: SiteClient) -> None:
    sends(client)
    with proxied(service.port, once("getnewjobs", Fate.REPLY_LOST)) as proxy:
        with SiteClient(proxy.url, client.site) as site, pytest.raises(Unreachable) as lost:
            site.poll()
        assert lost.value.may_have_arrived
        assert proxy.routes["getnewjobs"] == 1
    assert client.recent()[0].status == "RECEIVED"


@pytest.mark.parametrize("fate", [fate for fate in Fate if fate is not Fate.PASSES])
def test_a_claim_survives_the_network(service: servers.Server, client: SiteClient, fate: Fate) -> None:
    sent = sends(client)
    with proxied(service.port, once("getnewjobs", fate)) as proxy, SiteClient(proxy.url, client.site) as site:
        jobs = site.poll(claim_id="a")
        while not jobs:  # the first request is still under way, its sender gone
            jobs = site.poll(claim_id="a")
    assert [job.ulid for job in jobs] == [sent.ulid]


@pytest.mark.parametrize("fate", list(Fate))
def test_a_command_is_sent_once_whatever_the_network_does(
    service: servers.Server, client: SiteClient, fate: Fate
) -> None:
    with proxied(service.port, once("newjob", fate)) as proxy, SiteClient(proxy.url, client.site) as site:
        sent = sends(site)
    assert [job.ulid for job in client.recent()] == [sent.ulid]


@pytest.mark.parametrize("fate", list(Fate))
def test_an_end_is_told_once_whatever_the_network_does(service: servers.Server, client: SiteClient, fate: Fate) -> None:
    job = sends(client)
    with proxied(service.port, once("updatejobstatus", fate)) as proxy, SiteClient(proxy.url, client.site) as site:
        site.update(job, "COMPLETE")
    assert [event.after for event in client.get(job).history] == ["UNREAD", "COMPLETE"]


def test_busy_is_tried_again_since_nothing_was_changed(service: servers.Server, client: SiteClient) -> None:
    job = sends(client)
    busy = answer("503 Service Unavailable", "[]", Retry_After="0", X_Error="Error: busy")
    with proxied(service.port, once("getnewjobs", busy)) as proxy, SiteClient(proxy.url, client.site) as site:
        assert [each.ulid for each in site.poll()] == [job.ulid]
        assert proxy.routes["getnewjobs"] == 2


def test_patience_ends(service: servers.Server) -> None:
    busy = answer("503 Service Unavailable", "Error: the database is full", Retry_After="60")
    with (
        proxied(service.port, lambda _asked: busy) as proxy,
        SiteClient(proxy.url, "wmd") as site,
        pytest.raises(Unavailable, match="the database is full") as refusal,
    ):
        sends(site)
    assert refusal.value.retry_after_seconds == 60


@pytest.mark.parametrize(
    ("asked", "seconds"), [("1e308", None), ("inf", None), ("nan", None), ("-5", None), ("0.5", 0.5), (" 7 ", 7)]
)
def test_a_pause_that_no_clock_can_wait_is_none(service: servers.Server, asked: str, seconds: float | None) -> None:
    """1e308 and NaN, in the header `Retry-After`."""
    limited = answer("429 Too Many Requests", "Error: too many", Retry_After=asked)
    with (
        proxied(service.port, lambda _asked: limited) as proxy,
        SiteClient(proxy.url, "wmd", patience_seconds=0.1) as site,
        pytest.raises(TooManyRequests) as refusal,
    ):
        sends(site)
    assert refusal.value.retry_after_seconds == seconds


def test_nobody_there() -> None:
    url = f"http://127.0.0.1:{servers.free_port()}"
    with SiteClient(url, "wmd", patience_seconds=0.5) as client, pytest.raises(Unreachable, match=url) as lost:
        client.poll()
    assert not lost.value.may_have_arrived


@pytest.mark.parametrize("page", ["<html>Please sign in</html>", '"a text"', '[{"ulid": 5}]'])
def test_somebody_elses_page_is_no_answer(service: servers.Server, page: str) -> None:
    with proxied(service.port, lambda _asked: answer("200 OK", page)) as proxy, SiteClient(proxy.url, "wmd") as site:
        with pytest.raises(BadReply):
            site.poll()
        with pytest.raises(BadReply):
            sends(site)


def test_one_client_serves_many_threads(client: SiteClient) -> None:
    with ThreadPoolExecutor(16) as threads:
        sent = list(threads.map(lambda _: sends(client).ulid, range(64)))
    assert [job.ulid for job in client.recent()] == sorted(sent)


def test_the_time_is_the_services_own(client: SiteClient) -> None:
    assert client.server_time_ms() is None
    job = sends(client)
    now_ms = client.server_time_ms()
    assert now_ms is not None
    assert abs(now_ms - job.timestamp_ms) < 60_000


def test_it_loads_nothing_of_the_server() -> None:
    script = """
import sys, jobs_server.client
print(*sorted(name for name in sys.modules if name.startswith("jobs_server")))
print({"flask", "sqlalchemy", "pydantic"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=servers.ROOT, capture_output=True, text=True, check=True)
    ours, others = done.stdout.splitlines()
    assert [name for name in ours.split() if name.split(".")[1:2] not in ([], ["client"])] == []
    assert others == "set()"


def test_no_module_of_it_imports_another_in_a_circle() -> None:
    graph = grimp.build_graph("jobs_server", exclude_type_checking_imports=False, cache_dir=None)
    assert graph.find_descendants("jobs_server.client")
    assert graph.nominate_cycle_breakers("jobs_server.client") == set()


@given(st.floats(0, 100), st.integers(1, 40), st.floats(0, 10))
def test_pauses_grow_and_are_bounded(patience: float, tries: int, at_least: float) -> None:
    backoff = Backoff(patience, first=0.2, longest=5)
    for number in range(tries):
        pause = backoff.pause(at_least)
        if pause is None:
            assert patience < at_least + 5.1
            return
        assert at_least <= pause <= at_least + min(5, 0.2 * 2**number)
        assert pause < patience + 0.1


def test_a_pause_takes_no_number_of_the_programs_own_chance() -> None:
    before = random.getstate()
    assert Backoff().pause() is not None
    assert random.getstate() == before
