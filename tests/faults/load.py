"""People and programs of a site that go on working while their server is killed under them.

What a client was told is kept, so that it can be held against the database afterwards.
"""

from __future__ import annotations

import itertools
import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from ..support.observatory import Reply, a_command

GIVE_UP_SECONDS = 180.0
SITE = "wmd"
_OPEN, _UNDONE = "may or may not have been done", "Nothing was changed"
_PROXYS_WORD = (502, 504)  # the server behind it went away in the middle


class Unanswered(Exception):
    """Nobody can say what became of the request."""


class Client:
    """One person or program, with a connection of its own; a patient one comes again when it is told to."""

    def __init__(self, url: str, *, patient: bool = False) -> None:
        self._url, self._patient = url, patient
        self._http = httpx.Client(trust_env=False, timeout=30, verify=False)
        self.repeated = self.refused = 0

    def close(self) -> None:
        self._http.close()

    def once(self, route: str, body: object, headers: dict[str, str] | None = None) -> Reply:
        """Post once, as soon as there is a server; raises Unanswered when no reply came."""
        deadline = time.monotonic() + GIVE_UP_SECONDS
        while True:
            try:
                response = self._http.post(f"{self._url}/jobs/{route}", content=json.dumps(body), headers=headers)
                if response.status_code in _PROXYS_WORD:
                    raise Unanswered
                if self._patient and response.status_code == 503:
                    self._wait(response, deadline)
                    continue
                return Reply(response.status_code, response.headers, response.text)
            except httpx.ConnectError:  # nobody was there, so nothing was sent
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            except httpx.TransportError as error:
                raise Unanswered from error

    def _wait(self, refusal: httpx.Response, deadline: float) -> None:
        """Wait as long as a refusal says; raises Unanswered unless it says that nothing was done."""
        sentence = refusal.headers.get("X-Error", refusal.text)  # a poll's body is never anything but jobs
        assert time.monotonic() < deadline, sentence
        self.refused += 1
        time.sleep(float(refusal.headers["Retry-After"]))
        if _OPEN in sentence:
            raise Unanswered
        assert _UNDONE in sentence

    def until_answered(self, route: str, body: object, headers: dict[str, str] | None = None) -> Reply:
        """Post the same again and again until a reply comes, as one may with what can be repeated."""
        while True:
            try:
                return self.once(route, body, headers)
            except Unanswered:
                self.repeated += 1


class Load:
    """Posters and claimers in threads, and what they were told.

    Every second poster sends an Idempotency-Key and repeats until it is answered; the others send once. Every second
    claimer polls with claim ids, starts through the fence and reports the end, all of it repeated until answered; the
    others poll plainly, and what a lost reply held is gone for them.
    """

    def __init__(self, url: str, posters: int, claimers: int, *, patient: bool = False) -> None:
        self._url, self._patient = url, patient
        self._stop_posting, self._stop_claiming = threading.Event(), threading.Event()
        self._lock = threading.Lock()
        self.acknowledged: dict[str, str] = {}
        """The ulid that each command was acknowledged with, by its mark."""
        self.unanswered: set[str] = set()
        """Commands sent once whose reply never came, by mark: they may be there, once."""
        self.delivered: dict[str, str] = {}
        """The claim that each job was delivered to, by ulid."""
        self.finished: set[str] = set()
        """Jobs whose end was acknowledged."""
        self.repeated = 0
        """Requests sent again since no reply had come."""
        self.refused = 0
        """Requests sent again since the server had said that nothing was changed."""
        self.failures: list[BaseException] = []
        self._posters = [threading.Thread(target=self._guarded, args=(self._post, n)) for n in range(posters)]
        self._claimers = [threading.Thread(target=self._guarded, args=(self._claim, n)) for n in range(claimers)]

    @contextmanager
    def running(self) -> Iterator[None]:
        """Keep the load up for the length of a block; after it all that waited is taken."""
        for thread in (*self._posters, *self._claimers):
            thread.start()
        try:
            yield
        finally:
            self._end(self._posters, self._stop_posting)
            self._end(self._claimers, self._stop_claiming)
        if self.failures:
            raise self.failures[0]

    def _end(self, threads: list[threading.Thread], stop: threading.Event) -> None:
        stop.set()
        for thread in threads:
            thread.join()

    def _guarded(self, work: Callable[[Client, int], None], number: int) -> None:
        client = Client(self._url, patient=self._patient)
        try:
            work(client, number)
        except BaseException as error:
            self.failures.append(error)
        finally:
            client.close()
            with self._lock:
                self.repeated += client.repeated
                self.refused += client.refused

    def _post(self, client: Client, number: int) -> None:
        with_key = number % 2 == 0
        dice = random.Random(number)
        for count in itertools.count():
            if self._stop_posting.wait(dice.random() * 0.01):
                return
            mark = f"{number}-{count}"
            body = a_command(site=SITE, required_params={"mark": mark})
            try:
                if with_key:
                    reply = client.until_answered("newjob", body, {"Idempotency-Key": mark})
                else:
                    reply = client.once("newjob", body)
            except Unanswered:
                self._note(mark, self.unanswered)
                continue
            with self._lock:
                self.acknowledged[mark] = reply.job["ulid"]

    def _claim(self, client: Client, number: int) -> None:
        with_id = number % 2 == 0
        for count in itertools.count():
            last_look = self._stop_claiming.is_set()
            claim = f"{'claim' if with_id else 'plain'}-{number}-{count}"
            jobs = self._claimed(client, claim) if with_id else self._polled(client)
            self._delivered(jobs, claim)
            if with_id:
                for job in jobs:
                    self._carry_out(client, job, claim)
            if not jobs and last_look:
                return
            if not jobs:
                time.sleep(0.01)

    def _claimed(self, client: Client, claim: str) -> list[dict[str, Any]]:
        return client.until_answered("getnewjobs", {"site": SITE, "claimId": claim, "limit": 20}).jobs

    def _polled(self, client: Client) -> list[dict[str, Any]]:
        try:
            return client.once("getnewjobs", {"site": SITE}).jobs
        except Unanswered:
            return []

    def _delivered(self, jobs: list[dict[str, Any]], claim: str) -> None:
        with self._lock:
            for job in jobs:
                other = self.delivered.setdefault(job["ulid"], claim)
                assert other == claim, f"job {job['ulid']} was delivered to {other} and to {claim}"

    def _carry_out(self, client: Client, job: dict[str, Any], claim: str) -> None:
        this = {"site": SITE, "ulid": job["ulid"]}
        started = client.until_answered("startjob", this | {"claimId": claim})
        assert started.status == 200, started.text
        ended = client.until_answered("updatejobstatus", this | {"newStatus": "COMPLETE"})
        assert ended.status == 200, ended.text
        self._note(job["ulid"], self.finished)

    def _note(self, what: str, where: set[str]) -> None:
        with self._lock:
            where.add(what)
