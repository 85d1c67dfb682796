"""Site tokens: with them required, only a site's own software takes its jobs and reports on them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from jobs_server import create_app
from jobs_server.auth import site_tokens
from jobs_server.service import service_of
from jobs_server.upkeep import alerts, startup

from ..conftest import inside
from ..support import databases
from ..support.clocks import HOUR, Clocks
from ..support.observatory import Observatory, Reply, site_named


@pytest.fixture(scope="module")
def app() -> Iterator[Flask]:
    app = create_app({"TESTING": True, "DATABASE_URL": databases.fresh(), "SITE_TOKENS": "required"})
    yield app
    service_of(app).database.close()


@pytest.fixture
def site(app: Flask, request: pytest.FixtureRequest) -> Observatory:
    return inside(app, site_named(request.node.name))


def runs(app: Flask, *arguments: str) -> Any:
    return app.test_cli_runner().invoke(args=["tokens", *arguments])


def makes(app: Flask, site: str, name: str = "dome pc") -> str:
    made = runs(app, "create", "--site", site, "--name", name)
    assert made.exit_code == 0, made.output
    return str(made.stdout).splitlines()[0]


def test_what_was_made_in_another_year_is_listed_with_it(app: Flask, site: Observatory, clocks: Clocks) -> None:
    makes(app, site.site, "old pc")
    then = datetime.fromtimestamp(clocks.now.wall_ms / 1000, UTC)
    assert f"{then.year}-" not in runs(app, "list").output
    clocks.pass_by(366 * 24 * 60 * 60)
    told = re.sub(r"\s", "", runs(app, "list").output)  # the table may fold it
    assert f"{then:%Y-%m-%d}" in told


def asks(site: Observatory, route: str, token: str | None, **body: Any) -> Reply:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return site.posts(route, {"site": site.site} | body, headers)


def test_the_sites_software_works_with_its_token(app: Flask, site: Observatory) -> None:
    token, job = makes(app, site.site), site.sends()
    assert asks(site, "getnewjobs", token, claimId="a").jobs == [job]
    assert asks(site, "startjob", token, ulid=job["ulid"], claimId="a").status == 200
    assert asks(site, "updatejobstatus", token, ulid=job["ulid"], newStatus="COMPLETE").status == 200
    by = site.shows(job)["history"][-1]["by"]
    assert by == {"id": site.site, "name": "dome pc", "known": "site"}


@pytest.mark.parametrize("route", ["getnewjobs", "startjob", "updatejobstatus"])
@pytest.mark.parametrize("token", [None, "", "undefined", "jobs_site_wrong"])
def test_without_a_good_one_nothing_of_the_sites_is_done(site: Observatory, route: str, token: str | None) -> None:
    job = site.sends()
    refusal = asks(site, route, token, ulid=job["ulid"], newStatus="COMPLETE")
    assert refusal.status == 401
    assert refusal.headers["WWW-Authenticate"].startswith("Bearer")
    assert refusal.text == "[]" or "site token" in refusal.text
    assert site.status(job) == "UNREAD"


def test_a_token_of_one_site_is_none_of_another(app: Flask, site: Observatory) -> None:
    token, job = makes(app, "elsewhere"), site.sends()
    refusal = asks(site, "getnewjobs", token)
    assert (refusal.status, refusal.text) == (403, "[]")
    assert asks(site, "updatejobstatus", token, ulid=job["ulid"], newStatus="COMPLETE").status == 403
    assert site.status(job) == "UNREAD"


def test_a_revoked_token_works_no_more(app: Flask, site: Observatory) -> None:
    token = makes(app, site.site)
    (kept,) = [row for row in json.loads(runs(app, "list", "--json").output) if row["site"] == site.site]
    assert asks(site, "getnewjobs", token).status == 200
    assert "works no more" in runs(app, "revoke", str(kept["id"])).output
    assert asks(site, "getnewjobs", token).status == 401
    again = runs(app, "revoke", str(kept["id"]))
    assert (again.exit_code, "no token" in again.output) == (1, True)


def test_the_token_is_shown_once_and_only_its_hash_is_kept(app: Flask, site: Observatory) -> None:
    token = makes(app, site.site)
    with service_of(app).database.engine.connect() as connection:
        kept = connection.exec_driver_sql("SELECT * FROM site_token").fetchall()
    assert token not in str(kept)
    assert token not in runs(app, "list").output + runs(app, "list", "--json").output
    assert token.startswith(site_tokens.PREFIX)
    assert len(token) > 40


def test_the_last_use_is_shown_to_a_minute(app: Flask, site: Observatory, clocks: Clocks) -> None:
    token = makes(app, site.site)

    def used_ms() -> Any:
        return next(r["used_ms"] for r in json.loads(runs(app, "list", "--json").output) if r["site"] == site.site)

    assert used_ms() is None
    asks(site, "getnewjobs", token)
    first = used_ms()
    assert first == clocks.now.wall_ms
    clocks.pass_by(30)
    asks(site, "getnewjobs", token)
    assert used_ms() == first
    clocks.pass_by(30)
    asks(site, "getnewjobs", token)
    assert used_ms() == clocks.now.wall_ms


def test_people_need_none(site: Observatory) -> None:
    assert site.asks().status == 200


def test_by_default_none_is_asked_for(shared_app: Flask, desk: Observatory) -> None:
    job = desk.sends()
    assert asks(desk, "getnewjobs", "anything").jobs == [job]
    made = runs(shared_app, "create", "--site", desk.site, "--name", "dome pc")
    assert "JOBS_SITE_TOKENS=required" in made.output


class TestSoftwareWithoutAToken:
    """It gets 401 with `[]`, and would read "nothing to do" for ever: that a site's software is refused is said."""

    @pytest.fixture
    def app(self, tmp_path: Path, clocks: Clocks) -> Iterator[Flask]:
        clocks.set_wall(13 * HOUR + 4 * 60)  # 21:04 UTC
        app = create_app({"TESTING": True, "SITE_TOKENS": "required"} | databases.at(tmp_path))
        startup.prepare(app)
        databases.put_on_duty(app)
        yield app
        service_of(app).database.close()

    def alerts(self, app: Flask) -> list[str]:
        return [
            alert.sentence for alert in alerts.Watch(service_of(app), lambda _: None).found() if "refused" in alert.key
        ]

    def doctor(self, app: Flask) -> list[str]:
        rows = json.loads(app.test_cli_runner().invoke(args=["doctor", "--json"]).output)
        return [row["sentence"] for row in rows if row["about"].startswith("refused ")]

    def page(self, app: Flask) -> str:
        return app.test_client().get("/?site=wmd").text

    @pytest.mark.parametrize("token", [None, "undefined", "jobs_site_wrong"])
    def test_is_named_with_the_time_since_which_it_is_refused(
        self, app: Flask, clocks: Clocks, token: str | None
    ) -> None:
        site = inside(app)
        site.sends()
        assert self.alerts(app) == self.doctor(app) == []
        assert "refused" not in self.page(app)
        assert asks(site, "getnewjobs", token).text == "[]"
        for _ in range(4):
            clocks.pass_by(61)
            assert asks(site, "getnewjobs", token).status == 401
        why = "its software is refused since 21:04 UTC, as it shows no valid site token"
        assert self.alerts(app) == [f"wmd: {why}. It may take that for an empty list."]
        (sentence,) = self.doctor(app)
        assert sentence.startswith(f"{why} (")
        assert "flask tokens create --site wmd" in sentence
        assert "Site software refused since 21:04 UTC" in self.page(app)

    def test_of_a_site_that_a_profile_alone_names_is_named_too(self, app: Flask) -> None:
        site = inside(app)
        asks(site, "getnewjobs", None)
        assert self.alerts(app) == [], "anybody on the network can make up a site"
        Path(service_of(app).settings.instance, "site.toml").write_text('code = "wmd"\n')
        assert self.alerts(app), "a site without jobs is one when its profile is there"

    def test_is_over_when_it_shows_one(self, app: Flask, clocks: Clocks) -> None:
        site = inside(app)
        site.sends()
        asks(site, "getnewjobs", None)
        assert self.alerts(app)
        token = makes(app, "wmd")
        asks(site, "getnewjobs", token)
        assert self.alerts(app) == self.doctor(app) == []
        clocks.pass_by(61)
        asks(site, "getnewjobs", None)  # another program, beside the one that works
        asks(site, "getnewjobs", token)
        assert self.alerts(app) == []

    def test_is_over_when_it_asks_no_more(self, app: Flask, clocks: Clocks) -> None:
        site = inside(app)
        site.sends()
        asks(site, "getnewjobs", None)
        clocks.pass_by(301)
        assert self.alerts(app) == self.doctor(app) == []
        asks(site, "getnewjobs", None)
        (again,) = self.alerts(app)
        assert "since 21:09 UTC" in again

    def test_is_named_with_another_sites_token_too(self, app: Flask) -> None:
        inside(app).sends()
        asks(inside(app), "getnewjobs", makes(app, "mrc1"))
        assert [each[:24] for each in self.alerts(app)] == ["wmd: its software is ref"]

    def test_of_a_made_up_site_wakes_nobody(self, app: Flask) -> None:
        asks(inside(app, "made up"), "getnewjobs", None)
        assert self.alerts(app) == []
        assert len(self.doctor(app)) == 1

    def test_fills_no_table(self, app: Flask) -> None:
        for number in range(150):
            asks(inside(app, f"made up {number}"), "getnewjobs", None)
        for body in (b"", b"[]", b"{", b'{"site": 5}', b'{"site": "\\u0000"}', b'{"site": "' + b"x" * 65 + b'"}'):
            assert inside(app).posts("getnewjobs", body).status == 401
        assert len(self.doctor(app)) == 100

    def test_is_written_once_a_minute(self, app: Flask, clocks: Clocks) -> None:
        site = inside(app)
        commits: list[object] = []
        service_of(app).database.on_commit.append(commits.append)
        for _ in range(20):
            asks(site, "getnewjobs", None)
            clocks.pass_by(3)
        assert len(commits) <= 2

    def test_is_not_asked_for_without_the_setting(self, tmp_path: Path) -> None:
        app = create_app({"TESTING": True} | databases.at(tmp_path / "other"))
        startup.prepare(app)
        assert asks(inside(app), "getnewjobs", None).status == 200
        assert self.doctor(app) == []
        service_of(app).database.close()
