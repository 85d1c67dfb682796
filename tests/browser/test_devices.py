"""What a site says of itself, in a real browser: a script of ten lines is enough, and nobody loads a page anew."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, Request, expect

from jobs_server.state.devices import SeenDevice
from jobs_server.web import strip
from tests.conftest import over_http
from tests.support import nights, postgres, servers
from tests.support.servers import Server

from . import stage
from .test_engines import NO_GLASS
from .test_looks import bright, colours, overflow

SCRIPT = """
import json, sys, urllib.request
url, ulid, picture = sys.argv[1], sys.argv[2], open(sys.argv[3], "rb").read()
def send(path, data):
    urllib.request.urlopen(urllib.request.Request(url + path, data), timeout=60).read()
devices = {"mount/mount1": {"status": "tracking", "ra_hours": 5.588, "dec_degrees": -5.39},
           "enclosure/roof": {"status": "open"},
           "weather/mast": {"safe": True, "temperature_c": 12.3, "wind_m_per_s": 3.2}}
send("/jobs/devicestate", json.dumps({"site": "dome", "devices": devices}).encode())
send("/jobs/preview?site=dome&name=m42.png&ulid=" + ulid, picture)
"""


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on each of the two databases."""
    folder = tmp_path_factory.mktemp("speaks")
    url = postgres.shared().database() if request.param == "postgresql" else f"sqlite:///{folder / 'jobs.db'}"
    with servers.running("gunicorn", folder, {"JOBS_DATABASE_URL": url}) as made:
        yield made


@pytest.fixture
def desktop(browser: Browser, server: Server) -> Iterator[Page]:
    with stage.context(browser, server, stage.DESK) as context:
        yield context.new_page()


def opens(page: Page, server: Server, site: str, path: str = "/") -> None:
    """Go to a page of a site, and wait until its stream is there."""
    with page.expect_response(lambda answer: "/stream?" in answer.url):
        page.goto(f"{server.url}{path}?site={site}")


def sends(server: Server, site: str, target: str = "M 42") -> dict[str, Any]:
    """Send a job, so that a picture can be of it."""
    with httpx.Client(trust_env=False, timeout=60) as client:
        job: dict[str, Any] = over_http(server.url, client, site).sends(**nights.expose(target))
        return job


def says(page: Page, key: str) -> list[str]:
    """Return what a tile says, without its age."""
    tile = page.locator(f'#strip .tile[data-key="{key}"]')
    return [" ".join(tile.locator(part).inner_text().split()) for part in (".name", ".word", ".value")]


def test_a_plain_script_of_ten_lines_shows_in_the_strip_with_its_picture(
    desktop: Page, server: Server, tmp_path: Path
) -> None:
    job = sends(server, "dome")
    opens(desktop, server, "dome")
    expect(desktop.locator("#strip")).to_have_text("This site does not report its devices.")
    (tmp_path / "picture").write_bytes(stage.stars())
    command = [sys.executable, "-c", SCRIPT, server.url, job["ulid"], str(tmp_path / "picture")]
    assert len(SCRIPT.strip().splitlines()) <= 10
    subprocess.run(command, check=True, timeout=60)
    expect(desktop.locator('#strip .tile[data-key="mount"] .word')).to_have_text("tracking")
    assert says(desktop, "mount") == ["Mount", "tracking", "05h35 -05°23′"]
    assert says(desktop, "roof") == ["Roof", "open", ""]
    assert says(desktop, "weather") == ["Weather", "safe", "12 °C, 3 m/s"]
    picture = desktop.locator(".last-picture img")
    expect(picture).to_have_js_property("naturalWidth", 960)
    assert "m42.png" in desktop.locator("#last-picture").inner_text()
    desktop.locator(".last-picture").click()
    expect(desktop.locator("main img")).to_have_js_property("naturalWidth", 960)
    assert "M 42" in desktop.locator("main").inner_text()


