"""A retry or a double click moves nothing twice: the same key makes one job."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask

from jobs_server.service import service_of
from jobs_server.upkeep import maintenance

from ..conftest import inside
from ..support.clocks import HOUR, Clocks
from ..support.observatory import Observatory, Reply, a_command

KEY = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}


def sends_with_key(observatory: Observatory, key: dict[str, str] = KEY, **changed: Any) -> Reply:
    return observatory.posts("newjob", a_command() | changed, key)


def test_the_same_command_again_is_the_first_job_again(observatory: Observatory) -> None:
    first = sends_with_key(observatory).job
    assert sends_with_key(observatory).job == first
    assert len(observatory.lists()) == 1


def test_the_first_job_is_shown_as_it_is_now(observatory: Observatory) -> None:
    first = sends_with_key(observatory).job
    observatory.polls()
    again = sends_with_key(observatory).job
    assert (again["ulid"], again["statusId"].split("#")[0]) == (first["ulid"], "RECEIVED")


def test_ignored_keys_and_the_order_of_keys_do_not_count(observatory: Observatory) -> None:
    first = sends_with_key(observatory, timestamp=1).job
    params = dict(reversed(a_command()["required_params"].items()))
    assert sends_with_key(observatory, timestamp=2, required_params=params).job == first


@pytest.mark.parametrize(
    "changed",
    [{"action": "stop"}, {"required_params": {"time": 2}}, {"expiresInSeconds": 5}, {"user_name": "Tycho"}],
    ids=lambda changed: next(iter(changed)),
)
def test_with_another_command_the_key_is_refused(observatory: Observatory, changed: dict[str, Any]) -> None:
    first = sends_with_key(observatory).job
    refusal = sends_with_key(observatory, **changed)
    assert refusal.status == 422
    assert "was sent before with another command" in refusal.text
    assert observatory.lists() == [first]


def test_another_user_or_site_has_keys_of_its_own(observatory: Observatory) -> None:
    ulids = {
        sends_with_key(observatory).job["ulid"],
        sends_with_key(observatory, user_id="auth0|tycho").job["ulid"],
        sends_with_key(observatory, site="mrc1").job["ulid"],
    }
    assert len(ulids) == 3


def test_a_refusal_is_not_remembered(observatory: Observatory) -> None:
    assert sends_with_key(observatory, device="").status == 400
    assert sends_with_key(observatory).status == 200


def test_a_refusal_in_a_lock_out_is_not_remembered_either(observatory: Observatory) -> None:
    vera = {"site": "wmd", "user_id": "auth0|vera", "user_name": "Vera"}
    observatory.posts("lockout", vera | {"note": "hands on the mount"})
    assert sends_with_key(observatory).status == 423
    observatory.posts("liftlockout", vera)
    assert sends_with_key(observatory).status == 200


def test_a_key_is_forgotten_after_a_day(clocks: Clocks, observatory: Observatory) -> None:
    first = sends_with_key(observatory).job
    clocks.pass_by(24 * HOUR - 1)
    assert sends_with_key(observatory).job["ulid"] == first["ulid"]
    clocks.pass_by(1)
    assert sends_with_key(observatory, action="stop").job["ulid"] != first["ulid"]


@pytest.mark.parametrize("hours", [48, -48, 24 * 365 * 12, -24 * 365 * 12])
def test_a_retry_a_second_after_the_clock_was_set_makes_no_second_job(
    clocks: Clocks, app: Flask, observatory: Observatory, hours: int
) -> None:
    """An Idempotency-Key was forgotten when the wall clock jumped two days ahead."""
    first = sends_with_key(observatory).job
    clocks.set_wall(hours * HOUR)
    clocks.pass_by(1)
    service = service_of(app)
    maintenance.sweep(service.database, service.settings, clocks.now)
    assert sends_with_key(observatory).job["ulid"] == first["ulid"]
    clocks.set_wall(-hours * HOUR)
    assert sends_with_key(observatory).job["ulid"] == first["ulid"]


def test_over_a_restart_of_the_machine_with_the_clock_ahead_a_key_is_kept_for_a_day_more(
    clocks: Clocks, observatory: Observatory
) -> None:
    first = sends_with_key(observatory).job
    clocks.reboot(48 * HOUR)
    assert sends_with_key(observatory).job["ulid"] == first["ulid"]
    clocks.pass_by(24 * HOUR)
    assert sends_with_key(observatory).job["ulid"] != first["ulid"]


def test_a_key_from_a_time_when_the_clock_was_a_year_ahead_is_forgotten_after_a_day_too(
    clocks: Clocks, observatory: Observatory
) -> None:
    clocks.set_wall(365 * 24 * HOUR)
    first = sends_with_key(observatory).job
    clocks.set_wall(-365 * 24 * HOUR)
    clocks.pass_by(24 * HOUR)
    assert sends_with_key(observatory).job["ulid"] != first["ulid"]


def test_a_stop_sent_twice_cancels_nothing_that_came_between(observatory: Observatory) -> None:
    everything: dict[str, Any] = {"action": "cancel_all_commands", "device": "all", "instance": "all"}
    sends_with_key(observatory, **everything)
    later = observatory.sends()
    sends_with_key(observatory, **everything)
    assert observatory.status(later) == "UNREAD"


def test_two_at_once_make_one_job(file_app: Flask) -> None:
    observatory = inside(file_app)
    with ThreadPoolExecutor(16) as people:
        replies = list(people.map(lambda _: sends_with_key(observatory).job["ulid"], range(64)))
    assert len(set(replies)) == 1
    assert len(observatory.lists()) == 1


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "two words", "zwölf"])
def test_a_key_is_1_to_255_visible_characters(observatory: Observatory, key: str) -> None:
    refusal = sends_with_key(observatory, {"Idempotency-Key": key})
    assert (refusal.status, refusal.text) == (400, "Error: Idempotency-Key must be 1 to 255 visible ASCII characters")
    assert observatory.lists() == []
    assert sends_with_key(observatory, {"Idempotency-Key": "x" * 255}).status == 200
