"""Names that anybody makes up: they are bounded, and a flood of them does not burden the pages of others."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from jobs_server.domain.commands import LONGEST_CODE, LONGEST_WHO
from jobs_server.service import service_of
from jobs_server.storage.models import Job
from jobs_server.web.context import SHOWN_SITES

from ..conftest import inside
from ..support.observatory import Observatory


@pytest.mark.parametrize(
    ("key", "most"),
    [
        *((name, LONGEST_CODE) for name in ("site", "device", "instance", "action")),
        *((name, LONGEST_WHO) for name in ("user_id", "user_name")),
    ],
)
def test_a_name_of_a_new_job_has_a_bound(observatory: Observatory, key: str, most: int) -> None:
    assert observatory.asks(**{key: "\u5929" * most}).status == 200
    refused = observatory.asks(**{key: "x" * (most + 1)})
    assert (refused.status, refused.text) == (400, f"Error: {key} must be a text of at most {most} characters")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("lockout", {"note": "The mirror is being washed."}),
        ("newevent", {"start": "2026-11-24T21:00:00Z", "end": "2026-11-24T23:00:00Z"}),
    ],
)
def test_a_site_code_of_3000_characters_is_refused_wherever_something_begins(
    app: Flask, path: str, body: dict[str, Any]
) -> None:
    where = "/calendar/newevent" if path == "newevent" else f"/jobs/{path}"
    assert app.test_client().post(where, json=body | {"site": "x" * 3000}).status_code == 400
    assert app.test_client().post(where, json=body | {"site": "x" * LONGEST_CODE}).status_code == 200


def test_an_old_job_with_longer_names_is_shown_reported_on_canceled_and_stopped(
    app: Flask, observatory: Observatory
) -> None:
    site, device = "s" * 300, "d" * 300
    job = observatory.sends()
    with service_of(app).database.engine.begin() as connection:
        connection.execute(Job.__table__.update().values(site=site, device=device))
    old = inside(app, site)
    assert old.lists()[0]["deviceType"] == device
    assert app.test_client().get(f"/job/{job['ulid']}?site={site}").status_code == 200
    assert site in app.test_client().get("/?site=wmd").text
    assert [each["ulid"] for each in old.polls()] == [job["ulid"]]
    job = {"ulid": job["ulid"], "site": site}
    assert old.reports(job, "EXPOSING").status == 200
    assert old.asks("stop", device=device, instance="i").status == 200


def test_5000_made_up_sites_leave_the_menu_small_and_the_sites_of_the_last_jobs_in_it(app: Flask) -> None:
    first = inside(app, "first")
    job = first.sends()
    with service_of(app).database.engine.begin() as connection:
        names = [column.name for column in Job.__table__.columns if column.name not in ("id", "ulid", "site")]
        connection.exec_driver_sql(
            "WITH RECURSIVE numbers (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < 5000)"
            f" INSERT INTO job (ulid, site, {', '.join(names)})"
            f" SELECT '0' || substr('{job['ulid']}', 2, 20) || (10000 + number), 'made-up-' || number,"
            f" {', '.join(names)} FROM job, numbers"
        )
    inside(app, "last").sends()
    browser = app.test_client()
    page = browser.get("/?site=last").text
    assert len(page) < 50_000
    assert page.count("<bdi>made-up-") == SHOWN_SITES - 1
    assert "made-up-5000<" in page
    assert "Expose" in browser.get("/?site=first").text
    assert "first" in browser.get("/").text, "a site that the browser was at is kept, though the menu has it not"


def test_a_menu_of_few_sites_shows_those_that_had_jobs_last(app: Flask) -> None:
    for number in range(30):
        inside(app, f"site-{number:02}").sends()
    inside(app, "site-03").sends()
    page = app.test_client().get("/?site=site-03").text
    shown = {number for number in range(30) if f"<bdi>site-{number:02}</bdi>" in page}
    assert shown == {3, *range(11, 30)}