def test_what_a_device_says_is_shown_without_the_page_being_fetched(desktop: Page, server: Server) -> None:
    with httpx.Client(trust_env=False, timeout=60) as client:
        observatory = over_http(server.url, client, "live")
        observatory.reports(observatory.sends(), "EXPOSING")
    stage.speaks(server, site="live")
    opens(desktop, server, "live")
    desktop.wait_for_timeout(1000)  # what the stream begins with makes the page ask once
    fetched: list[str] = []
    desktop.on("request", lambda request: fetched.append(request.url) if is_whole(request) else None)
    stage.speaks(server, site="live", **{"mount/mount1": {"status": "parked"}, "camera/camera_1_1": {"status": "idle"}})
    expect(desktop.locator('[data-key="mount"] .word')).to_have_text("parked")
    assert says(desktop, "camera") == ["Camera", "idle", ""]
    stage.speaks(server, site="live", **{"weather/weather1": {"safe": False, "unsafe_reason": "rain"}})
    expect(desktop.locator('[data-key="weather"]')).to_contain_class("alarming")
    assert says(desktop, "weather") == ["Weather", "unsafe", "rain"]
    assert fetched == []


def is_whole(request: Request) -> bool:
    """Whether a page asks for all of itself, and not only for changes."""
    return "/?site=" in request.url and "x-known" not in request.headers


def test_a_device_grows_grey_while_nothing_comes_and_unsafe_is_red(browser: Browser, server: Server) -> None:
    with stage.context(browser, server, stage.PHONE) as context:
        page = context.new_page()
        page.clock.install()
        stage.speaks(server, site="grey", **{"weather/w": {"safe": False, "unsafe_reason": "wind"}})
        opens(page, server, "grey")
        tile = page.locator('[data-key="weather"]')
        red = page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--bad').trim()")
        page.context.set_offline(True)
        assert tile.locator(".word").evaluate("(each) => getComputedStyle(each).color") == rgb(red)
        expect(tile).not_to_contain_class("grey")
        page.clock.run_for(70_000)
        expect(tile).to_contain_class("grey")
        assert "1 min" in tile.locator(".old").inner_text()
        assert tile.locator(".word").inner_text().endswith("unsafe")


def rgb(colour: str) -> str:
    """Write a colour as browsers compute it."""
    return f"rgb({', '.join(str(int(colour[at : at + 2], 16)) for at in (1, 3, 5))})"


def test_an_open_page_shows_no_roof_after_a_restart_until_somebody_says_so(browser: Browser, tmp_path: Path) -> None:
    port = servers.free_port()
    with stage.context(browser, Server(f"http://127.0.0.1:{port}", port, None, tmp_path), stage.DESK) as context:  # type: ignore[arg-type]
        page = context.new_page()
        with servers.stopped_at_the_end(servers.start("gunicorn", tmp_path, port=port)) as first:
            stage.speaks(first, site="dome")
            opens(page, first, "dome")
            expect(page.locator('[data-key="roof"] .word')).to_have_text("open")
        with servers.stopped_at_the_end(servers.start("gunicorn", tmp_path, port=port)) as second:
            expect(page.locator('[data-key="roof"]')).to_have_count(0)
            stage.speaks(second, site="dome", **{"enclosure/enclosure1": {"status": "closed"}})
            expect(page.locator('[data-key="roof"] .word')).to_have_text("closed")


