"""While somebody has reserved the telescope, only holders and admins command it; two people never hold it at once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from jobs_server import create_app
from jobs_server.clock import in_utc
from jobs_server.jobs.reservation_commands import time_ms
from jobs_server.service import service_of
from jobs_server.storage.models import Reservation
from jobs_server.storage.statement import Statement

from ..conftest import inside
from ..support import databases, issuers
from ..support.clocks import HOUR, Clocks
from ..support.issuers import Issuer
from ..support.observatory import Observatory, Reply, a_command

VERA, TYCHO = "auth0|vera", "auth0|tycho"
STOP = {"action": "cancel_all_commands", "device": "all", "instance": "all"}
NOW = "2027-01-15T08:00:00Z"  # what the clocks of these tests say at first


def an_event(site: str, who: str = VERA, start: str = "2027-01-15T07:00Z", end: str = "2027-01-15T09:00Z") -> Any:
    return {"site": site, "start": start, "end": end, "creator_id": who, "creator": who.partition("|")[2].title()}


def books(observatory: Observatory, *args: Any, **more: Any) -> Reply:
    return observatory.posts("../calendar/newevent", an_event(observatory.site, *args) | more)


def asks(site: Observatory, route: str, **body: Any) -> Any:
    reply = site.posts(f"../calendar/{route}", {"site": site.site} | body)
    assert reply.status == 200, reply.text
    return reply.json


@pytest.fixture
def site(desk: Observatory, clocks: Clocks) -> Observatory:
    del clocks
    desk_post = desk._post
    return Observatory(lambda path, body, headers: desk_post(path.replace("/jobs/..", ""), body, headers), desk.site)


def test_with_no_reservation_anybody_may(site: Observatory) -> None:
    assert site.asks(user_id=TYCHO).status == 200


def test_while_somebody_has_reserved_only_they_may(site: Observatory, clocks: Clocks) -> None:
    assert books(site).status == 200
    assert site.asks(user_id=VERA).status == 200
    refusal = site.asks(user_id=TYCHO)
    assert refusal.status == 401
    assert refusal.text == (
        f"Error: {site.site} is reserved by Vera until 2027-01-15 09:00 UTC;"
        " until then only they and admins may command it"
    )
    clocks.pass_by(HOUR)
    assert site.asks(user_id=TYCHO).status == 200


def test_a_reservation_to_come_or_of_another_site_holds_nobody_off(site: Observatory) -> None:
    books(site, VERA, "2027-01-15T08:00:01Z")
    books(site, VERA, "2027-01-15T06:00Z", "2027-01-15T08:00Z")
    books(site, VERA, site=f"{site.site}-other")
    assert site.asks(user_id=TYCHO).status == 200


def test_in_open_mode_anybody_may_stop(site: Observatory) -> None:
    job = site.sends(user_id=VERA)
    books(site)
    assert site.asks(**STOP, user_id=TYCHO).status == 200
    assert site.status(job) == "CANCELED"


def test_the_same_job_sent_again_is_the_first_job_whatever_reservation_came_since(site: Observatory) -> None:
    body, key = a_command(site=site.site, user_id=TYCHO), {"Idempotency-Key": "k"}
    first = site.posts("newjob", body, key).job
    books(site)
    assert site.posts("newjob", body, key).job == first


def test_where_only_holders_may_stop_others_are_refused(clocks: Clocks) -> None:
    app = create_app({"TESTING": True, "DATABASE_URL": databases.fresh(), "ANYONE_MAY_STOP": False})
    site = inside(app)
    vera, tycho = site.sends(user_id=VERA), site.sends(user_id=TYCHO)
    with app.test_client() as client:
        assert client.post("/calendar/newevent", json=an_event("wmd")).status_code == 200
    assert site.asks(**STOP, user_id=TYCHO).status == 401
    cancels = {"site": "wmd", "user_id": TYCHO, "user_name": "Tycho"}
    assert site.posts("canceljob", cancels | {"ulid": vera["ulid"]}).status == 401
    assert site.posts("canceljob", cancels | {"ulid": tycho["ulid"]}).status == 200
    assert site.status(vera) == "UNREAD"
    assert site.asks(**STOP, user_id=VERA).status == 200
    service_of(app).database.close()


def test_whoever_sits_at_the_pc_stops_the_telescope_whoever_holds_it(clocks: Clocks) -> None:
    app = create_app({"TESTING": True, "DATABASE_URL": databases.fresh(), "ANYONE_MAY_STOP": False})
    site, terminal = inside(app), app.test_cli_runner()
    job, other = site.sends(user_id=VERA), site.sends(user_id=VERA)
    with app.test_client() as client:
        assert client.post("/calendar/newevent", json=an_event("wmd")).status_code == 200
    refused = terminal.invoke(args=["jobs", "send", "--site", "wmd", "--user", "tycho", "mount", "mount1", "park"])
    assert (refused.exit_code, "is reserved by Vera" in refused.output) == (1, True)
    assert terminal.invoke(args=["jobs", "cancel", job["ulid"], "--user", "tycho"]).exit_code == 0
    assert terminal.invoke(args=["jobs", "cancel-all", "--site", "wmd", "--user", "tycho"]).exit_code == 0
    assert site.status(job) == site.status(other) == "CANCELED"
    assert [each["action"] for each in site.polls()] == ["cancel_all_commands"]
    service_of(app).database.close()


class TestWire:
    """The public calendar service's bodies and answers."""

    def test_an_event_comes_back_under_the_services_names(self, site: Observatory) -> None:
        more = {"event_id": f"e-{site.site}", "title": "Orion", "reservation_note": "bring coffee", "rrule": None}
        more |= {"resourceId": site.site, "project_id": "none", "origin": "ptr", "reservation_type": "realtime"}
        event = books(site, **more).json["new_calendar_event"]
        assert {name: event[name] for name in more if name != "rrule"} == {
            k: v for k, v in more.items() if k != "rrule"
        }
        assert (event["start"], event["end"]) == ("2027-01-15T07:00:00Z", "2027-01-15T09:00:00Z")
        assert (event["creator"], event["creator_id"], event["last_modified"]) == ("Vera", VERA, NOW)
        assert set(event) == {
            *("event_id", "start", "end", "creator", "creator_id", "site", "title", "reservation_type", "resourceId"),
            *("project_id", "reservation_note", "origin", "last_modified"),
        }
        assert asks(site, "siteevents", start="2027-01-15T00:00Z", end="2027-01-16T00:00Z") == [event]
        assert asks(site, "get-event-at-time", time=NOW) == [event]

    def test_what_happens_at_a_time_and_who_is_scheduled(self, site: Observatory) -> None:
        books(site)
        at = {"time": NOW}
        assert asks(site, "is-user-scheduled", user_id=VERA, **at) is True
        assert asks(site, "is-user-scheduled", user_id=TYCHO, **at) is False
        assert asks(site, "does-conflicting-event-exist", user_id=TYCHO, **at) is True
        assert asks(site, "does-conflicting-event-exist", user_id=VERA, **at) is False
        assert asks(site, "get-event-at-time", time="2027-01-15T09:00Z") == []
        assert asks(site, "get-event-at-time", time="2027-01-15T07:00Z") != []

    def test_an_event_is_changed_and_deleted_by_its_creator(self, site: Observatory) -> None:
        event = books(site).json["new_calendar_event"]
        body = {"originalEvent": event, "modifiedEvent": event | {"end": "2027-01-15T10:00Z", "title": "longer"}}
        changed = site.posts("../calendar/modifyevent", body)
        assert (changed.status, changed.json["end"], changed.json["title"]) == (200, "2027-01-15T10:00:00Z", "longer")
        thief = {"originalEvent": event, "modifiedEvent": event | {"creator_id": TYCHO, "creator": "Tycho"}}
        assert site.posts("../calendar/modifyevent", thief).status == 403
        gone = {"event_id": event["event_id"], "start": event["start"]}
        assert site.posts("../calendar/delete", gone | {"creator_id": TYCHO}).status == 403
        assert site.posts("../calendar/delete", gone | {"creator_id": VERA}).status == 200
        assert site.posts("../calendar/delete", gone | {"creator_id": VERA}).status == 404
        assert asks(site, "get-event-at-time", time=NOW) == []

    @pytest.mark.parametrize(
        ("wrong", "named"),
        [
            ({"end": "2027-01-15T07:00Z"}, "end must be after start"),
            ({"end": "2027-01-16T07:00:01Z"}, "at most 24 hours"),
            ({"start": "tomorrow"}, "start must be a time in ISO 8601"),
            ({"end": 5}, "end must be a time in ISO 8601"),
            ({"start": "2027-02-29T00:00Z", "end": "2027-02-28T00:00Z"}, "start must be a time in ISO 8601"),
            ({"site": ""}, "site must be"),
            ({"reservation_note": "x" * 501}, "at most 500 characters"),
        ],
        ids=str,
    )
    def test_what_is_wrong_is_named(self, site: Observatory, wrong: dict[str, Any], named: str) -> None:
        refusal = books(site, **wrong)
        assert (refusal.status, named in refusal.text) == (400, True), refusal.text

    @pytest.mark.parametrize("missing", ["site", "start", "end"])
    def test_a_missing_key_is_named(self, site: Observatory, missing: str) -> None:
        body = {key: value for key, value in an_event(site.site).items() if key != missing}
        refusal = site.posts("../calendar/newevent", body)
        assert (refusal.status, refusal.text) == (400, f"Error: missing required key {missing}")

    def test_an_id_is_used_once(self, site: Observatory) -> None:
        assert books(site, event_id=f"once-{site.site}").status == 200
        assert books(site, event_id=f"once-{site.site}").status == 409


