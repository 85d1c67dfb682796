"""Stops and long lists have threads of their own."""

from __future__ import annotations

import json

import pytest

from jobs_server.front.lanes import Lane, lane_of

STOPS = [
    {"action": "stop"},
    {"action": " Cancel_All_Commands "},
    {"action": "run", "required_params": {"script": "stopScript"}},
]
CALLS = [{"action": "expose", "note": "stop it"}, {"action": "expose"}, ["stop"], "stop", {"action": ["stop"]}]


@pytest.mark.parametrize("job", STOPS)
@pytest.mark.parametrize("path", ["/newjob", "/jobs/newjob", "/jobs/newjob/?x=1"])
def test_a_stop_is_known_before_it_is_taken_up(job: object, path: str) -> None:
    assert lane_of("POST", path, lambda: json.dumps(job).encode()) is Lane.STOPS


@pytest.mark.parametrize("path", ["/act/stop", "/act/cancel", "/jobs/canceljob"])
def test_so_is_what_cancels(path: str) -> None:
    assert lane_of("POST", path, bytes) is Lane.STOPS


@pytest.mark.parametrize("job", CALLS)
def test_other_jobs_are_calls(job: object) -> None:
    assert lane_of("POST", "/jobs/newjob", lambda: json.dumps(job).encode()) is Lane.CALLS


@pytest.mark.parametrize("body", [b"stop", b'{"action": "stop"', b"\xff stop", b" " * 70_000 + b'{"action": "stop"}'])
def test_what_cannot_be_seen_at_once_is_a_call(body: bytes) -> None:
    assert lane_of("POST", "/newjob", lambda: body) is Lane.CALLS


def test_lists_are_few_at_a_time() -> None:
    assert lane_of("POST", "/jobs/getrecentjobs", bytes) is Lane.LISTS
    assert lane_of("GET", "/act/stop", bytes) is Lane.CALLS
