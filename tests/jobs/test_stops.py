"""Stops among themselves: what one of them takes away, and what a second of the same kind does."""

from __future__ import annotations

from typing import Any

import pytest

from jobs_server import create_app

from ..conftest import inside
from ..support import databases
from ..support.observatory import Observatory

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