def test_two_peoples_real_time_reservations_never_overlap(site: Observatory) -> None:
    books(site)
    refusal = books(site, TYCHO, "2027-01-15T08:59:59Z", "2027-01-15T10:00Z")
    assert refusal.status == 409
    assert "is reserved by Vera from 2027-01-15T07:00:00Z to 2027-01-15T09:00:00Z" in refusal.text
    assert books(site, TYCHO, "2027-01-15T09:00Z", "2027-01-15T10:00Z").status == 200  # one ends as the other begins
    assert books(site, VERA, "2027-01-15T08:00Z", "2027-01-15T08:30Z").status == 200  # one's own may overlap
    assert books(site, TYCHO, reservation_type="project").status == 200
    event = asks(site, "get-event-at-time", time="2027-01-15T09:30Z")[0]
    moved = {"originalEvent": event, "modifiedEvent": event | {"start": "2027-01-15T08:30Z"}}
    assert site.posts("../calendar/modifyevent", moved).status == 409


def test_of_fifty_who_reserve_at_once_one_wins(file_app: Flask) -> None:
    def book(number: int) -> int:
        event = an_event("wmd", f"auth0|{number}", f"2027-03-01T{number % 3:02}:00Z", "2027-03-01T04:00Z")
        return file_app.test_client().post("/calendar/newevent", json=event).status_code

    with ThreadPoolExecutor(50) as people:
        assert sorted(people.map(book, range(50))) == [200, *[409] * 49]


