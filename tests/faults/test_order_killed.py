"""A server that is killed while people move, edit and pause: what was acknowledged holds, and nothing is half done."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from ..support import servers
from ..support.observatory import a_command

SETTINGS = {"JOBS_EXPIRES_IN_SECONDS": "604800"}
JOBS = 12


class People:
    """Somebody who moves and edits jobs and pauses the queue, one deed after the other, whether answered or not."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=f"{url}/jobs/", trust_env=False, timeout=30)
        self._dice = random.Random(7)
        self.jobs: list[str] = []
        self.moved: list[str] = []
        self.edited: dict[str, list[tuple[int, bool]]] = {}
        """By job the values that were asked for, in order, each with whether that was acknowledged."""
        self.pauses = 0

    def post(self, route: str, body: dict[str, Any]) -> httpx.Response | None:
        """Post once; None when no answer came."""
        try:
            return self._http.post(route, json={"site": "wmd"} | body)
        except httpx.TransportError:
            return None

    def insist(self, route: str, body: dict[str, Any], key: str | None = None) -> Any:
        """Post until there is an answer."""
        while True:
            try:
                headers = {} if key is None else {"Idempotency-Key": key}
                return self._http.post(route, json={"site": "wmd"} | body, headers=headers).raise_for_status().json()
            except httpx.TransportError:
                time.sleep(0.02)

    def send(self) -> None:
        """Send the jobs, some of them to go next."""
        for number in range(JOBS):
            body = a_command(required_params={"time": 0}, next=number % 3 == 0)
            self.jobs.append(self.insist("newjob", body, f"key-{number}")["ulid"])

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Change things for the length of a block."""
        ending = threading.Event()

        def work() -> None:
            for number in itertools.count(1):
                if ending.is_set():
                    return
                self._change(number)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            ending.set()
            thread.join()

    def _change(self, number: int) -> None:
        ulid, other = self._dice.sample(self.jobs, 2)
        deed = self._dice.choice(("move", "move", "edit", "pause"))
        if deed == "move":
            reply = self.post("movejob", {"ulid": ulid, "to": self._dice.choice(("first", "last", other))})
            if reply is not None:
                assert reply.status_code == 200, reply.text
                self.moved.append(ulid)
        elif deed == "edit":
            reply = self.post("editjob", {"ulid": ulid, "required_params": {"time": number}})
            assert reply is None or reply.status_code == 200, reply
            self.edited.setdefault(ulid, []).append((number, reply is not None))
        else:
            reply = self.post("pausequeue", {"note": "clouds"})
            assert reply is None or reply.status_code in (200, 409)
            self.pauses += self.post("resumequeue", {}) is not None


def test_what_people_changed_holds_whenever_the_server_is_killed(tmp_path: Path, kills: int) -> None:
    port, instance = servers.free_port(), tmp_path / "instance"
    kinds, dice = itertools.cycle(("flask", "gunicorn")), random.Random()
    server = servers.start(next(kinds), instance, SETTINGS, port)
    people = People(server.url)
    try:
        people.send()
        with people.at_work():
            for _ in range(kills):
                time.sleep(dice.uniform(0.2, 1.0))  # the fault itself: any moment is a good one
                server.kill()
                server = servers.start(next(kinds), instance, SETTINGS, port)
        check(people)
    finally:
        server.kill()


def check(people: People) -> None:
    """Hold what people were told against what is there after the last kill."""
    people.post("resumequeue", {})
    waiting = [job["ulid"] for job in people.insist("getwaitingjobs", {})]
    assert sorted(waiting) == sorted(people.jobs), "a job was lost or doubled"
    assert people.moved, "there was no load"
    for ulid in people.jobs:
        shown = people.insist("getjob", {"ulid": ulid})
        check_edits(shown, people.edited.get(ulid, []))
        assert {event["to"] for event in shown["history"]} == {"UNREAD"}
    copies = people.insist("getnewjobs", {"claimId": "last"})
    assert [job["ulid"] for job in copies] == waiting, "not handed over in the order that people see"
    assert [job["timestamp_ms"] for job in copies] == sorted(job["timestamp_ms"] for job in copies)
    assert people.insist("getnewjobs", {"alternateQueue": True})[0]["ulid"] == waiting[0]


def check_edits(shown: dict[str, Any], asked: list[tuple[int, bool]]) -> None:
    """Each edit that was acknowledged is in the history, each event belongs to one, and the job is as the last says."""
    edits = [event["edit"] for event in shown["history"] if event.get("mark") == "edited"]
    kept = [edit["to"]["required_params"]["time"] for edit in edits]
    assert set(kept) >= {value for value, acknowledged in asked if acknowledged}, "an acknowledged edit is not there"
    assert [value for value, _ in asked if value in kept] == kept, "an edit is there twice, or in another order"
    assert shown["required_params"]["time"] == ([0, *kept])[-1], "an edit without its event, or half of one"
    assert all(later["from"] == earlier["to"] for earlier, later in itertools.pairwise(edits))


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> int:
    """How often the server is killed: the option `--kills`."""
    return int(request.config.getoption("--kills"))
