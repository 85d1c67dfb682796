"""Reservations and plans in people's calendars: read by two parsers, in the site's zone, at an address of their own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import icalendar
import pytest
import vobject
from flask import Flask
from flask.testing import FlaskClient

from jobs_server import clock, create_app
from jobs_server.jobs import calendar_files, calendar_keys
from jobs_server.jobs.calendar_files import SiteOfCalendar
from jobs_server.jobs.reservations import ReservationRow
from jobs_server.observatory.profiles import Profile, save
from jobs_server.service import service_of

from ..support import databases
from ..support.clocks import Clocks

BERLIN = SiteOfCalendar("wmd", 'Wendelstein; the "dome", east', ZoneInfo("Europe/Berlin"))


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def row(number: int, start: str, end: str, **changed: Any) -> ReservationRow:
    made = ReservationRow(
        f"event-{number}",
        "wmd",
        ms(start),
        ms(end),
        "auth0|vera",
        "Vera",
        "M 31, all night; as ever",
        "realtime",
        "",
        "",
        "Line one\nand \u00e9 two\x0b, with a comma",
        "here",
        ms("2026-11-01T10:00:00"),
    )
    return made._replace(**changed)


def spans(written: bytes) -> tuple[list[tuple[datetime, datetime]], list[tuple[datetime, datetime]]]:
    """When events begin and end, in UTC, by two parsers."""
    first = icalendar.Calendar.from_ical(written)
    events: list[Any] = list(first.walk("VEVENT"))
    second = vobject.readOne(written.decode())
    return (
        [(each.start.astimezone(UTC), each.end.astimezone(UTC)) for each in events],
        [(each.dtstart.value.astimezone(UTC), each.dtend.value.astimezone(UTC)) for each in second.vevent_list],
    )


def test_two_parsers_read_the_same_times_when_clocks_are_set_back_too() -> None:
    rows = [
        row(1, "2026-11-29T18:00:00", "2026-11-30T04:00:00"),
        row(2, "2026-07-01T21:00:00", "2026-07-02T02:00:00"),
        row(3, "2026-10-25T00:30:00", "2026-10-25T01:30:00"),  # 02:30 twice on the clocks there
        row(4, "2026-03-29T00:30:00", "2026-03-29T02:30:00"),  # 02:00 to 03:00 is not on the clocks there
    ]
    written = calendar_files.write(rows, BERLIN)
    wanted = [
        (datetime.fromtimestamp(each.start_ms / 1000, UTC), datetime.fromtimestamp(each.end_ms / 1000, UTC))
        for each in rows
    ]
    assert spans(written) == (wanted, wanted)
    assert b"DTSTART;TZID=Europe/Berlin:20261129T190000" in written
    assert b"BEGIN:VTIMEZONE" in written
    assert b"X-WR-TIMEZONE:Europe/Berlin" in written
    assert all(len(line) <= 75 for line in written.split(b"\r\n"))


@pytest.mark.parametrize(
    "name",
    [
        *("Europe/Berlin", "America/Los_Angeles", "Australia/Lord_Howe", "Pacific/Chatham", "America/Santiago"),
        *("Europe/Dublin", "Africa/Casablanca", "Pacific/Honolulu", "Asia/Kathmandu"),
    ],
)
def test_two_parsers_read_every_fortnight_of_four_years_alike_in_every_kind_of_zone(name: str) -> None:
    site = SiteOfCalendar("wmd", "wmd", ZoneInfo(name))
    begin_ms, hour_ms = ms("2026-01-03T00:30:00"), 3_600_000
    times = [begin_ms + number * (14 * 24 + 5) * hour_ms for number in range(100)]
    rows = [row(at, "2026-01-01", "2026-01-01", start_ms=at, end_ms=at + 3 * hour_ms) for at in times]
    vobject.icalendar.registerTzid(name, None)  # it keeps the zones of earlier files by their names
    wanted = [tuple(datetime.fromtimestamp(each / 1000, UTC) for each in (at, at + 3 * hour_ms)) for at in times]
    assert spans(calendar_files.write(rows, site)) == (wanted, wanted)


def test_texts_come_back_whole_but_for_what_a_calendar_cannot_hold() -> None:
    written = calendar_files.write([row(1, "2026-11-29T18:00:00", "2026-11-30T04:00:00")], BERLIN)
    (event,) = icalendar.Calendar.from_ical(written).walk("VEVENT")
    other = vobject.readOne(written.decode()).vevent
    assert str(event["summary"]) == other.summary.value == "wmd: Vera, M 31, all night; as ever"
    assert str(event["description"]) == other.description.value == "Line one\nand \u00e9 two , with a comma"
    assert str(event["uid"]) == "event-1@wmd.jobs-server"


def test_a_site_without_a_zone_and_without_reservations_has_a_calendar_too() -> None:
    nowhere = SiteOfCalendar("wmd", "wmd", ZoneInfo("UTC"))
    assert spans(calendar_files.write([row(1, "2026-11-29T18:00:00", "2026-11-30T04:00:00")], nowhere))[0]
    assert not list(icalendar.Calendar.from_ical(calendar_files.write([], BERLIN)).walk("VEVENT"))


@pytest.fixture
def browser(tmp_path: Path, clocks: Clocks) -> Iterator[FlaskClient]:
    save(tmp_path, Profile(code="wmd", timezone="America/Los_Angeles"))
    clocks.now = clocks.now._replace(wall_ms=ms("2026-11-29T18:00:00"))
    app = create_app({"TESTING": True, "INSTANCE": str(tmp_path), "DATABASE_URL": databases.fresh()})
    yield app.test_client()
    service_of(app).database.close()


def reserve(browser: FlaskClient, start: str, end: str) -> str:
    body = {"site": "wmd", "start": start, "end": end, "creator_id": "v", "creator": "Vera", "title": "M 31"}
    reply = browser.post("/calendar/newevent", json=body)
    assert reply.status_code == 200, reply.text
    return str((reply.json or {})["new_calendar_event"]["event_id"])


def test_a_sites_reservations_are_a_calendar_and_each_is_a_file(browser: FlaskClient) -> None:
    first = reserve(browser, "2026-11-30T04:00:00Z", "2026-11-30T09:00:00Z")
    reserve(browser, "2026-12-01T04:00:00Z", "2026-12-01T09:00:00Z")
    reply = browser.get("/calendar/wmd.ics")
    assert reply.content_type == "text/calendar; charset=utf-8"
    assert [begin for begin, _ in spans(reply.data)[0]] == [
        datetime(2026, 11, 30, 4, tzinfo=UTC),
        datetime(2026, 12, 1, 4, tzinfo=UTC),
    ]
    assert b"TZID=America/Los_Angeles:20261129T200000" in reply.data
    assert len(spans(browser.get(f"/calendar/event/{first}.ics").data)[1]) == 1
    assert browser.get("/calendar/event/none.ics").status_code == 404
    assert f"/calendar/event/{first}.ics" in browser.get("/reservations?site=wmd").text
    assert "http://localhost/calendar/wmd.ics" in browser.get("/reservations?site=wmd").text
    assert not list(icalendar.Calendar.from_ical(browser.get("/calendar/sro.ics").data).walk("VEVENT"))


def sends_plan(browser: FlaskClient, **changed: Any) -> str:
    steps = [
        {"device": "mount", "instance": "mount1", "action": "go", "required_params": {"ra": 5.59, "dec": -5.4}},
        {"device": "camera", "instance": "cam1", "action": "expose", "required_params": {"time": 600}},
    ]
    body = {"site": "wmd", "title": "M 42; two, bands", "steps": steps, "user_id": "v", "user_name": "Vera"}
    reply = browser.post("/jobs/newplan", json=body | changed)
    assert reply.status_code == 200, reply.text
    return str((reply.json or {})["id"])


def plans_in(written: bytes) -> list[Any]:
    """The plans of a calendar; both parsers have to agree on what is said of them and when they are."""
    assert spans(written)[0] == spans(written)[1]
    events = [each for each in icalendar.Calendar.from_ical(written).walk("VEVENT") if "plan-" in str(each["uid"])]
    others = [each for each in vobject.readOne(written.decode()).vevent_list if "plan-" in each.uid.value]
    for one, other in zip(events, others, strict=True):
        for key in ("summary", "description", "status"):
            assert str(one[key]) == getattr(other, key).value
    return events


def test_a_plan_is_in_the_calendar_with_its_state_and_its_end_as_an_estimate(
    browser: FlaskClient, clocks: Clocks
) -> None:
    ulid = sends_plan(browser, notBefore="2026-11-30T04:00:00Z")
    (waits,) = plans_in(browser.get("/calendar/wmd.ics").data)
    assert str(waits["uid"]) == f"plan-{ulid}@wmd.jobs-server"
    assert str(waits["summary"]) == "wmd: plan M 42; two, bands (waiting, 2 steps)"
    assert (str(waits["status"]), str(waits["transp"])) == ("TENTATIVE", "TRANSPARENT")
    assert waits.start.astimezone(UTC) == datetime(2026, 11, 30, 4, tzinfo=UTC)
    assert 10 <= (waits.end - waits.start).total_seconds() / 60 <= 12
    assert str(waits["description"]) == (
        "By Vera. Waits for its time. Its end is an estimate, by how long such steps take."
    )
    clocks.now = clocks.now._replace(wall_ms=ms("2026-11-29T19:00:00"))
    browser.post(
        "/jobs/pauseplan", json={"site": "wmd", "id": ulid, "user_id": "v", "user_name": "Vera", "note": "rain"}
    )
    (paused,) = plans_in(browser.get("/calendar/wmd.ics").data)
    assert "(paused, 2 steps)" in str(paused["summary"])
    assert "rain" in str(paused["description"])
    assert "Nobody knows when it ends: it is drawn as if it went on now." in str(paused["description"])


def test_a_plan_that_has_ended_is_in_the_calendar_when_it_was_and_one_that_never_began_is_off(
    browser: FlaskClient, clocks: Clocks
) -> None:
    never = sends_plan(browser, notBefore="2026-11-30T04:00:00Z")
    begun = sends_plan(browser)
    clocks.now = clocks.now._replace(wall_ms=ms("2026-11-29T18:30:00"))
    for ulid in (never, begun):
        browser.post("/jobs/cancelplan", json={"site": "wmd", "id": ulid, "user_id": "v", "user_name": "Vera"})
    found = {str(each["uid"])[5:31]: each for each in plans_in(browser.get("/calendar/wmd.ics").data)}
    assert str(found[never]["status"]) == "CANCELLED"
    assert (str(found[begun]["status"]), "step 1 of 2" in str(found[begun]["summary"])) == ("CONFIRMED", True)
    assert found[begun].start.astimezone(UTC) == datetime(2026, 11, 29, 18, tzinfo=UTC)
    assert found[begun].end.astimezone(UTC) == datetime(2026, 11, 29, 18, 30, tzinfo=UTC)
    assert "estimate" not in str(found[begun]["description"])
    clocks.now = clocks.now._replace(wall_ms=ms("2027-02-28T18:30:00"))
    assert b"VEVENT" not in browser.get("/calendar/wmd.ics").data


@pytest.mark.parametrize("line_end", ["\r\n", "\n", "\r"], ids=["Windows", "Unix", "old Mac"])
def test_a_site_whose_title_goes_over_two_lines_has_a_calendar_of_whole_lines(
    browser: FlaskClient, line_end: str
) -> None:
    site = BERLIN._replace(title=f"Wendelstein{line_end}ATTENDEE:nobody")
    written = calendar_files.write([row(1, "2026-11-29T18:00:00", "2026-11-29T19:00:00")], site)
    lines = written.decode().split("\r\n")
    assert "NAME:Wendelstein ATTENDEE:nobody" in lines
    assert not [line for line in lines if set(line) & {"\r", "\n"} or line.startswith("ATTENDEE")]
    assert len(spans(written)[1]) == 1
    assert browser.get(f"/calendar/a{line_end}b.ics").status_code == 200


def test_a_plan_of_the_far_future_is_no_event_and_one_that_takes_ages_ends_with_the_calendar(
    browser: FlaskClient, clocks: Clocks
) -> None:
    sends_plan(browser, notBefore="8999-12-31T00:00:00Z")
    exposure = {"device": "camera", "instance": "cam1", "action": "expose", "required_params": {"time": 600_000}}
    ages = sends_plan(browser, steps=[exposure | {"optional_params": {"count": 100_000}}], repeat=400)
    (found,) = plans_in(browser.get("/calendar/wmd.ics").data)
    assert str(found["uid"]) == f"plan-{ages}@wmd.jobs-server"
    ahead_ms = clocks.now.wall_ms + calendar_files.AHEAD_MS
    assert found.end.timestamp() * 1000 == ahead_ms
    for page in ("/?site=wmd", f"/plans/{ages}?site=wmd", "/plans?site=wmd"):
        assert browser.get(page).status_code == 200


def test_where_people_sign_in_the_address_is_secret_and_can_be_made_anew(tmp_path: Path) -> None:
    sign_in = {"OIDC_ISSUER": "https://issuer.example", "OIDC_AUDIENCE": "jobs", "SITES": ("wmd",)}
    app: Flask = create_app({"DATABASE_URL": databases.fresh(), "TESTING": True, "INSTANCE": str(tmp_path)} | sign_in)
    browser, service = app.test_client(), service_of(app)
    assert browser.get("/calendar/wmd.ics").status_code == 404
    assert browser.get("/calendar/wmd.ics?key=").status_code == 404
    with app.app_context(), service.database.transaction() as connection:
        first = calendar_keys.renew(connection, "wmd", "Vera", clock.read())
    assert browser.get(f"/calendar/wmd.ics?key={first}").status_code == 200
    assert browser.get(f"/calendar/wmd.ics?key={first}x").status_code == 404
    assert browser.get("/calendar/wmd.ics?key=%C3%A9%00").status_code == 404
    assert browser.get(f"/calendar/sro.ics?key={first}").status_code == 404
    with app.app_context(), service.database.transaction() as connection:
        second = calendar_keys.renew(connection, "wmd", "Vera", clock.read())
    assert [browser.get(f"/calendar/wmd.ics?key={key}").status_code for key in (first, second)] == [404, 200]
    assert browser.post("/act/renew-calendar", data={"site": "wmd"}).status_code in (401, 403)
    assert first not in browser.get("/reservations?site=wmd").text
    assert second not in browser.get("/reservations?site=wmd").text
    service.database.close()