def test_the_same_reservation_posted_twice_at_once_makes_one_row(file_app: Flask) -> None:
    event = an_event("wmd", start="2027-03-01T20:00Z", end="2027-03-01T22:00Z") | {"title": "once"}

    def book(_number: int) -> str:
        reply = file_app.test_client().post("/calendar/newevent", json=event)
        return str(reply.get_json()["new_calendar_event"]["event_id"])

    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(book, range(8)))
    listed = file_app.test_client().post("/calendar/siteevents", json={"site": "wmd"} | event).get_json()
    assert [each["event_id"] for each in listed] == list(made)


def test_a_reservation_that_differs_in_anything_is_another_one(site: Observatory) -> None:
    made = [
        books(site, **more).json["new_calendar_event"]["event_id"] for more in ({}, {}, {"reservation_note": "M 31"})
    ]
    assert [made.index(each) for each in made] == [0, 0, 2]


def test_a_reservation_shorter_than_a_second_is_refused(site: Observatory) -> None:
    refusal = books(site, VERA, "2027-01-15T09:00:00.100Z", "2027-01-15T09:00:00.900Z")
    assert (refusal.status, refusal.text) == (400, "Error: end must be at least a second after start")
    assert books(site, VERA, "2027-01-15T09:00:00.100Z", "2027-01-15T09:00:01.100Z").status == 200


