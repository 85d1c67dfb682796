"""Stops among themselves: what one of them takes away, and what a second of the same kind does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from jobs_server import create_app
from jobs_server.service import service_of
from jobs_server.upkeep import startup

from ..conftest import inside
from ..support import databases
from ..support.clocks import Clocks
from ..support.observatory import Observatory, a_command

CAMERA: dict[str, Any] = {"device": "camera", "instance": "c1"}
MOUNT: dict[str, Any] = {"device": "mount", "instance": "m1"}
WIDE = [
    CAMERA | {"action": "cancel_all_commands"},
    {"device": "all", "instance": "all", "action": "stop"},
    CAMERA | {"instance": "all", "action": "stop"},
    CAMERA | {"action": " Cancel_All_Commands\t"},
    {"device": "ALL", "instance": "c1", "action": "run", "required_params": {"script": "stopScript"}},
]


def ulids(jobs: list[dict[str, Any]]) -> list[str]:
    return [job["ulid"] for job in jobs]


class TestAWiderStop:
    """A stop is taken away by no narrower one: the site would stop one device, and be asked nothing of the others."""

    @pytest.mark.parametrize("wide", WIDE, ids=str)
    def test_that_waits_stays_beside_a_narrower_one(self, observatory: Observatory, wide: dict[str, Any]) -> None:
        everything = observatory.sends(**wide)
        one = observatory.sends("stop", **CAMERA)
        assert ulids(observatory.polls()) == ulids([everything, one])
        assert ulids(observatory.polls(alternateQueue=True)) == ulids([everything, one])

    def test_that_was_claimed_may_begin_after_a_narrower_one(self, observatory: Observatory) -> None:
        everything = observatory.sends(**WIDE[0])
        observatory.polls(claimId="a")
        observatory.sends("stop", **CAMERA)
        assert "cancelRequested" not in observatory.starts(everything, claimId="a").job

    def test_that_runs_is_not_asked_to_end_by_a_narrower_one(self, observatory: Observatory) -> None:
        everything = observatory.sends(**WIDE[0])
        observatory.starts(everything)
        observatory.sends("stop", **CAMERA)
        assert "cancelRequested" not in observatory.reports(everything, "STOPPING").job

    def test_takes_a_narrower_one_away(self, observatory: Observatory) -> None:
        one = observatory.sends("stop", **CAMERA)
        everything = observatory.sends(**WIDE[0])
        assert ulids(observatory.polls()) == ulids([everything])
        assert observatory.status(one) == "CANCELED"

    @pytest.mark.parametrize("kept", [WIDE[0], MOUNT | {"action": "stop"}], ids=["the whole site", "another device"])
    def test_is_judged_by_its_own_words_where_each_stop_cancels_the_work_of_the_site(
        self, kept: dict[str, Any]
    ) -> None:
        """The setting says what is canceled here; the site stops what the stop itself names."""
        observatory = inside(create_app({"TESTING": True, "DATABASE_URL": databases.fresh(), "STOP_SCOPE": "site"}))
        work = observatory.sends("go", **MOUNT)
        stop = observatory.sends(**kept)
        one = observatory.sends("stop", **CAMERA)
        assert ulids(observatory.polls()) == ulids([stop, one])
        assert observatory.status(work) == "CANCELED"


def test_a_stop_that_is_held_back_takes_no_stop_away(observatory: Observatory) -> None:
    now = observatory.sends("stop", **CAMERA)
    work = observatory.sends(**CAMERA)
    observatory.sends("stop", **CAMERA, notBeforeSeconds=30)
    assert ulids(observatory.polls()) == ulids([now])
    assert observatory.status(work) == "CANCELED"


def test_one_stop_is_canceled_by_who_names_it(observatory: Observatory) -> None:
    """A person who names a stop means it, such as one that was sent by mistake."""
    stop = observatory.sends("stop", **CAMERA)
    assert observatory.asks_to_cancel(stop).job["statusId"].startswith("CANCELED#")
    assert observatory.polls() == []


class TestAStopThatIsSentAgain:
    """A stop that repeats one that still waits on both queues makes no second row."""

    def test_is_the_stop_that_waits_and_the_history_says_so(self, observatory: Observatory) -> None:
        first = observatory.sends("stop", **CAMERA)
        again = observatory.sends("stop", **CAMERA, user_name="Tycho", user_id="tycho")
        assert again == first
        assert ulids(observatory.lists()) == [first["ulid"]]
        event = observatory.shows(first)["history"][-1]
        assert (event["from"], event["to"], event["mark"], event["by"]["id"]) == (
            *("UNREAD", "UNREAD"),
            *("repeated", "tycho"),
        )
        assert observatory.polls() == [first]

    def test_covers_anew_all_that_was_posted_until_now(self, observatory: Observatory) -> None:
        stop = observatory.sends("stop", **CAMERA)
        waiting, begun, other = (observatory.sends(**device) for device in (CAMERA, CAMERA, MOUNT))
        observatory.starts(begun)  # by software that heard of it in another way
        assert observatory.sends("stop", **CAMERA) == stop
        later = observatory.sends(**CAMERA)
        assert observatory.shows(begun)["cancelRequested"] is True
        assert observatory.status(waiting) == "CANCELED"
        assert ulids(observatory.polls(claimId="a")) == [stop["ulid"]]  # what is claimed ends at a stop
        assert ulids(observatory.polls(claimId="b")) == ulids([other, later])

    def test_lives_from_its_repeat_on_and_is_known_to_wait_since_it_was_first_sent(
        self, file_app: Flask, clocks: Clocks
    ) -> None:
        observatory = inside(file_app)
        stop = observatory.sends("stop", **CAMERA)
        clocks.pass_by(14 * 60)
        assert observatory.sends("stop", **CAMERA) == stop
        clocks.pass_by(14 * 60)
        assert observatory.sends("stop", **CAMERA, expiresInSeconds=1) == stop  # takes nothing of its time
        clocks.pass_by(59)
        assert observatory.polls() == [stop]
        assert observatory.shows(stop)["timestamp_ms"] == stop["timestamp_ms"]

    def test_is_a_second_one_when_the_first_is_too_old(self, file_app: Flask, clocks: Clocks) -> None:
        observatory = inside(file_app)
        stop = observatory.sends("stop", **CAMERA)
        clocks.pass_by(15 * 60)
        second = observatory.sends("stop", **CAMERA)
        assert second["ulid"] > stop["ulid"]
        assert observatory.polls() == [second]

    @pytest.mark.parametrize("alternate", [False, True])
    def test_is_a_second_one_when_the_first_was_taken_on_a_queue(
        self, observatory: Observatory, alternate: bool
    ) -> None:
        """Whoever took it may have got later jobs since."""
        stop = observatory.sends("stop", **CAMERA)
        observatory.polls(alternateQueue=alternate)
        second = observatory.sends("stop", **CAMERA)
        assert second["ulid"] > stop["ulid"]
        assert ulids(observatory.polls(alternateQueue=alternate)) == [second["ulid"]]

    @pytest.mark.parametrize(
        "changed",
        [{"instance": "c2"}, {"action": "cancel"}, {"required_params": {"a": 1}}, {"optional_params": {}}],
        ids=str,
    )
    def test_is_a_second_one_when_it_is_another(self, observatory: Observatory, changed: dict[str, Any]) -> None:
        stop = observatory.sends("stop", **CAMERA)
        assert observatory.sends(**{"action": "stop"} | CAMERA | changed)["ulid"] > stop["ulid"]

    def test_is_a_second_one_for_other_roles(self, tmp_path: Path) -> None:
        """The site judges a command by its roles: that of an admin must not go out under somebody else's."""
        place = {"TESTING": True} | databases.at(tmp_path)
        plain, with_roles = create_app(place), create_app(place | {"OPEN_ROLES": ("admin",)})
        startup.prepare(plain)
        stop = inside(plain).sends("stop", **CAMERA)
        second = inside(with_roles).sends("stop", **CAMERA)
        for app in (plain, with_roles):
            service_of(app).database.close()
        assert (second["ulid"] > stop["ulid"], second["user_roles"]) == (True, ["admin"])

    def test_has_keys_that_hold(self, observatory: Observatory) -> None:
        body = a_command("stop", **CAMERA)
        first = observatory.posts("newjob", body, {"Idempotency-Key": "a"}).job
        between = observatory.sends(**CAMERA)
        assert observatory.posts("newjob", body, {"Idempotency-Key": "a"}).job == first
        assert observatory.status(between) == "UNREAD"  # a retry is no second stop
        for _ in range(2):
            assert observatory.posts("newjob", body, {"Idempotency-Key": "b"}).job == first
        assert observatory.history(first) == ["UNREAD", "UNREAD (repeated)"]
        other = observatory.posts("newjob", body | {"instance": "c2"}, {"Idempotency-Key": "b"})
        assert other.status == 422

    def test_counts_as_no_new_job(self, app: Flask) -> None:
        observatory, browser = inside(app), app.test_client()
        for _ in range(3):
            observatory.sends("stop", **CAMERA)
        assert 'jobs_events_total{site="wmd",step="unread"} 1.0' in browser.get("/metrics").text


