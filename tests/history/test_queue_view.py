"""The queue of a site is one list in the order in which it will happen, with when as far as anybody knows."""

from __future__ import annotations

from typing import Any

from flask import Flask

from ..jobs.test_queue import MOUNT, moves, pauses
from ..support.clocks import Clocks
from ..support.observatory import Observatory

SECOND = 1000


def queue(site: Observatory) -> Any:
    return site.posts("getqueue", {"site": site.site}).json


def names(shown: Any) -> list[tuple[str, str]]:
    return [(job["ulid"], job["state"]) for job in shown["jobs"]]


def exposure(site: Observatory, seconds: float, **more: Any) -> dict[str, Any]:
    return site.sends(required_params={"time": seconds}, optional_params={}, **more)


def test_what_runs_goes_first_then_what_the_site_has_then_what_waits_in_its_order(
    clocks: Clocks, observatory: Observatory
) -> None:
    running, taken = exposure(observatory, 10), exposure(observatory, 20)
    observatory.polls(claimId="a")
    observatory.starts(running, claimId="a", secondsUntilComplete=12)
    a, b, c = (exposure(observatory, 30) for _ in range(3))
    moves(observatory, c, a["ulid"])
    shown = queue(observatory)
    states = ["running", "at the site", "waiting", "waiting", "waiting"]
    assert names(shown) == list(zip([job["ulid"] for job in (running, taken, c, a, b)], states, strict=True))
    assert (shown["waiting"], shown["pause"]) == (3, None)
    now_ms = clocks.now.wall_ms
    assert [job["begins_ms"] - now_ms for job in shown["jobs"]] == [
        each * SECOND for each in (0, 12, 12 + 23, 12 + 23 + 33, 12 + 23 + 66)
    ]
    assert shown["jobs"][-1]["ends_ms"] - now_ms == (12 + 23 + 99) * SECOND
    assert shown["jobs"][2]["expires_ms"] - now_ms == 900 * SECOND


def test_a_job_that_is_held_back_stands_where_its_time_comes(clocks: Clocks, observatory: Observatory) -> None:
    held = exposure(observatory, 5, notBeforeSeconds=60)
    a, b, c = (exposure(observatory, 30) for _ in range(3))
    shown = queue(observatory)
    assert names(shown) == [
        (a["ulid"], "waiting"),
        (b["ulid"], "waiting"),
        (held["ulid"], "held"),
        (c["ulid"], "waiting"),
    ]
    assert shown["jobs"][2]["notBefore_ms"] == clocks.now.wall_ms + 60 * SECOND
    assert shown["jobs"][2]["begins_ms"] == clocks.now.wall_ms + 66 * SECOND


def test_behind_what_takes_nobody_knows_how_long_no_time_is_said(observatory: Observatory) -> None:
    observatory.sends("brew", device="kettle")
    exposure(observatory, 5)
    first, second = queue(observatory)["jobs"]
    assert (first["begins_ms"] is not None, first["ends_ms"]) == (True, None)
    assert (second["begins_ms"], second["ends_ms"]) == (None, None)


def test_an_end_that_no_calendar_has_the_year_of_is_not_known_and_the_page_stands(
    app: Flask, observatory: Observatory
) -> None:
    running = exposure(observatory, 5)
    observatory.polls()
    exposure(observatory, 5)
    observatory.starts(running, secondsUntilComplete=2**53)
    first, second = queue(observatory)["jobs"]
    assert (first["ends_ms"], second["begins_ms"], second["ends_ms"]) == (None, None, None)
    assert app.test_client().get("/?site=wmd").status_code == 200


def test_a_stop_that_waits_goes_before_all_others(observatory: Observatory) -> None:
    job = exposure(observatory, 5)
    stop = observatory.sends("stop", **MOUNT)
    pauses(observatory)
    shown = queue(observatory)
    assert [ulid for ulid, _ in names(shown)] == [stop["ulid"], job["ulid"]]
    assert shown["pause"]["note"] == "clouds"


def test_an_empty_queue_and_one_of_an_unknown_site(observatory: Observatory) -> None:
    assert queue(observatory)["jobs"] == []