def test_one_that_was_kept_shorter_than_a_second_goes_out_with_a_length_and_can_be_changed(
    site: Observatory, shared_app: Flask
) -> None:
    made = books(site).json["new_calendar_event"]
    with service_of(shared_app).database.transaction() as connection:
        change = update(Reservation).where(Reservation.event_id == made["event_id"])
        connection.run(Statement(change.values(end_ms=Reservation.start_ms + 400)))
    event = asks(site, "get-event-at-time", time=made["start"])[0]
    assert (event["start"], event["end"]) == ("2027-01-15T07:00:00Z", "2027-01-15T07:00:01Z")
    noted = {"originalEvent": event, "modifiedEvent": event | {"reservation_note": "M 31"}}
    assert site.posts("../calendar/modifyevent", noted).status == 200


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2028-02-29T23:59:59Z", "2028-02-29T23:59:59Z"),
        ("2028-02-29T23:30:00-01:00", "2028-03-01T00:30:00Z"),
        ("2026-03-29T02:30:00+01:00", "2026-03-29T01:30:00Z"),  # an hour that Central Europe's clocks skip
        ("2026-10-25T02:30:00+02:00", "2026-10-25T00:30:00Z"),  # an hour that they show twice
        ("2026-10-25T02:30:00+01:00", "2026-10-25T01:30:00Z"),
        ("2026-11-24T20:15Z", "2026-11-24T20:15:00Z"),
        ("2026-11-24T20:15:00", "2026-11-24T20:15:00Z"),  # without a zone: UTC
        ("2026-11-24T20:15:00.123Z", "2026-11-24T20:15:00Z"),
        ("2026-11-24", "2026-11-24T00:00:00Z"),
        ("2026-11-24T24:00", "2026-11-25T00:00:00Z"),
        ("2026-12-31 24:00:00.000Z", "2027-01-01T00:00:00Z"),
        ("2026-11-24T24:00+02:00", "2026-11-24T22:00:00Z"),
    ],
)
def test_times_of_all_zones_are_kept_as_utc(text: str, utc: str) -> None:
    assert in_utc(time_ms(text)) == utc


@given(st.text() | st.integers() | st.none())
def test_any_other_text_is_refused_and_nothing_else_happens(text: Any) -> None:
    with suppress(ValueError):
        assert time_ms(text) >= 0


@pytest.mark.parametrize(
    ("start", "end", "status"),
    [
        ("9999-12-31T20:00:00-12:00", "9999-12-31T22:00:00-12:00", 400),
        ("9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59-14:30", 400),
        ("9001-01-01T00:00:00Z", "9001-01-01T01:00:00Z", 400),
        ("9000-12-31T23:00:00Z", "9001-01-01T00:00:00Z", 400),
        ("9000-12-31T23:00:00-02:00", "9000-12-31T23:30:00-02:00", 400),
        ("0001-01-01T00:00:00+14:00", "0001-01-01T01:00:00+14:00", 400),
        ("1969-12-31T23:59:59Z", "1970-01-01T01:00:00Z", 400),
        ("9000-12-31T22:00:00Z", "9000-12-31T23:59:59.999Z", 200),
        ("1970-01-01T00:00:00Z", "1970-01-01T01:00:00Z", 200),
    ],
)
def test_times_are_of_the_years_1970_to_9000(site: Observatory, start: str, end: str, status: int) -> None:
    """A newevent from `9999-12-31T20:00:00-12:00`: 500, and the row stays."""
    reply = books(site, VERA, start, end)
    assert reply.status == status
    assert status == 200 or "must be a time in ISO 8601, such as" in reply.text
    assert status == 200 or reply.text.endswith("; years 1970 to 9000")
    listed = asks(site, "siteevents", start="1970-01-01T00:00:00Z", end="9000-12-31T23:59:59Z")
    assert len(listed) == (status == 200)
    for time in {start, end} if status == 400 and start.endswith("-12:00") else ():
        assert site.posts("../calendar/get-event-at-time", {"site": site.site, "time": time}).status == 400


