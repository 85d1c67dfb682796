"""Pictures of every page: `python -m tests.browser.screenshots`, or `--readme` for the two in the README.

A folder may be named, by default `build/screenshots`, and after it the pages that are wanted.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from PIL import Image

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
PRESSED = dict.fromkeys(("send-faulty", "send-asks"), stage.SEND)
"""Of these pages it is seen what comes of pressing a button."""


def job_page(observatory: Observatory) -> str:
    """Name the page of a job that has ended."""
    return f"/job/{ended(observatory)['ulid']}?site=wmd"


def ended(observatory: Observatory) -> dict[str, Any]:
    """Return the newest job that has ended well."""
    return [job for job in observatory.lists() if job["statusId"].startswith("COMPLETE")][-1]


def main(folder: Path, only: tuple[str, ...] = ()) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as instance,
        stage.served(Path(instance) / "open") as (server, observatory),
        stage.guarded(Path(instance) / "guarded") as guarded,
        stage.chromium() as browser,
    ):
        stage.speaks(server, stage.a_present(observatory))
        pages = {name: server.url + path for name, path in PAGES.items()} | guarded.pages
        pages["job"] = server.url + job_page(observatory)
        stage.has_come(server, ended(observatory))
        stage.can(server, "able")
        pages["send-able"] = f"{server.url}/send?site=able"
        plan = stage.a_plan(observatory)
        pages["plan"] = f"{server.url}/plans/{plan['id']}?site=wmd"
        pages["plan-step"] = f"{server.url}/plans/{plan['id']}/steps/{plan['steps'][-1]['id']}?site=wmd"
        pages["plan-again"] = f"{server.url}/plans/new?site=wmd&{urlencode(stage.A_SERIES)}"
        pages["picture"] = pages["job"].replace("?", "/picture?")
        for theme in stage.THEMES:
            for width in (stage.PHONE, stage.DESK):
                context = stage.context(browser, server, width, theme)
                guarded.signs_in(context, theme)
                for name, url in pages.items():
                    if only and name not in only:
                        continue
                    page = context.new_page()
                    stage.show(page, url, PRESSED.get(name))
                    page.wait_for_timeout(400)
                    page.screenshot(
                        path=folder / f"{name}-{theme}-{width[0]}.png",
                        full_page=name.startswith(("send", "insights", "night", "plan")) or name == "job",
                    )
                    page.close()
                context.close()


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