class TestALargeStop:
    """A stop's parameters are at most 4 KiB: nothing limits how many stops come."""

    @pytest.mark.parametrize("key", ["required_params", "optional_params"])
    def test_is_refused_past_4_kib_of_parameters(self, observatory: Observatory, key: str) -> None:
        job, before = observatory.sends(**CAMERA), observatory.lists()
        params: dict[str, Any] = {"required_params": {}, "optional_params": {}}
        most = 4096 - len('{"a":""}') - len("{}")
        refusal = observatory.asks("stop", **CAMERA, **params | {key: {"a": "x" * (most + 1)}})
        assert (refusal.status, refusal.text) == (
            400,
            "Error: required_params and optional_params of a stop command must be at most 4096 bytes of JSON",
        )
        assert observatory.lists() == before
        assert observatory.status(job) == "UNREAD"
        assert observatory.asks("stop", **CAMERA, **params | {key: {"a": "x" * most}}).status == 200

    @pytest.mark.parametrize("key", ["device", "instance", "action", "user_name", "user_id"])
    def test_is_refused_with_a_name_past_500_characters(self, observatory: Observatory, key: str) -> None:
        name = "stop".ljust(501) if key == "action" else "x" * 501
        refusal = observatory.asks(**{"action": "stop", key: name})
        assert (refusal.status, refusal.text) == (400, f"Error: {key} of a stop command must be at most 500 characters")

    def test_bounds_no_other_command(self, observatory: Observatory) -> None:
        assert observatory.asks("expose", required_params={"a": "x" * 5000}).status == 200