def test_a_row_of_the_year_10000_that_stayed_is_listed_and_can_be_deleted(site: Observatory, shared_app: Flask) -> None:
    """The row stays, so that each `siteevents` that reaches it is 500 too."""
    event = books(site, VERA, "9000-12-31T22:00:00Z", "9000-12-31T23:00:00Z").json["new_calendar_event"]
    with service_of(shared_app).database.transaction() as connection:
        late = update(Reservation).where(Reservation.event_id == event["event_id"])
        connection.rows(Statement(late.values(end_ms=10**15).returning(Reservation.id)))
    [listed] = asks(site, "siteevents", start="9000-12-31T00:00:00Z", end="9000-12-31T23:59:59Z")
    assert listed == event | {"end": "9001-01-01T00:00:00Z"}
    assert site.posts("../calendar/delete", {"event_id": event["event_id"], "creator_id": VERA}).status == 200


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with issuers.own() as issuer:
        yield issuer


@pytest.fixture(scope="module")
def signed_app(issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    sign_in = {"OIDC_ISSUER": issuer.url, "OIDC_AUDIENCE": "jobs"}
    instance = str(tmp_path_factory.mktemp("instance"))
    app = create_app({"TESTING": True, "DATABASE_URL": databases.fresh(), "INSTANCE": instance} | sign_in)
    yield app
    service_of(app).database.close()


class TestWithSignIn:
    """With sign-in, whose a reservation is comes from the token."""

    def token(self, issuer: Issuer, sub: str, *roles: str) -> dict[str, str]:
        claims = {"https://photonranch.org/user_metadata": {"roles": list(roles)}, "name": sub.partition("|")[2]}
        return {"Authorization": f"Bearer {issuer.token(None, None, sub=sub, **claims)}"}

    def test_holders_and_admins_pass_others_and_their_stops_do_not(self, signed_app: Flask, issuer: Issuer) -> None:
        client = signed_app.test_client()
        vera, tycho, admin = (
            self.token(issuer, VERA),
            self.token(issuer, TYCHO),
            self.token(issuer, "auth0|chief", "admin"),
        )

        def posts(path: str, who: dict[str, str], **body: Any) -> int:
            return client.post(path, json=body, headers=who).status_code

        now = datetime.now(UTC)
        span = {"start": now.isoformat(), "end": (now + timedelta(hours=1)).isoformat()}
        event = {"site": "wmd", **span, "creator": "x"}
        assert posts("/calendar/newevent", tycho, **event, creator_id=VERA) == 403
        assert posts("/calendar/newevent", {}, **event, creator_id=VERA) == 401
        assert posts("/calendar/newevent", vera, **event, creator_id=VERA, event_id="hers") == 200
        mine = {"user_id": TYCHO, "user_name": "Tycho"}
        assert posts("/jobs/newjob", tycho, **(a_command() | mine)) == 401
        assert posts("/jobs/newjob", tycho, **(a_command(**STOP) | mine)) == 401
        assert posts("/jobs/newjob", vera, **a_command(user_id=VERA)) == 200
        assert posts("/jobs/newjob", admin, **a_command(user_id="auth0|chief")) == 200
        assert posts("/calendar/delete", tycho, event_id="hers") == 403
        assert posts("/calendar/delete", admin, event_id="hers") == 200
        assert posts("/jobs/newjob", tycho, **(a_command() | mine)) == 200


def test_the_terminal_lists_makes_and_deletes(shared_app: Flask, site: Observatory) -> None:
    def runs(*arguments: str) -> str:
        return str(shared_app.test_cli_runner().invoke(args=["reservations", *arguments]).output)

    assert "Nobody has reserved" in runs("list", "--site", site.site)
    span = ("2027-01-15T08:00Z", "2027-01-15T09:00Z")
    made = runs("add", "--site", site.site, "--user", VERA, "--name", "Vera", "--note", "first light", *span)
    assert f"{site.site} is reserved for Vera from 2027-01-15T08:00:00Z to 2027-01-15T09:00:00Z" in made
    assert "reserved by Vera" in runs("add", "--site", site.site, "--user", TYCHO, *span)
    over = runs("add", "--site", site.site, "2027-01-15T06:00Z", "2027-01-15T07:00Z")
    assert "2027-01-15 06:00 to 2027-01-15 07:00 UTC is over, since it is 2027-01-15 08:00 UTC" in over
    assert "first light" in runs("list", "--site", site.site)
    assert site.asks(user_id=TYCHO).status == 401
    event_id = asks(site, "get-event-at-time", time=NOW)[0]["event_id"]
    assert "The reservation of Vera" in runs("delete", event_id)
    assert site.asks(user_id=TYCHO).status == 200