def test_without_a_script_strip_and_picture_are_there(browser: Browser, server: Server) -> None:
    stage.speaks(server, sends(server, "plain"), site="plain")
    with stage.context(browser, server, stage.PHONE, java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{server.url}/?site=plain")
        assert says(page, "roof")[:2] == ["Roof", "open"]
        page.locator(".last-picture").click()
        assert page.locator("main img").is_visible()


@pytest.mark.parametrize("width", [(390, 844), stage.DESK], ids=["phone", "desktop"])
def test_everything_fits_and_at_night_the_picture_is_red_and_dim(
    browser: Browser, server: Server, width: tuple[int, int]
) -> None:
    stage.speaks(server, sends(server, "night"), site="night")
    with stage.context(browser, server, width, "night") as context:
        page = stage.open_page(context, f"{server.url}/?site=night")
        picture = page.locator(".last-picture img")
        expect(picture).to_have_js_property("complete", value=True)
        assert overflow(page) == 0
        assert colours(page) == []
        page.evaluate(f"() => {{ {NO_GLASS} }}")  # as an engine that paints it opaque
        assert bright(picture.screenshot()) == []
        bar = page.locator(".stopbar").bounding_box()
        assert bar is not None
        assert width[0] > 400 or bar["height"] <= 64


def test_on_a_phone_three_wait_and_a_tap_shows_the_rest(browser: Browser, server: Server) -> None:
    for number in range(8):
        sends(server, "queue", f"M {number}")
    with stage.context(browser, server, (390, 844)) as context:
        page = stage.open_page(context, f"{server.url}/?site=queue")
        rows = page.locator("#queue li:visible")
        expect(rows).to_have_count(3)
        page.get_by_text("5 more").click()
        expect(rows).to_have_count(8)
        sends(server, "queue", "M 9")
        expect(rows).to_have_count(9)  # what was opened stays open
        page.set_viewport_size({"width": 1440, "height": 900})
        page.get_by_text("Three alone").wait_for(state="hidden")
        expect(rows).to_have_count(9)


def seen_now(device: str, values: dict[str, Any]) -> SeenDevice:
    """Return a device as a page has it that was heard a moment ago."""
    kind, _, instance = device.partition("/")
    return SeenDevice(kind, instance, values, at_ms=1000, age_ms=1000, is_grey=False)


STATES: list[dict[str, dict[str, Any]]] = [
    stage.DEVICES,
    {"mount/a": {"alt_degrees": 12.4, "az_degrees": 359.6}, "telescope/b": {"status": " parked ", "connected": False}},
    {"mount/a": {"ra_hours": 23.9999, "dec_degrees": -0.001}},
    {"mount/a": {"ra_hours": -0.5, "dec_degrees": 89.999}},
    {"focuser/f": {"position_um": -0.4, "temperature_c": -0.04}, "enclosure/e": {"azimuth_degrees": -0.0}},
    {"focuser/f": {"position_um": 2000.5, "temperature_c": 6.25}, "weather/w": {"temperature_c": -2.5}},
    {"camera/c": {"temperature_c": 5e-324, "cooler_percent": 99.5}, "weather/w": {"wind_m_per_s": 9.9e14}},
    {"safety/a": {"safe": True}, "weather/b": {"temperature_c": -3.6}, "weather/c": {"safe": None, "status": "wet"}},
    {"camera/a": {"status": "idle"}, "camera/b": {"status": "Error", "message": "cold"}, "camera/c": {}},
    {"camera/a": {"temperature_c": 1e300, "frame": 0, "frames": 3, "cooler_percent": True}},
    {"camera/a": {"status": "é" * 60}, "enclosure/r": {"status": "\U0001f52d" * 50, "unsafe_reason": ["x"]}},
    {
        "focuser/f": {"position_um": 1234567.4, "status": "moving"},
        "filter_wheel/w": {"filter": "", "status": "turning"},
    },
    {
        "focuser/f": {"status": "idle"},
        "filterwheel/w": {"filter": "H2", "status": "turning"},
        "made_up/x": {"status": 3},
    },
    {"weather/w": {"unsafe_reason": {}}, "dome/d": {"status": 5, "azimuth_degrees": "north", "mode": "auto"}},
    {"enclosure/e": {"unsafe_reason": {"a": 1}, "status": None, "connected": None}, "Camera/A": {"status": "reading"}},
]


@pytest.mark.parametrize("state", STATES, ids=[str(number) for number in range(len(STATES))])
def test_the_script_writes_the_strip_as_the_server_does(
    desktop: Page, server: Server, state: dict[str, dict[str, Any]]
) -> None:
    opens(desktop, server, "alike")
    told = {device: {"at_ms": 1000, **values} for device, values in state.items()}
    written = desktop.evaluate(
        """async (told) => {
          const KEYS = ["key", "word", "value", "device", "more", "alarming"];
          const { tiles } = await import(document.querySelector('script[src*="strip.js"]').src);
          return tiles(told, 2000).map((tile) => KEYS.map((key) => tile[key]));
        }""",
        list(told.items()),
    )
    seen = [seen_now(device, values) for device, values in state.items()]
    assert written == [
        [made.key, made.word, made.value, made.device.key, made.more, made.device.is_alarming]
        for made in strip.tiles(seen)
    ]
