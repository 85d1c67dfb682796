"""Pictures of every page: `python -m tests.browser.screenshots`, or `--readme` for the two in the README.

A folder may be named, by default `build/screenshots`, and after it the pages that are wanted. Each is pictured whole,
Now as a window shows it, at 390 and 1440 px in three themes; a sheet of each width and theme has all of them, small.
"""

from __future__ import annotations

import io
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from PIL import Image, ImageDraw
from playwright.sync_api import BrowserContext, Page

from tests.support import servers
from tests.support.observatory import Observatory

from . import stage

PAGES = {
    "now": "/?site=wmd",
    "send": "/send?site=wmd",
    "send-slew": "/send?site=wmd&device=mount&action=go",
    "send-raw": "/send?site=wmd&raw=",
    "plan-new": "/plans/new?site=wmd",
    "plans": "/plans?site=wmd",
    "jobs": "/jobs-log?site=wmd",
    "night": "/night?site=wmd",
    "reservations": "/reservations?site=wmd",
    "insights": "/insights?site=wmd",
    "site": "/settings?site=wmd",
    "notifications": "/notifications?site=wmd",
    "profile": "/settings/profile?site=wmd",
    "set-up": "/set-up?site=new",
    "connect": "/set-up/connect?site=wmd",
    "docs": "/docs",
    "send-faulty": "/send?site=wmd&device=mount&action=go",
    "send-asks": "/send?site=wmd&device=enclosure&action=open",
    "refused": "/job/none?site=wmd",
    "sign-in-open": "/sign-in?site=wmd",
}
MORE = {
    "configs": "/settings/configs?site=wmd",
    "notifications": "/notifications?site=wmd",
    "jobs-of-a-night": "/jobs-log?site=wmd&night=tonight",
    "jobs-none": "/jobs-log?site=wmd&text=nothing+of+the+kind",
    "jobs-faulty": "/jobs-log?site=wmd&since=soon",
    "night-last": stage.last_night() + "?site=wmd",
    "night-none": "/night/2020-01-01?site=wmd",
    "insights-30": "/insights?site=wmd&nights=30",
    "plan-raw": "/plans/new?site=wmd&raw=",
    "plan-faulty": "/plans/new?site=wmd",
    "reservations-faulty": "/reservations?site=wmd",
    "token": "/settings?site=wmd",
    "now-empty": "/?site=quiet",
}
"""Pages, and states of them, that are looked at but not tested one by one."""
PRESSED = {
    "send-faulty": stage.SEND,
    "send-asks": stage.SEND,
    "plan-faulty": re.compile("^Send"),
    "reservations-faulty": re.compile("^Reserve as"),
}
"""Of these pages it is seen what comes of pressing a button."""


def job_page(observatory: Observatory) -> str:
    """Name the page of a job that has ended."""
    return f"/job/{ended(observatory)['ulid']}?site=wmd"


def ended(observatory: Observatory) -> dict[str, Any]:
    """Return the newest job that has ended well."""
    return [job for job in observatory.lists() if job["statusId"].startswith("COMPLETE")][-1]


SIZES = ((390, 844), stage.DESK)
_CALENDAR = "#f-since + .btn"
_TALLEST = 8000
_SHEET_WIDTH, _SHEET_HEIGHT, _IN_A_ROW = 300, 480, 6


def main(folder: Path, only: tuple[str, ...] = ()) -> None:
    """Picture every page, or those that are named, into a folder, with sheets of all that lies there."""
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as instance,
        stage.served(Path(instance) / "open") as (server, observatory),
        servers.running("flask", Path(instance) / "empty") as empty,
        stage.guarded(Path(instance) / "guarded") as guarded,
        stage.chromium() as browser,
    ):
        pages = addresses(server, observatory) | guarded.pages
        pages |= {"first-visit": empty.url, "connect-new": f"{empty.url}/set-up/connect?site=new"}
        wanted = {name: url for name, url in pages.items() if not only or name in only}
        for theme in stage.THEMES:
            for size in SIZES:
                with stage.context(browser, server, size, theme) as context:
                    guarded.signs_in(context, theme)
                    context.add_cookies([{"name": "theme", "value": theme, "url": empty.url}])
                    picture_all(context, wanted, lambda name: folder / f"{name}-{theme}-{size[0]}.png")  # noqa: B023
                sheet(folder, f"{theme}-{size[0]}")


