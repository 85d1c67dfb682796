"""Behind a proxy that has the service under a path, an open page is as it is under a name of its own."""

from __future__ import annotations

from pathlib import Path

import httpx
from playwright.sync_api import Browser, Response, expect

from tests.conftest import over_http
from tests.support import nginx, nights, servers

from . import stage


def test_under_a_path_a_page_is_styled_follows_what_happens_and_leads_on(browser: Browser, tmp_path: Path) -> None:
    bad: list[str] = []

    def note(response: Response) -> None:
        if response.status >= 400:
            bad.append(response.url)

    with (
        servers.running("gunicorn", tmp_path) as server,
        nginx.before(server.port, tmp_path / "n", nginx.UNDER_A_PATH) as url,
        httpx.Client(trust_env=False, timeout=60) as client,
        stage.context(browser, server, stage.DESK) as context,
    ):
        page = context.new_page()
        page.on("response", note)
        with page.expect_response(lambda reply: "/stream?" in reply.url) as stream:
            page.goto(f"{url}/telescope/?site=wmd")
        assert stream.value.url.startswith(f"{url}/telescope/stream?")
        assert stream.value.status == 200
        assert page.evaluate("getComputedStyle(document.querySelector('.dock')).position") == "fixed"
        job = over_http(server.url, client).sends(**nights.expose("M 31"))
        expect(page.locator("#queue")).to_contain_text("M 31")
        page.reload()
        page.locator("[data-timeline] .bar").first.click()
        expect(page).to_have_url(f"{url}/telescope/job/{job['ulid']}?site=wmd")
        page.get_by_role("button", name="Cancel: ").click()
        expect(page.locator("#notes")).to_contain_text("Canceled")
        page.get_by_role("link", name="Night", exact=True).click()
        expect(page.locator("#rows")).to_contain_text("M 31")
        page.get_by_role("button", name="Stop now").click()
        expect(page.locator("#receipts")).to_contain_text("sent")
        assert bad == []
