"""A real browser: signing in at a real issuer, and pages from elsewhere that try to command the telescope."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support import issuers, servers
from tests.support.observatory import a_command

from . import stage


@contextmanager
def elsewhere() -> Iterator[int]:
    """Serve blank pages, as a web site elsewhere; gives its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>elsewhere</title><body>")

        def log_message(self, *_: object) -> None:
            """Write no log."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def elsewhere_port() -> Iterator[int]:
    with elsewhere() as port:
        yield port


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, elsewhere_port: int) -> Iterator[servers.Server]:
    settings = {"JOBS_ALLOWED_ORIGINS": f"http://ui.example:{elsewhere_port}"}
    with servers.running("flask", tmp_path_factory.mktemp("guarded"), settings) as server:
        yield server


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    yield context.new_page()
    context.close()


def jobs(service: servers.Server) -> list[Any]:
    listed = httpx.post(f"{service.url}/jobs/getrecentjobs", json={"site": "wmd"}, trust_env=False, timeout=60).json()
    return list(listed)


FETCH = """async ([url, body, type]) => {
  try {
    const headers = type ? {'Content-Type': type} : {}
    const reply = await fetch(url, {method: 'POST', body: JSON.stringify(body), headers})
    return [reply.status, await reply.text()]
  } catch (error) { return [0, String(error)] }
}"""
FORM = """([url, text]) => {
  const form = document.createElement('form')
  form.method = 'post'; form.action = url; form.enctype = 'text/plain'
  const input = document.createElement('input')
  const [before, after] = text.split('=')
  input.name = before; input.value = after
  form.append(input); document.body.append(form); form.submit()
}"""


def test_a_form_of_a_foreign_page_is_refused(page: Page, service: servers.Server, elsewhere_port: int) -> None:
    page.goto(f"http://evil.example:{elsewhere_port}/")
    body = '{"x": "=", "site": "wmd", "device": "d", "instance": "i", "action": "open_roof", "user_name": "n",'
    body += '"user_id": "u", "required_params": {}, "optional_params": {}}'
    with page.expect_navigation() as navigation:
        page.evaluate(FORM, [f"{service.url}/jobs/newjob", body])
    assert navigation.value.status == 403
    assert "JOBS_ALLOWED_ORIGINS" in page.inner_text("body")
    assert jobs(service) == []


@pytest.mark.parametrize("kind", [None, "text/plain", "application/json"])
def test_a_fetch_of_a_foreign_page_is_refused_and_unread(
    page: Page, service: servers.Server, elsewhere_port: int, kind: str | None
) -> None:
    page.goto(f"http://evil.example:{elsewhere_port}/")
    status, text = page.evaluate(FETCH, [f"{service.url}/jobs/newjob", a_command(), kind])
    assert (status, "Failed to fetch" in text) == (0, True)
    assert jobs(service) == []


def test_a_name_that_was_made_to_point_here_is_refused(page: Page, service: servers.Server) -> None:
    reply = page.goto(f"http://evil.example:{service.port}/")
    assert reply is not None
    assert reply.status == 403
    status, text = page.evaluate(FETCH, [f"http://evil.example:{service.port}/jobs/newjob", a_command(), None])
    assert (status, "JOBS_TRUSTED_HOSTS" in text) == (403, True)
    assert jobs(service) == []


def test_a_page_of_an_allowed_origin_works_and_reads_errors(
    page: Page, service: servers.Server, elsewhere_port: int
) -> None:
    page.goto(f"http://ui.example:{elsewhere_port}/")
    url = f"{service.url}/jobs/newjob"
    assert page.evaluate(FETCH, [url, {"site": "wmd"}, "application/json"]) == [
        400,
        "Error: missing required key device",
    ]
    status, _ = page.evaluate(FETCH, [url, a_command(site="allowed"), "application/json"])
    assert status == 200


def test_somebody_signs_in_commands_and_signs_out(browser: Browser, tmp_path: Path) -> None:
    with issuers.real(tmp_path, roles=("admin", "observer")) as issuer:
        settings = {"JOBS_OIDC_ISSUER": issuer, "JOBS_OIDC_AUDIENCE": "jobs", "JOBS_OIDC_CLIENT_ID": "jobs"}
        settings |= {"JOBS_OIDC_CLIENT_SECRET": "any", "JOBS_SITES": "wmd"}
        with servers.running("flask", tmp_path / "instance", settings) as service:
            context = browser.new_context()
            page = context.new_page()
            asked: list[str] = []
            page.on("request", lambda request: asked.append(request.url))
            page.goto(f"{service.url}/sign-in")
            page.click("main a.btn")
            page.click("button:has-text('vera')")
            page.wait_for_url(f"{service.url}/**")
            authorize = next(url for url in asked if "/oauth2/authorize" in url)
            assert "code_challenge_method=S256" in authorize
            assert "code_challenge=" in authorize
            page.goto(f"{service.url}/sign-in")
            assert "Vera Rubin" in page.inner_text("main")
            assert "admin, observer" in page.inner_text("main")
            cookie = next(each for each in context.cookies() if each["name"] == "jobs_session")
            assert (cookie["httpOnly"], cookie["sameSite"], cookie["secure"]) == (True, "Lax", False)
            status, text = page.evaluate(FETCH, [f"{service.url}/jobs/newjob", a_command(user_id="vera"), None])
            assert status == 200, text
            assert '"user_roles":["admin","observer"]' in text
            page.goto(f"{service.url}/settings?site=wmd")
            assert "Settings in force" in page.inner_text("main")
            page.click("button:has-text('Stop now')")
            page.wait_for_selector("text=Stop sent.")
            stop = next(job for job in jobs(service) if job["action"] == "cancel_all_commands")
            assert (stop["user_id"], stop["user_name"]) == ("vera", "Vera Rubin")
            assert stop["user_roles"] == ["admin", "observer"]
            page.click("header summary:has-text('Vera Rubin')")
            page.click("header >> text=Sign out")
            page.wait_for_selector("main >> text=must be signed in")
            page.goto(f"{service.url}/?site=wmd")
            page.click("button:has-text('Stop now')")
            page.wait_for_selector("text=sign in first")
            assert sum(job["action"] == "cancel_all_commands" for job in jobs(service)) == 1
            status, _ = page.evaluate(FETCH, [f"{service.url}/jobs/newjob", a_command(user_id="vera"), None])
            assert status == 401
            context.close()


def test_signing_in_goes_the_same_way_in_each_theme_on_a_phone_and_at_a_desk(browser: Browser, tmp_path: Path) -> None:
    with issuers.real(tmp_path) as issuer:
        settings = {"JOBS_OIDC_ISSUER": issuer, "JOBS_OIDC_AUDIENCE": "jobs", "JOBS_OIDC_CLIENT_ID": "jobs"}
        settings |= {"JOBS_OIDC_CLIENT_SECRET": "any", "JOBS_SITES": "wmd"}
        with servers.running("flask", tmp_path / "instance", settings) as service:
            for width, theme in product((stage.PHONE, stage.DESK), stage.THEMES):
                with stage.context(browser, service, width, theme) as context:
                    page = context.new_page()
                    page.goto(f"{service.url}/sign-in")
                    way_in = page.locator("main a.btn")
                    expect(way_in).to_be_in_viewport()
                    stage.is_in_its_theme(page, theme)
                    way_in.click()
                    page.click("button:has-text('vera')")
                    page.wait_for_url(f"{service.url}/**")
                    page.goto(f"{service.url}/sign-in")
                    expect(page.locator("main")).to_contain_text("Vera Rubin")
                    stage.is_in_its_theme(page, theme)
                    page.click("header summary:has-text('Vera Rubin')")
                    out = page.locator("header").get_by_text("Sign out")
                    expect(out).to_be_in_viewport()
                    stage.is_in_its_theme(page, theme)
                    out.click()
                    expect(page.locator("main")).to_contain_text("must be signed in")


def test_while_the_issuer_is_away_sessions_go_on_and_the_pc_signs_in_by_link(browser: Browser, tmp_path: Path) -> None:
    instance = tmp_path / "instance"
    context = browser.new_context()
    page = context.new_page()
    with issuers.real(tmp_path) as issuer:
        settings = {"JOBS_OIDC_ISSUER": issuer, "JOBS_OIDC_AUDIENCE": "jobs", "JOBS_OIDC_CLIENT_ID": "jobs"}
        settings |= {"JOBS_OIDC_CLIENT_SECRET": "any", "JOBS_SITES": "wmd"}
        service = servers.start("flask", instance, settings)
        page.goto(f"{service.url}/sign-in/go")
        page.click("button:has-text('vera')")
        page.wait_for_url(f"{service.url}/**")
    with servers.stopped_at_the_end(service):
        status, _ = page.evaluate(FETCH, [f"{service.url}/jobs/newjob", a_command(user_id="vera"), None])
        assert status == 200
        page.goto(f"{service.url}/?site=wmd")
        page.click("button:has-text('Stop now')")
        page.wait_for_selector("text=Stop sent.")
        assert {job["user_name"] for job in jobs(service)} == {"Vera Rubin"}
        other = browser.new_context().new_page()
        reply = other.goto(f"{service.url}/sign-in/go")
        assert reply is not None
        assert reply.status == 503
        assert "flask admin link" in other.inner_text("main")
        made = issuers.run_flask(["admin", "link", "--user", "chief"], instance, settings)
        link = made.splitlines()[0].replace(":5000", f":{service.port}")
        other.goto(link)
        other.goto(f"{service.url}/sign-in")
        assert "chief" in other.inner_text("main")
        other.goto(f"{service.url}/settings?site=wmd")
        assert "Settings in force" in other.inner_text("main")
        again = browser.new_context().new_page().goto(link)
        assert again is not None
        assert again.status == 401
