"""With sign-in a plan is its owner's: they, admins and who holds the telescope change it, and nobody else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from jobs_server import create_app
from jobs_server.jobs import reservations
from jobs_server.jobs.reservations import REALTIME, ReservationRow
from jobs_server.service import service_of
from jobs_server.upkeep import startup

from ..conftest import inside
from ..support import databases, issuers
from ..support.observatory import Reply
from ..support.plans import SERIES

ADMIN = {"sub": "auth0|chief", "https://photonranch.org/user_metadata": {"roles": ["admin"]}}
DEEDS = ("pauseplan", "resumeplan", "editplan", "cancelplan")
Asks = Callable[..., Reply]


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    with issuers.own() as issuer:
        own = {"TESTING": True, "DATABASE_URL": databases.fresh(), "INSTANCE": str(tmp_path)}
        app = create_app(own | {"OIDC_ISSUER": issuer.url, "OIDC_AUDIENCE": "jobs"})
        startup.prepare(app)
        app.extensions["issuer of the test"] = issuer
        yield app
        service_of(app).database.close()


@pytest.fixture
def asks(app: Flask) -> Asks:
    site, issuer = inside(app), app.extensions["issuer of the test"]

    def ask(route: str, body: dict[str, Any], **claims: Any) -> Reply:
        token = issuer.token(**claims)
        return site.posts(route, {"site": "wmd"} | body, {"Authorization": f"Bearer {token}"})

    return ask


def reserve(app: Flask, who: str) -> None:
    row = ReservationRow("e", "wmd", 0, 9_000_000_000_000, who, "Tycho", "t", REALTIME, "", "", "", "", 0)
    with service_of(app).database.transaction("wmd") as connection:
        connection.rows(reservations._INSERT, **row._asdict())


def test_a_plan_is_sent_by_whoever_is_signed_in_and_its_jobs_are_theirs(app: Flask, asks: Asks) -> None:
    plan = asks("newplan", {"steps": SERIES}).json
    assert (plan["user_id"], plan["user_name"]) == ("auth0|vera", "Vera")
    (job,) = inside(app).polls()
    assert (job["user_id"], job["user_name"]) == ("auth0|vera", "Vera")
    assert inside(app).posts("newplan", {"site": "wmd", "steps": SERIES}).status == 401
    assert asks("newplan", {"steps": SERIES, "user_id": "auth0|tycho", "user_name": "T"}).status == 403


@pytest.mark.parametrize("deed", DEEDS)
def test_nobody_elses_plan_is_changed(asks: Asks, deed: str) -> None:
    plan = {"id": asks("newplan", {"steps": SERIES}).json["id"]}
    refused = asks(deed, plan, sub="auth0|tycho")
    assert refused.status == 403
    assert "this plan is Vera's; only they, admins and holders may change it" in refused.text
    assert asks(deed, plan, **ADMIN).status == 200


@pytest.mark.parametrize("deed", DEEDS)
def test_whoever_holds_the_telescope_may_change_the_plans_there(app: Flask, asks: Asks, deed: str) -> None:
    plan = {"id": asks("newplan", {"steps": SERIES}).json["id"]}
    reserve(app, "auth0|tycho")
    assert asks(deed, plan, sub="auth0|tycho").status == 200


def test_a_plan_of_an_admin_is_held_up_by_no_reservation(app: Flask, asks: Asks) -> None:
    reserve(app, "auth0|tycho")
    assert asks("newplan", {"steps": SERIES}).status == 401
    plan = asks("newplan", {"steps": SERIES}, **ADMIN).json
    (job,) = inside(app).polls()
    inside(app).reports(job, "COMPLETE")
    assert inside(app).posts("getplan", {"site": "wmd", "id": plan["id"]}).json["step"] == 2


def test_a_template_of_the_site_is_changed_by_who_saved_it_and_admins_alone(asks: Asks) -> None:
    template = {"name": "flats", "ofSite": True}
    body = template | {"plan": {"steps": SERIES}}
    assert asks("savetemplate", body).status == 200
    for route in ("savetemplate", "deletetemplate"):
        assert asks(route, body, sub="auth0|tycho").status == 403
    assert asks("deletetemplate", template, **ADMIN).status == 200
