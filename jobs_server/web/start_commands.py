"""The commands by which a site's software is started, as they can be copied: with this installation's own paths."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Mapping
from importlib.metadata import Distribution, PackageNotFoundError
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit
from urllib.request import url2pathname

from .. import config
from ..domain.language import marked
from .context import Page

_AGENT_NEEDS = ("astropy", "httpcore", "numpy", "PIL")
_NEEDS_NO_QUOTES = re.compile(r"[\w.,:/\\+=@-]+")
_NEVER_QUOTED = {ord(each): None for each in '"%\r\n'}
_PUBLIC_BASES = {
    **{marked("jobs"): "jobs", marked("calendar"): "calendar", marked("configs"): "api"},
    **{marked("status"): "status", marked("logs"): "logs"},
}


class Step(NamedTuple):
    """One command, and what it does."""

    said: str
    command: str


class Ways(NamedTuple):
    """The ways to go on after a site was set up."""

    simulator: list[Step]
    agent: list[Step]
    public: list[Step]
    bases: list[Step]
    """The base addresses that the public site software has to be told."""
    is_for_here: bool
    """Whether the address in the commands means this PC to whoever uses it."""


def ways(page: Page, url: str) -> Ways:
    """Return the ways to go on for the site of a page, whose server is reached at an address."""
    settings, site = page.settings, page.site
    here = _instance(settings.instance)
    agent = [
        Step(
            marked("Find the devices behind INDI or Alpaca"),
            _program("agent", "find", "--site", site, "--url", url, here=here),
        ),
        Step(marked("Carry jobs out on them"), _program("agent", "run")),
    ]
    public = [Step(marked("Draw first configs"), _program("companion", "seed", "--site", site, here=here))]
    if not all(find_spec(name) for name in _AGENT_NEEDS):
        agent.insert(0, Step(marked("Install what it needs"), _install()))
    if settings.companion != "on":
        port = str(urlsplit(url).port or 80)
        run = _program("run", "--port", port, here={"JOBS_COMPANION": "on", **here})
        public.insert(
            0, Step(marked("End this server, and start it so that it answers the software’s other questions"), run)
        )
    return Ways(
        simulator=[Step("", _program("simulate", "--site", site, "--speed", "20", "--url", url, here=here))],
        agent=agent,
        public=public,
        bases=[Step(name, f"{url}/{path}") for name, path in _PUBLIC_BASES.items()],
        is_for_here=urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1"),
    )


def _program(*words: str, here: Mapping[str, str] | None = None) -> str:
    """Return what calls this program in a new terminal, with variables before it."""
    script = Path(sys.executable).with_name("jobs-server.exe" if os.name == "nt" else "jobs-server")
    program = [str(script)] if script.exists() else [sys.executable, "-m", "jobs_server"]
    return _written([*program, *words], here or {})


def _instance(folder: str) -> dict[str, str]:
    """Return the variable that names the instance folder, where a program would look for another."""
    wanted = Path(folder).resolve()
    return {} if wanted == config.instance_folder().resolve() else {"JOBS_INSTANCE": str(wanted)}


def _install() -> str:
    checkout = Path(__file__).resolve().parents[2]
    where = str(checkout) if (checkout / "setup.cfg").exists() else _installed_from()
    return _written([sys.executable, "-m", "pip", "install", f"{where or 'jobs-server'}[agent]"], {})


def _installed_from() -> str:
    """Return the folder that this program was installed from, as pip notes it (PEP 610); blank where none is there."""
    try:
        noted = json.loads(Distribution.from_name("jobs-server").read_text("direct_url.json") or "{}")
        url = urlsplit(noted.get("url", ""))
    except (PackageNotFoundError, ValueError):
        return ""
    folder = url2pathname(url.path) if url.scheme == "file" else ""
    return folder if folder and (Path(folder) / "setup.cfg").exists() else ""


def _written(words: list[str], variables: Mapping[str, str]) -> str:
    """Return a command as a terminal of this system takes it."""
    if os.name == "nt":
        return " && ".join([*(f'set "{name}={value}"' for name, value in variables.items()), _for_windows(words)])
    return " ".join([*(f"{name}={shlex.quote(value)}" for name, value in variables.items()), shlex.join(words)])


def _for_windows(words: list[str]) -> str:
    """Return words as Windows' shells take them: none ends one command and begins another.

    Quotes keep `&` and `|` from that, but neither `%` nor another quote, so that these two are left out.
    """
    plain = [word.translate(_NEVER_QUOTED) for word in words]
    return " ".join(f'"{word}"' if not _NEEDS_NO_QUOTES.fullmatch(word) else word for word in plain)
