"""The pages that only a server with the companion has, in a real browser: on a phone and a desk, by night too."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from tests.support import servers
from tests.support.public_clients import DEVICE, ROOF, WEATHER

from . import stage
from .test_looks import SERIOUS, WIDTHS, crowded, overflow, overlaps

PROFILE = 'code = "hill1"\nname = "Hill one"\ntimezone = "Australia/Hobart"\n'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    """A server with the companion, whose site has a profile and three configs, and says how it is."""
    folder = tmp_path_factory.mktemp("companion")
    (folder / "site.toml").write_text(PROFILE, encoding="utf-8")
    with servers.running("gunicorn", folder, {"JOBS_COMPANION": "on"}) as server:
        with httpx.Client(base_url=server.url, trust_env=False) as client:
            client.post("/act/draw-configs", data={"site": "hill1", "wema": "hill"})
            client.put("/api/hill1/config/", json={"a long line": "x" * 2000}).raise_for_status()
            client.delete("/api/hill1/config/").raise_for_status()
            for kind, status in (("device", DEVICE), ("enclosure", ROOF), ("weather", WEATHER)):
                body = {"statusType": kind, "status": status}
                client.post("/status/hill1/status/", json=body).raise_for_status()
        yield server


@pytest.mark.parametrize("theme", ["light", "night"])
@pytest.mark.parametrize("width", WIDTHS)
def test_the_pages_are_readable_and_nothing_serious_is_wrong_with_them(
    browser: Browser, server: servers.Server, theme: str, width: str
) -> None:
    paths = ("/settings/configs?site=hill1", "/settings/configs?site=hill1&name=hill", "/settings?site=hill1")
    with stage.context(browser, server, WIDTHS[width], theme, reduced_motion="reduce") as context:
        for path in paths:
            page = stage.open_page(context, server.url + path)
            assert (overflow(page), overlaps(page), crowded(page)) == (0, [], []), path
            stage.is_in_its_theme(page, theme)
            found = Axe().run(page).response["violations"]
            assert [each["id"] for each in found if each["impact"] in SERIOUS] == [], path


def test_a_config_is_changed_and_restored_by_hand(browser: Browser, server: servers.Server) -> None:
    with stage.context(browser, server, WIDTHS["desktop"]) as context:
        page = stage.open_page(context, f"{server.url}/settings/configs?site=hill1&name=hill")
        page.get_by_label("a JSON object").fill("no config")
        page.get_by_role("button", name="Put in force").click()
        assert "Not saved" in page.get_by_role("alert").inner_text()
        assert page.get_by_label("a JSON object").input_value() == "no config", "what was written is not lost"
        page.get_by_label("a JSON object").fill('{"name": "by hand"}')
        page.get_by_role("button", name="Put in force").click()
        page.get_by_text("The config is in force.").wait_for()
        assert "by hand" in page.get_by_label("a JSON object").input_value()
        page.get_by_role("button", name="Restore the config").first.click()
        page.get_by_text("The config is in force.").wait_for()
        assert "TZ_database_name" in page.get_by_label("a JSON object").input_value()
