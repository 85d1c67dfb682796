"""Targets over the wire: names to places over a site, and each site's own list."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from jobs_server import create_app
from jobs_server.observatory.profiles import Profile, save

from ..support import databases

HERE = Profile(
    code="wmd", latitude_deg=34.4, longitude_deg=-119.7, timezone="America/Los_Angeles", lowest_altitude_deg=15
)


@pytest.fixture
def there(tmp_path: Path) -> Flask:
    save(tmp_path, HERE)
    return create_app({"TESTING": True, "INSTANCE": str(tmp_path), "DATABASE_URL": databases.fresh()})


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def find(client: FlaskClient, q: str, site: str = "wmd") -> list[dict[str, Any]]:
    reply = client.get("/jobs/targets", query_string={"site": site, "q": q})
    assert reply.status_code == 200, reply.text
    found: list[dict[str, Any]] = reply.json or []
    return found


def saves(client: FlaskClient, *targets: dict[str, Any], site: str = "wmd") -> tuple[int, str]:
    reply = client.post("/jobs/savetargets", json={"site": site, "targets": list(targets)})
    return reply.status_code, reply.text


def test_a_name_becomes_a_place_with_its_altitude_over_the_site(there: Flask) -> None:
    (m31,) = find(there.test_client(), "m31")
    assert (m31["name"], m31["kind"], m31["ra_hours"], m31["moves"]) == ("M 31", "galaxy", 0.712319, False)
    assert m31["other_names"] == ["NGC 224", "Andromeda Galaxy"]
    assert -90 <= m31["alt_degrees"] <= m31["highest_degrees"] + 90
    assert m31["highest_degrees"] <= 90
    assert 0 <= m31["moon_distance_degrees"] <= 180
    assert 0 <= m31["hours_up_in_the_dark"] <= 12
    assert there.test_client().get("/targets?site=wmd&q=m31").status_code == 200


def test_a_site_without_a_place_gets_no_altitudes(client: FlaskClient) -> None:
    (m31,) = find(client, "m31")
    assert [m31[key] for key in ("alt_degrees", "highest_degrees", "highest_ms", "hours_up_in_the_dark")] == [None] * 4
    assert m31["cautions"] == []


@pytest.mark.parametrize("q", ["'", "x" * 500, "ngc 99999", "%", "\U0001f52d"])
def test_an_odd_name_finds_nothing(client: FlaskClient, q: str) -> None:
    assert find(client, q) == []


@pytest.mark.parametrize("q", ["x" * 501, "\0"])
def test_what_is_no_name_is_refused_with_the_key(client: FlaskClient, q: str) -> None:
    reply = client.get("/jobs/targets", query_string={"site": "wmd", "q": q})
    assert (reply.status_code, "q must be" in reply.text) == (400, True)
    assert client.get("/jobs/targets?q=m31").text == "Error: missing required key site"


def test_a_sites_own_list_is_saved_found_first_and_taken_off(client: FlaskClient) -> None:
    field = {"name": "Field 7", "ra_hours": 12.5, "dec_degrees": -0.5, "note": "ours", "magnitude": 9, "kind": "field"}
    assert saves(client, field, {"name": "M 31", "ra_hours": 1, "dec_degrees": 2}, {"name": "Jupiter"})[0] == 200
    assert [each["ra_hours"] for each in find(client, "field7")] == [12.5]
    assert find(client, "m31")[0]["ra_hours"] == 1
    assert find(client, "m31", "sro")[0]["ra_hours"] == 0.712319
    assert [each["name"] for each in find(client, "")] == ["Field 7", "Jupiter", "M 31"]
    assert find(client, "")[1]["moves"] is True
    assert client.get("/jobs/targets?site=wmd&after=Jupiter").json == find(client, "")[2:]
    assert saves(client, field | {"name": "FIELD-7", "dec_degrees": 5})[0] == 200
    assert [(each["name"], each["dec_degrees"]) for each in find(client, "eld 7")] == [("FIELD-7", 5)]
    assert client.post("/jobs/deletetarget", json={"site": "wmd", "name": "field 7"}).json == {
        "site": "wmd",
        "deleted": "FIELD-7",
    }
    assert client.post("/jobs/deletetarget", json={"site": "wmd", "name": "field 7"}).status_code == 404
    assert find(client, "field 7") == []


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"name": "x", "ra_hours": 24, "dec_degrees": 0}, "targets[1].ra_hours must be hours of ICRS, from 0"),
        (
            {"name": "x", "ra_hours": 2, "dec_degrees": 91},
            "targets[1].dec_degrees must be degrees of ICRS, from -90 to 90",
        ),
        ({"name": "x", "ra_hours": 2}, "needs ra_hours and dec_degrees"),
        ({"name": "no such thing"}, "no catalogue here knows the name"),
        ({"name": " "}, "targets[1].name must be a text of 1 to 100 characters"),
        ({"name": "x" * 101, "ra_hours": 2, "dec_degrees": 1}, "targets[1].name must be a text of 1 to 100"),
        ({"ra_hours": 2, "dec_degrees": 1}, "missing required key targets[1].name"),
    ],
)
def test_a_target_that_cannot_be_kept_is_refused_and_none_beside_it_is_saved(
    client: FlaskClient, wrong: dict[str, Any], named: str
) -> None:
    status, text = saves(client, {"name": "Good", "ra_hours": 1, "dec_degrees": 1}, wrong)
    assert (status in (400, 404), named in text) == (True, True), text
    assert find(client, "good") == []


def test_twenty_thousand_targets_are_saved_and_one_is_found_among_them(client: FlaskClient) -> None:
    for begin in range(0, 20_000, 1_000):
        numbers = range(begin, begin + 1_000)
        many = [{"name": f"Field {number} east", "ra_hours": number % 24, "dec_degrees": 1} for number in numbers]
        assert saves(client, *many)[0] == 200
    assert saves(client, *many)[0] == 200
    assert len(find(client, "field")) == 20
    assert find(client, "field 9999 east")[0]["name"] == "Field 9999 east"
    assert len(find(client, "")) == 500
    status, text = saves(client, {"name": "One more", "ra_hours": 1, "dec_degrees": 1})
    assert (status, "20000" in text) == (400, True)
    assert find(client, "one more") == []
