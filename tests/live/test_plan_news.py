"""Who watches a site is told of its plans, and a waiting poll has the next step at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from flask import Flask

from jobs_server.service import service_of

from ..conftest import inside
from ..support.observatory import Observatory
from ..support.plans import does, plans, shows
from ..support.streams import Viewer


def test_a_stream_tells_of_each_plan_that_changed(live: str, people: Observatory) -> None:
    first = plans(people)
    with Viewer(live, people.site) as viewer:
        (known,) = viewer.sees(1, "plans")
        assert [plan["id"] for plan in known.data["data"]["plans"]] == [first["id"]]
        assert known.id == "" or known.id == viewer.last_id
        does(people, "pauseplan", first, note="clouds")
        told = viewer.sees(2, "plans")[-1].data["data"]["plans"]
        assert [(plan["state"], plan["reason"]) for plan in told] == [("paused", "paused by Vera: clouds")]
        people.sends("cancel_all_commands", device="all", instance="all")
        told = viewer.sees(3, "plans")[-1].data["data"]["plans"]
        assert [plan["state"] for plan in told] == ["stopped"]


def test_a_poll_that_waits_is_woken_by_the_release_of_the_next_step(people: Observatory) -> None:
    plan = plans(people)
    (job,) = people.polls(claimId="c-0")
    with ThreadPoolExecutor(1) as pool:
        for number in (2, 3):
            waiting = pool.submit(people.polls, claimId=f"c-{number}", waitSeconds=60)
            people.reports(job, "COMPLETE")
            (job,) = waiting.result(timeout=50)
            assert job["plan"]["step"] == number
    people.reports(job, "COMPLETE")
    assert shows(people, plan)["state"] == "done"


def test_a_plan_that_did_not_change_is_read_once_for_all_who_watch(app: Flask) -> None:
    news = service_of(app).feed.site_news
    assert news is not None
    plan = plans(inside(app))
    first, upto = news.plans_since("wmd", 0, 1)
    assert plan["id"].encode() in first
    assert news.plans_since("wmd", 0, upto)[0] is first
    assert news.plans_since("wmd", upto, upto) == (b"", upto)
