"""A real server with a believable past, and a real Chromium before it."""

from __future__ import annotations

import io
import os
import random
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from PIL import Image, ImageDraw, ImageFilter, ImageStat
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from jobs_server.observatory import sky
from tests.conftest import over_http
from tests.support import issuers, nights, servers
from tests.support.observatory import Observatory
from tests.support.programs import needs

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    # Two names on the internet point to this machine, as DNS rebinding makes them.
    "--host-resolver-rules=MAP evil.example 127.0.0.1, MAP ui.example 127.0.0.1",
)
PHONE, DESK = (360, 740), (1440, 900)
THEMES = ("light", "dark", "night")
SEND = re.compile("^(Send now|Add to queue)$")
"""The button that sends a job, which says what it does."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Debian's Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=needs("chromium"), args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


def context(
    browser: Browser, server: servers.Server, width: tuple[int, int], theme: str = "light", **more: Any
) -> BrowserContext:
    """Open a browser profile of a person who has chosen a name and a theme."""
    made = browser.new_context(viewport={"width": width[0], "height": width[1]}, **more)
    cookies = {"theme": theme, "name": "Vera"}
    made.add_cookies([{"name": name, "value": value, "url": server.url} for name, value in cookies.items()])
    return made


def a_past(folder: Path, nights_ago: int = 3) -> None:
    """Write a few nights, and the beginning of the present one."""
    nights.a_site(folder)
    past, now_ms = nights.HistoryWriter(folder), time.time_ns() // 1_000_000
    for ago in range(nights_ago, 0, -1):
        past.night(now_ms - ago * 24 * nights.HOUR_MS - 4 * nights.HOUR_MS, 7)
    past.night(now_ms - 3 * nights.HOUR_MS, 2.8)
    past.weather(now_ms - 3 * nights.HOUR_MS, 2.9)


def last_night() -> str:
    """The path of the last night that is over: at noon the present one is empty."""
    present = sky.night_of(time.time_ns() // 1_000_000, nights.ZONE)
    return f"/night/{present - timedelta(days=1)}"


def a_present(observatory: Observatory) -> dict[str, Any]:
    """Let one job run, two wait, and one be handed over without a word."""
    running = observatory.sends(**nights.expose("M 31"))
    observatory.sends("darkslide_open", required_params={}, optional_params={})
    observatory.polls()
    observatory.reports(running, "EXPOSING", secondsUntilComplete=300)
    for band in ("V", "B"):
        observatory.sends(**nights.expose("NGC 891", 120, 3, band), user_name="Tycho", user_id="lan|tycho")
    return running


def a_plan(observatory: Observatory) -> dict[str, Any]:
    """Let a plan wait for its second step, of which the site has said nothing yet."""
    bands = [nights.expose("NGC 891", 120, 3, band) for band in ("R", "V", "B")]
    steps = [nights.slew("NGC 891", 2.376, 42.349), nights.focus(), *bands, *bands]
    asked = {"site": observatory.site, "title": "NGC 891, R V B", "steps": steps}
    plan: dict[str, Any] = observatory.posts("newplan", asked | {"user_name": "Tycho", "user_id": "lan|tycho"}).job
    return plan


A_SERIES = {"target": "M 31", "ra": "0.712319", "dec": "41.26906", "placed": "0.712319 41.26906 M 31", "object": "M 31"}
A_SERIES |= {f"row-{number}-filter": band for number, band in enumerate(("L", "R", "V", "B"), 1)}
A_SERIES |= {f"row-{number}-{key}": value for number in range(1, 5) for key, value in (("time", "60"), ("count", "5"))}
"""A series as the address of its form holds it."""


DEVICES: dict[str, dict[str, Any]] = {
    "mount/mount1": {
        "status": "tracking",
        "ra_hours": 0.712,
        "dec_degrees": 41.27,
        "alt_degrees": 62.3,
        "az_degrees": 97.1,
    },
    "enclosure/enclosure1": {"status": "open", "azimuth_degrees": 98.0, "mode": "follows the mount"},
    "weather/weather1": {"safe": True, "temperature_c": 7.4, "humidity_percent": 61, "wind_m_per_s": 3.2},
    "camera/camera_1_1": {"status": "exposing", "temperature_c": -10.0, "cooler_percent": 35, "frame": 3, "frames": 5},
    "filter_wheel/filter_wheel1": {"filter": "R", "status": "idle"},
    "focuser/focuser1": {"position_um": 5021, "temperature_c": 6.8},
}
"""What a site says of its devices on a good night."""


def stars(width: int = 960, height: int = 640) -> bytes:
    """Return a picture as a camera sends it: stars, noise, and a galaxy."""
    chance, picture = random.Random(31), Image.effect_noise((width, height), 14).point(lambda value: value // 6)
    draw = ImageDraw.Draw(picture)
    for _ in range(400):
        x, y, size = chance.uniform(0, width), chance.uniform(0, height), chance.paretovariate(2.2)
        draw.ellipse((x - size / 2, y - size / 2, x + size / 2, y + size / 2), fill=min(255, int(70 + 45 * size)))
    galaxy = Image.radial_gradient("L").point(lambda value: max(0, 200 - 2 * value)).resize((width // 2, height // 6))
    galaxy = galaxy.rotate(28, expand=True)
    picture.paste(255, (width // 2 - galaxy.width // 2, height // 2 - galaxy.height // 2), galaxy)
    written = io.BytesIO()
    picture.filter(ImageFilter.GaussianBlur(1)).save(written, "PNG")
    return written.getvalue()


def speaks(server: servers.Server, job: dict[str, Any] | None = None, site: str = "wmd", **devices: Any) -> None:
    """Let a site say how its devices are, and send a picture of a job."""
    with httpx.Client(base_url=server.url, trust_env=False, timeout=60) as client:
        told = {"site": site, "devices": devices or DEVICES}
        assert client.post("/jobs/devicestate", json=told).status_code == 200
        if job:
            query = {"site": site, "ulid": job["ulid"], "name": "m31-003.png"}
            assert client.post("/jobs/preview", params=query, content=stars()).status_code == 200


ABILITIES: dict[str, dict[str, Any]] = {
    "camera/cam1": {
        "actions": ["expose", "stop"],
        "filters": ["Red", "Green", "Blue", "HA"],
        "binnings": [1, [2, 2]],
        "limits": {"time": [0.1, 900]},
    },
    "mount/mount1": {"actions": ["go", "park", "unpark", "home"]},
    "focuser/focuser1": {},
}
"""What a site with little says that it has and can do."""


def shows(server: servers.Server, job: dict[str, Any], name: str, picture: bytes) -> None:
    """Let a site send a picture of a job."""
    query = {"site": job["site"], "ulid": job["ulid"], "name": name}
    sent = httpx.post(f"{server.url}/jobs/preview", params=query, content=picture, trust_env=False, timeout=60)
    assert sent.status_code == 200


def can(server: servers.Server, site: str) -> None:
    """Let a site say what it has and can do."""
    told = {"site": site, "devices": ABILITIES}
    assert httpx.post(f"{server.url}/jobs/capabilities", json=told, trust_env=False, timeout=60).status_code == 200


def has_come(server: servers.Server, job: dict[str, Any]) -> None:
    """Let a site say what came of a job, with pictures."""
    result = {
        "files": [f"m31-r-{number:03}.fits" for number in range(1, 6)],
        "frames": 5,
        "fwhm_arcsec": 2.3149,
        "ra": 0.7123,
        "dec": 41.269,
        "sky_adu": 812,
        "guiding": {"rms_arcsec": 0.61, "star_lost": False},
    }
    with httpx.Client(base_url=server.url, trust_env=False, timeout=60) as client:
        told = {"site": job["site"], "ulid": job["ulid"], "newStatus": job["statusId"].partition("#")[0]}
        assert client.post("/jobs/updatejobstatus", json=told | {"result": result}).status_code == 200
    for number in range(1, 5):
        shows(server, job, f"m31-r-{number:03}.fits", stars())


@contextmanager
def served(folder: Path, *, past: bool = True) -> Iterator[tuple[servers.Server, Observatory]]:
    """Serve a site with a past."""
    if past:
        a_past(folder)
    with servers.running("gunicorn", folder) as server, httpx.Client(trust_env=False, timeout=60) as client:
        yield server, over_http(server.url, client)


@dataclass(frozen=True)
class Guarded:
    """A server that knows of no site and where people must sign in."""

    server: servers.Server
    session: str

    @property
    def pages(self) -> dict[str, str]:
        """The addresses of its pages; who is signed in calls the machine by its name: cookies keep to a name."""
        by_name = f"http://localhost:{self.server.port}"
        return {
            "which-site": f"{self.server.url}/",
            "sign-in": f"{self.server.url}/sign-in",
            "signed-in": f"{by_name}/sign-in",
        }

    def signs_in(self, context: BrowserContext, theme: str) -> None:
        """Let a browser be signed in, where it calls the machine by its name."""
        cookies = {"jobs_session": self.session, "theme": theme}
        url = f"http://localhost:{self.server.port}"
        context.add_cookies([{"name": name, "value": value, "url": url} for name, value in cookies.items()])


@contextmanager
def guarded(folder: Path) -> Iterator[Guarded]:
    """Serve with sign-in set, while the issuer is away, and sign somebody in at the PC."""
    settings = {"JOBS_OIDC_ISSUER": f"http://127.0.0.1:{servers.free_port()}", "JOBS_OIDC_AUDIENCE": "jobs"}
    settings |= {"JOBS_OIDC_CLIENT_ID": "jobs"}
    with servers.running("flask", folder, settings) as server:
        link = issuers.run_flask(["admin", "link", "--user", "Vera"], folder, settings).splitlines()[0]
        answer = httpx.get(link.replace(":5000", f":{server.port}"), trust_env=False, timeout=60)
        yield Guarded(server, answer.cookies["jobs_session"])


@contextmanager
def asleep(browser: Browser) -> Iterator[None]:
    """Stop all pages of a browser for the length of a block, as a laptop that is closed does."""
    found = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    renderers = [process["id"] for process in found if process["type"] == "renderer"]
    for renderer in renderers:
        os.kill(renderer, signal.SIGSTOP)
    try:
        yield
    finally:
        for renderer in renderers:
            os.kill(renderer, signal.SIGCONT)


def open_page(context: BrowserContext, url: str) -> Page:
    """Open a page and wait until it has drawn itself."""
    page = context.new_page()
    show(page, url)
    return page


def show(page: Page, url: str, press: str | re.Pattern[str] | None = None) -> None:
    """Go to a page, or to what comes of pressing a button there, and wait until it has drawn itself."""
    page.goto(url)
    if press:
        with page.expect_navigation():
            page.get_by_role("button", name=press).click()
    page.wait_for_load_state("load")


def is_in_its_theme(page: Page, theme: str) -> None:
    """Hold that what the window shows is in the theme's colours, and no wider than the window."""
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    assert (ImageStat.Stat(picture).mean[0] > 128) == (theme == "light")
    assert theme != "night" or picture.getextrema()[1:] == ((0, 0), (0, 0))