def addresses(server: servers.Server, observatory: Observatory) -> dict[str, str]:
    """Return where the pages are, with something on each of them."""
    stage.speaks(server, stage.a_present(observatory))
    over, plan = ended(observatory), stage.a_plan(observatory)
    stage.has_come(server, over)
    stage.can(server, "able")
    failed = next(job for job in reversed(observatory.lists()) if job["statusId"].startswith("FAILED"))
    waiting = next(job for job in observatory.lists() if job["statusId"].startswith("UNREAD"))
    paths = PAGES | MORE
    paths["job"] = f"/job/{over['ulid']}?site=wmd"
    paths["job-failed"] = f"/job/{failed['ulid']}?site=wmd"
    paths["job-edit"] = f"/job/{waiting['ulid']}/edit?site=wmd"
    paths["picture"] = f"/job/{over['ulid']}/picture?site=wmd"
    paths["send-able"] = "/send?site=able"
    paths["send-again"] = f"/send?site=wmd&again={over['ulid']}"
    paths["plan"] = f"/plans/{plan['id']}?site=wmd"
    paths["plan-step"] = f"/plans/{plan['id']}/steps/{plan['steps'][-1]['id']}?site=wmd"
    paths["plan-again"] = f"/plans/new?site=wmd&{urlencode(stage.A_SERIES)}"
    paths["jobs-calendar"] = "/jobs-log?site=wmd&device=camera"
    paths["you"] = "/plans?site=wmd"
    return {name: server.url + path for name, path in paths.items()}


def picture_all(context: BrowserContext, pages: dict[str, str], file: Callable[[str], Path]) -> None:
    """Picture pages in one browser profile; each into the file of its name."""
    for name, url in pages.items():
        page = context.new_page()
        stage.show(page, url, PRESSED.get(name))
        if name == "token":
            page.locator("#token-name").fill("dome pc")
            with page.expect_navigation():
                page.get_by_role("button", name="Make a token").click()
        if name == "jobs-calendar":
            page.locator(_CALENDAR).click()
        if name == "you":
            page.locator(".me > summary").click()
        if name not in ("now", "you", "jobs-calendar"):
            stretch(page)
        page.wait_for_timeout(400)
        page.screenshot(path=file(name))
        page.close()


def stretch(page: Page) -> None:
    """Make the window as tall as its page: so the stops stand at the page's end, and every picture is loaded."""
    size = page.viewport_size
    assert size is not None
    tall = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": size["width"], "height": min(tall, _TALLEST)})


def sheet(folder: Path, kind: str) -> None:
    """Put the pictures of a theme and a width side by side, small, under their names."""
    files = sorted(each for each in folder.glob(f"*-{kind}.png") if not each.name.startswith("sheet-"))
    rows = -(-len(files) // _IN_A_ROW)
    whole = Image.new("RGB", (_IN_A_ROW * _SHEET_WIDTH, rows * _SHEET_HEIGHT), "grey")
    pen = ImageDraw.Draw(whole)
    for at, each in enumerate(files):
        with Image.open(each) as picture:
            tallest = picture.width * (_SHEET_HEIGHT - 20) // (_SHEET_WIDTH - 8)
            small = picture.convert("RGB").crop((0, 0, picture.width, min(picture.height, tallest)))
            small.thumbnail((_SHEET_WIDTH - 8, _SHEET_HEIGHT - 20))
        x, y = at % _IN_A_ROW * _SHEET_WIDTH, at // _IN_A_ROW * _SHEET_HEIGHT
        pen.text((x + 4, y + 4), each.stem.removesuffix(f"-{kind}"), "white")
        whole.paste(small, (x + 4, y + 18))
    whole.save(folder / f"sheet-{kind}.png")


def for_readme(folder: Path) -> None:
    """Make the README's pictures: small, in 64 colours."""
    with (
        tempfile.TemporaryDirectory() as instance,
        stage.served(Path(instance)) as (server, observatory),
        stage.chromium() as browser,
    ):
        stage.speaks(server, stage.a_present(observatory))
        for name, theme, width in (("now", "light", (1200, 760)), ("now-at-night", "night", stage.PHONE)):
            page = stage.open_page(stage.context(browser, server, width, theme), f"{server.url}/?site=wmd")
            page.locator("[data-timeline] svg .axis").wait_for(state="attached")
            picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
            picture.quantize(64).save(folder / f"{name}.png", optimize=True)


if __name__ == "__main__" and sys.argv[1:] == ["--readme"]:
    for_readme(servers.ROOT / "docs" / "pictures")
elif __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "build/screenshots"), tuple(sys.argv[2:]))
