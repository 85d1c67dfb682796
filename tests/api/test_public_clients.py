"""The public clients' way of calling: no content type, names that are blank, calendar bodies without an owner.

Its site software sends no header of its own; its web UI sends blank names when its user is not known (signed out, or a
token whose name has not come yet), and names its user in the calendar by the token alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from jobs_server import create_app
from jobs_server.service import service_of

from ..conftest import inside
from ..support import databases, issuers
from ..support.issuers import Issuer
from ..support.observatory import Observatory, Reply, a_command

STOP: dict[str, Any] = {"device": "all", "instance": "all", "required_params": {}, "optional_params": {}}
BLANK = {"user_name": "", "user_id": ""}


def calendar(people: Observatory, route: str, body: dict[str, Any], headers: dict[str, str] | None = None) -> Reply:
    return people.posts(f"../calendar/{route}", {"site": people.site} | body, headers)


@pytest.fixture
def here(app: Flask) -> Observatory:
    """An observatory that also speaks to the calendar, which lies beside `/jobs`."""
    return beside(app)


def beside(app: Flask) -> Observatory:
    post = inside(app)._post
    return Observatory(lambda path, body, headers: post(path.replace("/jobs/..", ""), body, headers))


class TestWithoutSignIn:
    """A blank name is taken, and goes over the wire as it came."""

    def test_a_stop_with_a_blank_name_reaches_the_site(self, people: Observatory) -> None:
        """The cancel buttons of the web UI."""
        waiting = people.sends(**BLANK)
        stop = people.sends("cancel_all_commands", **STOP, **BLANK)
        assert (stop["user_name"], stop["user_id"]) == ("", "")
        assert people.polls() == [stop]
        assert people.status(waiting) == "CANCELED"
        assert people.shows(stop)["history"][0]["by"] == {"id": "", "name": "", "known": "said"}

    @pytest.mark.parametrize("blank", ["", " ", "\t\n"])
    @pytest.mark.parametrize("key", ["user_name", "user_id"])
    def test_each_of_the_two_names_may_be_blank(self, here: Observatory, key: str, blank: str) -> None:
        job = here.sends(**{key: blank})
        assert job == here.polls()[0]
        assert job[key] == blank

    @pytest.mark.parametrize("value", [None, 5, True, ["Vera"], {}, "Ve\0ra", "\0"])
    @pytest.mark.parametrize("key", ["user_name", "user_id"])
    def test_null_and_other_types_are_refused(self, here: Observatory, key: str, value: Any) -> None:
        refusal = here.asks("cancel_all_commands", **STOP | {key: value})
        assert (refusal.status, refusal.text) == (400, f"Error: {key} must be a text")
        assert here.lists() == []

    @pytest.mark.parametrize("key", ["user_name", "user_id"])
    def test_missing_ones_are_refused(self, here: Observatory, key: str) -> None:
        body = {name: value for name, value in a_command().items() if name != key}
        refusal = here.posts("newjob", body)
        assert (refusal.status, refusal.text) == (400, f"Error: missing required key {key}")

    @pytest.mark.parametrize("path", ["/", "/jobs-log", "/job/{}", "/night"])
    def test_pages_show_somebody(self, app: Flask, here: Observatory, path: str) -> None:
        job = here.sends(**BLANK)
        page = app.test_client().get(path.format(job["ulid"]) + "?site=wmd").text
        assert ">somebody<" in page
        assert ">Vera<" not in page

    def test_the_terminal_shows_somebody(self, app: Flask, here: Observatory) -> None:
        job = here.sends(**BLANK)
        terminal = app.test_cli_runner()
        assert "somebody" in terminal.invoke(args=["jobs", "list", "--site", "wmd"]).output
        shown = terminal.invoke(args=["jobs", "show", job["ulid"]]).output
        assert "somebody," in shown
        assert "said somebody" in shown

    def test_a_key_holds_for_somebody_without_a_name(self, here: Observatory) -> None:
        body, key = a_command() | BLANK, {"Idempotency-Key": "click-1"}
        assert here.posts("newjob", body, key).job == here.posts("newjob", body, key).job
        assert len(here.lists()) == 1

    def test_limits_go_by_address(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("limits.storage.memory.time.time", lambda: 1_800_000_000.0)  # all within one second
        app = create_app({"TESTING": True, "DATABASE_URL": databases.fresh(), "NEW_JOBS_PER_SECOND": 2})

        def asks(address: str, **who: str) -> int:
            about = {"REMOTE_ADDR": address}
            return app.test_client().post("/jobs/newjob", json=a_command() | who, environ_base=about).status_code

        assert [asks("10.0.0.1", user_id="", user_name=name) for name in ("", "a", "b")] == [200, 200, 429]
        assert asks("10.0.0.2", user_id=" ") == 200
        assert asks("10.0.0.1", user_id="10.0.0.1") == 200  # a name that looks like an address counts by itself
        assert asks("10.0.0.1", **BLANK, action="stop") == 200
        service_of(app).database.close()

    def test_a_blank_name_is_no_word_where_names_may_be_left_out(self, here: Observatory) -> None:
        job = here.sends()
        by = {"id": "anonymous", "name": "somebody", "known": "said"}
        assert here.posts("canceljob", {"site": "wmd", "ulid": job["ulid"], **BLANK}).status == 200
        assert here.shows(job)["history"][-1]["by"] == by
        locked = here.posts("lockout", {"site": "wmd", "note": "x", **BLANK})
        assert locked.json["lockout"]["by"] == by
        assert here.posts("liftlockout", {"site": "wmd", **BLANK}).status == 200

    def test_a_reservation_without_an_owner_is_anybodys(self, here: Observatory) -> None:
        span = {"start": "2027-03-01T20:00:00Z", "end": "2027-03-01T22:00:00Z"}
        for owner in ({}, {"creator_id": None, "creator": None}, {"creator_id": "", "creator": " "}):
            event = calendar(here, "newevent", span | owner).json["new_calendar_event"]
            assert (event["creator_id"], event["creator"]) == ("anonymous", "somebody")

    @pytest.mark.parametrize("owner", [{}, {"creator_id": ""}, {"creator_id": " ", "creator": ""}], ids=str)
    def test_a_delete_without_an_owner_passes(self, here: Observatory, owner: dict[str, str]) -> None:
        """`/calendar/delete {"event_id", "start"}`, as the web UI sends it, which names its user in the token alone."""
        event = reserved(here)
        gone = here.posts("../calendar/delete", {"event_id": event["event_id"], "start": event["start"]} | owner)
        assert (gone.status, gone.json) == (200, event)

    def test_a_change_without_an_owner_passes_and_the_owner_stays(self, here: Observatory) -> None:
        event = reserved(here)
        nobodys = {name: value for name, value in event.items() if not name.startswith("creator")}
        body = {"originalEvent": event, "modifiedEvent": nobodys | {"title": "longer"}}
        changed = here.posts("../calendar/modifyevent", body)
        assert (changed.status, changed.json["title"], changed.json["creator_id"]) == (200, "longer", "auth0|vera")

    def test_whoever_names_another_is_refused_as_before(self, here: Observatory) -> None:
        event = reserved(here)
        body = {"event_id": event["event_id"], "start": event["start"], "creator_id": "auth0|tycho"}
        assert here.posts("../calendar/delete", body).status == 403


def reserved(people: Observatory) -> dict[str, Any]:
    span = {"start": "2027-03-01T20:00:00Z", "end": "2027-03-01T22:00:00Z"}
    reply = calendar(people, "newevent", span | {"creator_id": "auth0|vera", "creator": "Vera"})
    event: dict[str, Any] = reply.json["new_calendar_event"]
    return event


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with issuers.own() as issuer:
        yield issuer


@pytest.fixture
def signed(issuer: Issuer, tmp_path: Path) -> Iterator[Observatory]:
    sign_in = {"OIDC_ISSUER": issuer.url, "OIDC_AUDIENCE": "jobs", "INSTANCE": str(tmp_path)}
    app = create_app({"TESTING": True, "DATABASE_URL": databases.fresh()} | sign_in)
    yield beside(app)
    service_of(app).database.close()


def bearer(issuer: Issuer, **claims: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {issuer.token(**claims)}"}


class TestWithAToken:
    """Blank or missing names are the token's."""

    @pytest.mark.parametrize(
        "left", [BLANK, {}, {"user_id": "auth0|vera", "user_name": " "}, {"user_name": "", "user_id": "\t"}], ids=str
    )
    def test_blank_or_missing_names_are_the_tokens(
        self, signed: Observatory, issuer: Issuer, left: dict[str, str]
    ) -> None:
        body = {key: value for key, value in a_command().items() if key not in BLANK} | left
        job = signed.posts("newjob", body, bearer(issuer)).job
        assert (job["user_id"], job["user_name"]) == ("auth0|vera", "Vera")
        by = signed.shows(job)["history"][0]["by"]
        assert by == {"id": "auth0|vera", "name": "Vera", "known": "signed in"}

    def test_a_token_without_a_name_is_known_by_its_id(self, signed: Observatory, issuer: Issuer) -> None:
        job = signed.posts("newjob", a_command("stop") | BLANK, bearer(issuer, name=None)).job
        assert (job["user_id"], job["user_name"]) == ("auth0|vera", "auth0|vera")

    def test_an_admin_who_sends_for_another_without_a_name_shows_the_other(
        self, signed: Observatory, issuer: Issuer
    ) -> None:
        roles = {"https://photonranch.org/user_metadata": {"roles": ["admin"]}}
        body = a_command() | {"user_id": "auth0|tycho", "user_name": ""}
        job = signed.posts("newjob", body, bearer(issuer, **roles)).job
        assert (job["user_id"], job["user_name"]) == ("auth0|tycho", "auth0|tycho")

    @pytest.mark.parametrize("value", [None, 5, ["Vera"]])
    def test_null_and_other_types_are_refused(self, signed: Observatory, issuer: Issuer, value: Any) -> None:
        refusal = signed.posts("newjob", a_command() | {"user_id": value}, bearer(issuer))
        assert (refusal.status, refusal.text) == (400, "Error: user_id must be a text")

    def test_a_key_holds_whether_names_are_said_or_not(self, signed: Observatory, issuer: Issuer) -> None:
        headers = bearer(issuer) | {"Idempotency-Key": "click-1"}
        first = signed.posts("newjob", a_command() | BLANK, headers).job
        assert signed.posts("newjob", a_command() | {"user_name": "Vera"}, headers).job == first

    def test_nobody_commands_without_one(self, signed: Observatory) -> None:
        assert signed.posts("newjob", a_command("stop") | BLANK).status == 401

    def test_a_reservation_is_deleted_by_its_owner_alone(self, signed: Observatory, issuer: Issuer) -> None:
        span = {"start": "2027-03-01T20:00:00Z", "end": "2027-03-01T22:00:00Z"}
        event = calendar(signed, "newevent", span, bearer(issuer)).json["new_calendar_event"]
        assert event["creator_id"] == "auth0|vera"
        body = {"event_id": event["event_id"], "start": event["start"]}
        assert signed.posts("../calendar/delete", body, bearer(issuer, sub="auth0|tycho")).status == 403
        assert signed.posts("../calendar/delete", body | {"creator_id": ""}, bearer(issuer)).status == 200
