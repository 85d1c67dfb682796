"""A model of the protocol: several actors, lost replies, clocks that are set, restarts; what must hold after each step.

Real operations on a real file, over the routes; the model keeps what each actor was told.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from jobs_server import clock, create_app
from jobs_server.domain.actors import said
from jobs_server.domain.lifecycle import UNREAD
from jobs_server.jobs import reservations
from jobs_server.jobs.desk import Desk
from jobs_server.jobs.reservations import ReservationRow
from jobs_server.service import service_of
from jobs_server.upkeep import maintenance, startup

from ..conftest import inside
from ..support import databases
from ..support.clocks import HOUR, START_MS
from ..support.observatory import Observatory, a_command

ACTORS = ("dome", "spare")
VERA = {"user_id": "auth0|vera", "user_name": "Vera"}
TYCHO = {"user_id": "auth0|tycho", "user_name": "Tycho"}
PEOPLE = (VERA, TYCHO)
DEVICES = ({"device": "camera", "instance": "camera1"}, {"device": "mount", "instance": "mount1"})
EVERYTHING = {"device": "all", "instance": "all"}
EXPIRES_MS = 15 * 60 * 1000
ENDS = ("COMPLETE", "FAILED", "CANCELED")


class Protocol(RuleBasedStateMachine):
    """People who send, move, edit, pause, lock out and reserve, two programs that claim with ids, and an old one."""

    held = Bundle("held")
    """Jobs in the hands of a program: (claim id, ulid, whether on the alternate queue)."""
    running = Bundle("running")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.read = clock.read
        self.now = clock.Now(START_MS, (1 << clock.BOOT_BITS) + 1_000_000)
        clock.read = lambda: self.now
        self.claims = dict.fromkeys(itertools.product(ACTORS, [False, True]), 0)
        self.clock_was_set_back = False
        self.sent: list[str] = []
        self.accepted: dict[str, clock.Now] = {}
        self.life_ms: dict[str, int] = {}  # by ulid, at which age it is too old to be handed over
        self.urgent: set[str] = set()  # stop commands, which go before all others
        self.held_back: set[str] = set()
        self.handed_to: dict[tuple[bool, str], str] = {}  # by queue (is it the alternate one) and ulid
        self.canceled: set[str] = set()  # acknowledged as CANCELED, and nobody has said otherwise since
        self.running_there: set[str] = set()  # begun on the alternate queue
        self.line: list[str] = []  # all jobs in the order that people gave them
        self.sent_as_next: set[str] = set()  # and not moved since
        self.asked: dict[str, Any] = {}  # the parameters of jobs that were edited
        self.paused = self.locked_out = False
        self.reserved: list[tuple[int, int]] = []  # from when until when the telescope is Tycho's
        self.carried_ms = {False: 0, True: 0}  # by queue (is it the alternate one) the newest time of a copy
        self.app: Any = None
        self.restart()

    def teardown(self) -> None:
        clock.read = self.read
        service_of(self.app).database.close()
        shutil.rmtree(self.folder)

    @rule()
    def restart(self) -> None:
        """The server is restarted."""
        if self.app is not None:
            service_of(self.app).database.close()
        self.app = create_app({"TESTING": True} | databases.at(self.folder))
        startup.prepare(self.app)
        self.site: Observatory = inside(self.app)
        self.serving_since = self.now

    @rule(seconds=st.sampled_from([1, 60, HOUR / 4, 4 * HOUR]))
    def time_goes_by(self, seconds: float) -> None:
        passed_ms = round(seconds * 1000)
        self.now = clock.Now(self.now.wall_ms + passed_ms, self.now.boot_ms + passed_ms)

    @rule(seconds=st.sampled_from([-8 * HOUR, -30, 30, 8 * HOUR]))
    def the_wall_clock_is_set(self, seconds: float) -> None:
        self.clock_was_set_back |= seconds < 0
        self.now = self.now._replace(wall_ms=self.now.wall_ms + round(seconds * 1000))

    @rule()
    def the_server_sweeps(self) -> None:
        settings = service_of(self.app).settings
        maintenance.sweep(service_of(self.app).database, settings, self.serving_since)

    @rule(
        device=st.sampled_from(DEVICES),
        hold=st.sampled_from([0, 0, 30]),
        lost=st.booleans(),
        goes_next=st.booleans(),
        who=st.sampled_from(PEOPLE),
    )
    def somebody_sends(
        self, device: dict[str, str], hold: int, lost: bool, goes_next: bool, who: dict[str, str]
    ) -> None:
        body = a_command("expose", **device, **who, notBeforeSeconds=hold, next=goes_next)
        key = {"Idempotency-Key": f"key-{len(self.sent)}"}
        ahead = [u for u in self.line if self.waits(u) and (u in self.urgent or u in self.sent_as_next)]
        reply = self.site.posts("newjob", body, key)
        if self.locked_out or self.is_strangers(who):
            assert reply.status == (423 if self.locked_out else 401)
            return
        ulid = reply.job["ulid"]
        if lost:  # the reply, so it is sent again
            assert self.site.posts("newjob", body, key).job["ulid"] == ulid, "a double send made a second job"
        self.note_sent(ulid)
        if goes_next:
            self.sent_as_next.add(ulid)
            self.put(ulid, self.line.index(ahead[-1]) + 1 if ahead else 0)
        if hold:
            self.held_back.add(ulid)

    @rule(device=st.sampled_from([*DEVICES, EVERYTHING]))
    def somebody_stops(self, device: dict[str, str]) -> None:
        covered = [u for u in self.sent if device is EVERYTHING or self.shown(u)["deviceType"] == device["device"]]
        others = {u: self.shown(u) for u in self.urgent - set(covered)}
        waits = [u for u in self.urgent if self.is_untaken(u) and self.shown(u)["deviceType"] == device["device"]]
        ulid = self.site.sends("stop", **device)["ulid"]
        if waits:
            assert [ulid] == waits, "a stop that waits was sent again, and made a second one"
            assert self.shown(ulid)["history"][-1]["mark"] == "repeated"
            self.life_ms[ulid] = max(self.life_ms[ulid], self.age_ms(ulid) + EXPIRES_MS)
            covered.remove(ulid)
        else:
            self.note_sent(ulid)
            self.urgent.add(ulid)
        self.note_canceled(covered)
        for ulid in covered:
            self.check_stopped(ulid)
        assert {u: self.shown(u) for u in others} == others, "a stop took away one that stops more"

    @rule()
    def somebody_cancels_what_waits(self) -> None:
        """The pages' button: it leaves stops."""
        stops = {u: self.shown(u) for u in self.urgent}
        self.site_desk().cancel_waiting("wmd", said("auth0|vera", "Vera", ()))
        assert {u: self.shown(u) for u in stops} == stops, "a stop was canceled with what waited"
        work = set(self.sent) - self.urgent
        assert UNREAD not in map(self.status, work)
        self.note_canceled(list(work))

    @rule(data=st.data(), to=st.sampled_from(["first", "last", "another", "another"]), who=st.sampled_from(PEOPLE))
    def somebody_moves(self, data: st.DataObject, to: str, who: dict[str, str]) -> None:
        if not self.sent:
            return
        ulid, other = data.draw(st.sampled_from(self.sent)), data.draw(st.sampled_from(self.sent))
        stops = [u for u in self.line if u in self.urgent and self.waits(u)]
        may, place = self.is_untaken(ulid) and ulid not in self.urgent, len(self.line) - 1
        if to == "first":
            place = self.line.index(stops[-1]) + 1 if stops else 0
        elif to == "another":
            before = self.line.index(other)
            overtaken = [u for u in stops if before <= self.line.index(u) < self.line.index(ulid)]
            may &= ulid == other or (self.waits(other) and other not in self.urgent and not overtaken)
            place = before
        body = {"site": "wmd", "ulid": ulid, "to": other if to == "another" else to} | who
        reply = self.site.posts("movejob", body)
        if self.is_strangers(who):
            assert reply.status == 401
        elif not may:
            assert reply.status == (400 if ulid in self.urgent else 409)
        elif ulid != other or to != "another":
            assert reply.status == 200, reply.text
            place -= self.line.index(ulid) < place and to != "last"
            self.put(ulid, place)
            if self.shown(ulid)["history"][-1].get("mark") == "moved":
                self.sent_as_next.discard(ulid)

    @rule(data=st.data(), seconds=st.integers(1, 99), who=st.sampled_from(PEOPLE))
    def somebody_edits(self, data: st.DataObject, seconds: int, who: dict[str, str]) -> None:
        if not (work := [ulid for ulid in self.sent if ulid not in self.urgent]):
            return
        ulid = data.draw(st.sampled_from(work))
        may = self.is_untaken(ulid)
        body = {"site": "wmd", "ulid": ulid, "required_params": {"time": seconds}} | who
        reply = self.site.posts("editjob", body)
        if self.is_strangers(who):
            assert reply.status == 401
        elif not may:
            assert reply.status == 409, reply.text
        else:
            self.asked[ulid] = reply.job["required_params"]
            assert self.asked[ulid] == {"time": seconds}

    @rule(who=st.sampled_from(PEOPLE))
    def somebody_pauses_or_resumes(self, who: dict[str, str]) -> None:
        body = {"site": "wmd", "note": "clouds"} | who
        reply = self.site.posts("resumequeue" if self.paused else "pausequeue", body)
        if self.is_strangers(who):
            assert reply.status == 401
        else:
            assert reply.status == 200
            self.paused = not self.paused

    @rule()
    def somebody_locks_out_or_lifts(self) -> None:
        body = {"site": "wmd", "note": "hands on it", "cancelWaiting": False} | VERA
        assert self.site.posts("liftlockout" if self.locked_out else "lockout", body).status == 200
        self.locked_out = not self.locked_out

    @rule()
    def tycho_reserves_for_an_hour(self) -> None:
        if not self.is_strangers(VERA):
            self.reserved.append((self.now.wall_ms, self.now.wall_ms + 3_600_000))
            reserve(self.app, TYCHO, *self.reserved[-1])

    @rule(data=st.data())
    def somebody_cancels(self, data: st.DataObject) -> None:
        if self.sent:
            ulid = data.draw(st.sampled_from(self.sent))
            if self.site.asks_to_cancel({"site": "wmd", "ulid": ulid}).status == 200:
                self.note_canceled([ulid])  # else it had ended by the site's word, on the queue that it was asked on

    @rule(
        target=held,
        actor=st.sampled_from(ACTORS),
        lost=st.booleans(),
        limit=st.sampled_from([{}, {"limit": 1}, {"limit": 2}]),
        alternate=st.sampled_from([False, False, True]),
    )
    def a_program_claims(self, actor: str, lost: bool, limit: dict[str, int], alternate: bool) -> Any:
        name = (actor, alternate)
        claim_id = f"{actor}-{self.claims[name]}"
        queue = {"alternateQueue": True} if alternate else {}
        jobs = self.site.polls(claimId=claim_id, **limit, **queue)
        fresh = [job for job in jobs if (alternate, job["ulid"]) not in self.handed_to]
        self.check_handed_over(jobs, claim_id, alternate)
        self.check_queue_order(fresh, alternate)
        self.check_times(fresh, alternate)
        if lost:
            return multiple()
        again = self.site.polls(claimId=claim_id, **queue)
        assert again == jobs or not jobs, "a replay is another reply"
        self.check_handed_over(again, claim_id, alternate)
        if jobs:
            self.claims[name] += 1
        return multiple(*((claim_id, job["ulid"], alternate) for job in jobs))

    @rule(limit=st.sampled_from([None, 1]))
    def an_old_program_polls(self, limit: int | None) -> None:
        jobs = self.site.polls(**({"limit": limit} if limit else {}))
        self.check_handed_over(jobs, f"plain-{len(self.handed_to)}")
        self.check_queue_order(jobs)
        self.check_times(jobs, alternate=False)

    @rule(target=running, job=held, lost=st.booleans())
    def a_program_starts(self, job: tuple[str, str, bool], lost: bool) -> Any:
        claim_id, ulid, alternate = job
        start = {"claimId": claim_id, "secondsUntilComplete": 30, "alternateQueue": alternate}
        before = self.shown(ulid)["replicaStatusId" if alternate else "statusId"].split("#")[0]
        reply = self.site.starts({"site": "wmd", "ulid": ulid}, **start)
        if lost:
            reply = self.site.starts({"site": "wmd", "ulid": ulid}, **start)
        holds = self.paused or self.locked_out
        if reply.status != 200:
            assert reply.status == 409 or (reply.status == 423 and holds and ulid not in self.urgent)
            return multiple()
        assert not holds or ulid in self.urgent or before != "RECEIVED", "it began although the queue is held"
        if ulid in self.canceled:
            repeated = alternate and ulid in self.running_there  # the start from before the cancel, told again
            assert repeated, "started after its cancel was acknowledged"
            assert reply.job["cancelRequested"] is True, "started again without a word of its cancel"
        if alternate:
            self.running_there.add(ulid)
            return multiple()
        return ulid

    @rule(ulid=running, word=st.sampled_from(["EXPOSING", "RECEIVED"]))
    def a_program_reports(self, ulid: str, word: str) -> None:
        self.report(ulid, word)

    @rule(ulid=consumes(running), end=st.sampled_from(ENDS))
    def a_program_reports_the_end(self, ulid: str, end: str) -> None:
        self.report(ulid, end)

    @rule(data=st.data(), word=st.sampled_from(["EXPOSING", *ENDS]))
    def a_program_reports_on_the_alternate_queue(self, data: st.DataObject, word: str) -> None:
        if self.running_there:
            ulid = data.draw(st.sampled_from(sorted(self.running_there)))
            reply = self.site.reports({"site": "wmd", "ulid": ulid}, word, alternateQueue=True)
            assert reply.status in (200, 409)

    @rule(data=st.data(), word=st.sampled_from(["STARTED", "EXPOSING", *ENDS]))
    def an_old_program_reports(self, data: st.DataObject, word: str) -> None:
        if self.sent:
            self.report(data.draw(st.sampled_from(self.sent)), word)

    @invariant()
    def the_history_is_the_state(self) -> None:
        for ulid in self.sent:
            shown = self.shown(ulid)
            replica = [event["to"] for event in shown["history"] if event["alternateQueue"]]
            if shown["replicaStatusId"] != f"EXPIRED#{ulid}":  # on that queue jobs expire in silence
                assert shown["replicaStatusId"] == f"{[UNREAD, *replica][-1]}#{ulid}"
            assert UNREAD not in replica
            events = [event for event in shown["history"] if not event["alternateQueue"]]
            assert events[0]["from"] is None
            assert events[0]["to"] == "UNREAD"
            assert [event["to"] for event in events].count("UNREAD") <= 1 + sum("mark" in event for event in events)
            assert all(later["from"] == earlier["to"] for earlier, later in itertools.pairwise(events))
            assert shown["statusId"] == f"{events[-1]['to']}#{ulid}"
            assert sum(event["to"] == "RECEIVED" and event["from"] == "UNREAD" for event in events) <= 1

    def check_handed_over(self, jobs: list[dict[str, Any]], claim_id: str, alternate: bool = False) -> None:
        ulids = [job["ulid"] for job in jobs]
        stamps = [job["timestamp_ms"] for job in jobs]
        assert stamps == sorted(stamps), "who sorts by time loses the order"
        for job in jobs:
            assert job["required_params"] == self.asked.get(job["ulid"], job["required_params"]), "as it was, not is"
        for ulid in ulids:
            new = (alternate, ulid) not in self.handed_to
            assert self.handed_to.setdefault((alternate, ulid), claim_id) == claim_id, "handed to two claims"
            assert ulid not in self.canceled, "handed over after its cancel was acknowledged"
            assert not (new and self.is_too_old(ulid)), "handed over when it was too old"
            assert ulid in self.urgent or not (self.paused or self.locked_out), "handed over although it is held"

    def check_queue_order(self, jobs: list[dict[str, Any]], alternate: bool = False) -> None:
        """Hold what was handed over just now against what was left: only a stop may overtake."""
        places = [self.line.index(job["ulid"]) for job in jobs]
        assert places == sorted(places), "not in the order that people gave"
        overtakers = [job["ulid"] for job in jobs if job["ulid"] not in self.urgent]
        for ulid in self.sent:
            shown = self.shown(ulid)["replicaStatusId" if alternate else "statusId"]
            left = shown == f"{UNREAD}#{ulid}" and ulid not in self.held_back and not self.is_too_old(ulid)
            left &= ulid in self.urgent or not (self.paused or self.locked_out)
            if left:
                place = self.line.index(ulid)
                assert not [u for u in overtakers if self.line.index(u) > place], "a later job overtook one that waited"
                assert ulid not in self.urgent or not overtakers, "a stop was left waiting behind others"

    def check_times(self, jobs: list[dict[str, Any]], alternate: bool) -> None:
        """Hold the times of new copies against all earlier ones, but for one of a clock that is far ahead."""
        floor_ms = self.carried_ms[alternate]
        for job in jobs:
            assert job["timestamp_ms"] >= floor_ms or floor_ms > self.now.wall_ms + clock.AHEAD_MS
        if jobs:
            self.carried_ms[alternate] = jobs[-1]["timestamp_ms"]

    def put(self, ulid: str, place: int) -> None:
        """Put a job into the order, among the others."""
        self.line.remove(ulid)
        self.line.insert(place, ulid)

    def waits(self, ulid: str) -> bool:
        """Whether a job waits on the first queue, by its status."""
        return self.status(ulid) == UNREAD

    def is_strangers(self, who: dict[str, str]) -> bool:
        """Whether somebody else holds the telescope."""
        return who is not TYCHO and any(begin <= self.now.wall_ms < end for begin, end in self.reserved)

    def check_stopped(self, ulid: str) -> None:
        """On each queue a job that was stopped has ended, or whoever has it in hand is asked to end it."""
        shown = self.shown(ulid)
        primary, alternate = (shown[key].split("#")[0] for key in ("statusId", "replicaStatusId"))
        ended = (*ENDS, "EXPIRED")
        assert UNREAD not in (primary, alternate), "a stop left an earlier job waiting"
        read_along = alternate == "RECEIVED" and primary in ENDS
        if primary not in ended or not (alternate in ended or read_along):
            assert shown["cancelRequested"] is True, "the site is not told to end what a stop found in its hands"

    def note_sent(self, ulid: str) -> None:
        assert ulid > max(self.sent, default=""), "ULIDs do not rise"
        self.sent.append(ulid)
        self.line.append(ulid)
        self.accepted[ulid] = self.now
        self.life_ms[ulid] = EXPIRES_MS

    def is_too_old(self, ulid: str) -> bool:
        """Whether a job's time to live is over, by the clock that says so first."""
        return self.age_ms(ulid) >= self.life_ms[ulid] + (30_000 if ulid in self.held_back else 0)

    def age_ms(self, ulid: str) -> int:
        then = self.accepted[ulid]
        return max(self.now.wall_ms - then.wall_ms, self.now.boot_ms - then.boot_ms)

    def is_untaken(self, ulid: str) -> bool:
        """Whether nobody got a job on either queue, and somebody still may."""
        shown, waits = self.shown(ulid), f"{UNREAD}#{ulid}"
        return shown["statusId"] == shown["replicaStatusId"] == waits and not self.is_too_old(ulid)

    def site_desk(self) -> Desk:
        return service_of(self.app).desk

    def note_canceled(self, ulids: list[str]) -> None:
        self.canceled |= {ulid for ulid in ulids if self.status(ulid) == "CANCELED"}

    def report(self, ulid: str, word: str) -> None:
        before = self.status(ulid)
        reply = self.site.reports({"site": "wmd", "ulid": ulid}, word)
        assert reply.status in (200, 409)
        if before in ("COMPLETE", "FAILED"):
            assert (reply.status == 200) == (word == before), "something led on from an end"
        if reply.status == 200:
            self.canceled.discard(ulid)  # the site's word stands

    def shown(self, ulid: str) -> dict[str, Any]:
        return self.site.shows({"site": "wmd", "ulid": ulid})

    def status(self, ulid: str) -> str:
        return str(self.shown(ulid)["statusId"]).split("#")[0]


def reserve(app: Any, who: dict[str, str], start_ms: int, end_ms: int) -> None:
    """Reserve the telescope for somebody."""
    blank: dict[str, Any] = dict.fromkeys(ReservationRow._fields, "")
    times = {"start_ms": start_ms, "end_ms": end_ms, "last_modified_ms": 0}
    whose = {"creator_id": who["user_id"], "creator": who["user_name"], "site": "wmd"}
    actor = said(who["user_id"], who["user_name"], ())
    with service_of(app).database.transaction("wmd") as connection:
        reservations.add(connection, ReservationRow(**blank | times | whose), actor, clock.read())


TestProtocol = Protocol.TestCase
TestProtocol.settings = settings(
    max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
