"""Every route declares who may use it, and nothing is open that does not say so."""

from __future__ import annotations

import pytest
from flask import Flask

from jobs_server.auth import access as rules
from jobs_server.auth.access import Access, needs

from ..conftest import inside

OPEN_TO_ANYBODY = {"getjob", "getrecentjobs", "getlockout", "getplan", "getplans", "gettemplates"}
OF_THE_SITE = {"getnewjobs", "startjob", "updatejobstatus"}
OF_PEOPLE = {"newjob", "canceljob", "lockout", "liftlockout"} | {
    *("newplan", "cancelplan", "pauseplan", "resumeplan", "editplan", "savetemplate", "deletetemplate"),
}


def test_every_route_declares_who_may_use_it(app: Flask) -> None:
    undeclared = [
        f"{rule.rule} ({rule.endpoint})"
        for rule in app.url_map.iter_rules()
        if not isinstance(rules.declared(app, rule.endpoint), Access)
    ]
    assert undeclared == []


@pytest.mark.parametrize("prefix", ["/jobs", ""])
@pytest.mark.parametrize(
    ("routes", "access"),
    [(OPEN_TO_ANYBODY, Access.ANYBODY), (OF_THE_SITE, Access.SITE), (OF_PEOPLE, Access.PERSON)],
    ids=lambda value: getattr(value, "value", ""),
)
def test_the_wires_routes_are_whose_they_should_be(app: Flask, prefix: str, routes: set[str], access: Access) -> None:
    adapter = app.url_map.bind("localhost")
    for route in routes:
        endpoint, _ = adapter.match(f"{prefix}/{route}", method="POST")
        assert rules.declared(app, endpoint) is access


def test_a_route_that_declares_nothing_is_refused(app: Flask) -> None:
    app.add_url_rule("/forgotten", view_func=lambda: "secrets")
    reply = app.test_client().get("/forgotten")
    assert (reply.status_code, reply.text) == (403, "Error: it is not declared who may use /forgotten")


def test_nobody_is_an_admin_while_no_sign_in_is_set(app: Flask) -> None:
    app.add_url_rule("/backups", view_func=needs(Access.ADMIN)(lambda: "secrets"))
    reply = app.test_client().get("/backups")
    assert reply.status_code == 403
    assert "nobody is an admin" in reply.text


def test_the_history_tells_people_sites_and_the_console_apart(app: Flask) -> None:
    observatory = inside(app)
    job = observatory.sends()
    observatory.polls()
    by = [event["by"] for event in observatory.shows(job)["history"]]
    assert by[0] == {"id": "auth0|vera", "name": "Vera", "known": "said"}
    assert by[1] == {"id": "wmd", "name": "wmd", "known": "site"}
    args = ["jobs", "send", "--site", "wmd", "--user", "tycho", "mount", "mount1", "park"]
    assert app.test_cli_runner().invoke(args=args).exit_code == 0
    sent = observatory.shows(observatory.lists()[-1])["history"][0]["by"]
    assert sent == {"id": "tycho", "name": "tycho", "known": "console"}
