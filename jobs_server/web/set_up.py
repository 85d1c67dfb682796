"""The first visit: what the observatory is called, where it is, what it has, and how its software is started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple
from urllib.parse import urlsplit

from flask import Response, make_response, redirect, render_template, request, url_for
from pydantic import ValidationError
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import NotFound

from ..api import problems
from ..auth import console_links
from ..auth.access import Access, needs
from ..auth.browser_guard import SAFE_METHODS, hostname
from ..domain.commands import LONGEST_CODE
from ..domain.language import marked
from ..errors import ConfigError, Forbidden
from ..observatory import cities
from ..observatory.cities import City
from ..observatory.profiles import Device, Profile
from ..observatory.sky_objects import fold
from ..service import service
from . import start_commands
from .blueprint import bp
from .context import NAME_LONGEST, page

DEVICES: Mapping[str, tuple[str, str]] = {
    "camera": (marked("Camera"), "camera_1_1"),
    "filter_wheel": (marked("Filter wheel"), "filter_wheel1"),
    "mount": (marked("Mount"), "mount1"),
    "focuser": (marked("Focuser"), "focuser1"),
    "rotator": (marked("Rotator"), "rotator1"),
    "enclosure": (marked("Dome or roof"), "enclosure1"),
}
"""The devices that a site may have: what the form calls each, and the name that it gets."""
_ALL = "all"
"""Of this name are the addresses at which the companion gives the configs of all sites."""
_USUAL = ("camera", "mount", "focuser")
_LONGEST_OF_A_NAME = 12
_LONGEST_FILTERS = 500
_NO_NAME = "write how people call the observatory"
_NO_PLACE = "write a city, or coordinates such as 47.70 N 12.01 E; it can stay blank"


class Where(NamedTuple):
    """A place on Earth, and what it was found by."""

    latitude_deg: float
    longitude_deg: float
    timezone: str
    said: str


@dataclass
class Form:
    """What somebody has written so far."""

    name: str = ""
    code: str = ""
    place: str = ""
    devices: tuple[str, ...] = _USUAL
    filters: str = ""
    choices: list[City] = field(default_factory=list)
    """Cities that the place may mean."""
    where: Where | None = None
    faults: dict[str, str] = field(default_factory=dict)


@bp.get("/set-up")
@needs(Access.ANYBODY)
def set_up() -> Response:
    """Show the form of a first site; whoever may not set up is told who may."""
    with page().reading():
        is_there = page().site in page().profiles
        form = Form(code=_known_code())
    if is_there and page().may_administer:
        return redirect(url_for("pages.connect", site=page().site))  # type: ignore[return-value]
    return make_response(_shown(form))


@bp.get("/set-up/place")
@needs(Access.ANYBODY)
def place() -> Response:
    """Show what a text means as a place, while it is typed."""
    form = Form(place=request.args.get("place", "").strip())
    _read_place(form, chosen="")
    return make_response(render_template("pages/_place.html", form=form))


@bp.post("/set-up")
@needs(Access.PERSON)
def write_site() -> Response:
    """Write the profile of a first site and lead on, or show what is missing."""
    _require()
    form = _given(request.form)
    if form.code in page().profiles:
        form.faults["code"] = f"a site {form.code} is set up already; the page Site changes it"
    if not form.faults and not form.choices:
        try:
            service().profiles.write(_profile(form))
            return redirect(url_for("pages.connect", site=form.code), 303)  # type: ignore[return-value]
        except ValidationError as error:
            form.faults["code"] = str(error.errors(include_url=False)[0]["msg"])
        except ConfigError as error:
            form.faults[""] = str(error)
    return make_response(_shown(form), 400)


@bp.get("/set-up/connect")
@needs(Access.ANYBODY)
def connect() -> Response:
    """Show how the site's software is started, and whether it has asked for jobs yet."""
    with page().reading():
        may, abilities = page().may_administer, page().abilities
        is_known = page().site in page().profiles or page().knows(page().site)
    if not page().site or not is_known:  # Commands are copied: none is made of what stands in a link alone.
        return redirect(url_for("pages.set_up", site=page().site or None))  # type: ignore[return-value]
    ways = start_commands.ways(page(), request.url_root.rstrip("/")) if may else None
    return make_response(render_template("pages/connect.html", ways=ways, abilities=abilities))


def lead_browsers(error: NotFound) -> Response:
    """Lead a browser that was given the address of the API to the pages; refuse all else as an address of nothing."""
    accepts_pages = request.accept_mimetypes.best_match(("text/plain", "text/html")) == "text/html"
    if request.path.rstrip("/") == "/jobs" and request.method in SAFE_METHODS and accepts_pages:
        return redirect(url_for("pages.now"))  # type: ignore[return-value]
    return problems.http_error(error)


def _require() -> None:
    if not page().may_administer:
        raise Forbidden(f"Error: an observatory is set up {'at its own PC' if page().is_open else 'by an admin'}")


def _shown(form: Form) -> str:
    codes = [code for code in page().settings.sites if code not in page().profiles]
    port = urlsplit(request.host_url).port or 80
    at_the_pc = f"{console_links.place('127.0.0.1', port)}{request.root_path}/"
    return render_template(
        "pages/set_up.html",
        form=form,
        devices=DEVICES,
        codes=codes,
        at_the_pc=at_the_pc,
        host=hostname(request.host),
        port=port,
    )


def _known_code() -> str:
    """Return the code of the site that the page is about, where it has no profile yet."""
    return "" if page().site in page().profiles else page().site


def _given(given: MultiDict[str, str]) -> Form:
    """Read the form, with what is wrong with it."""
    form = Form(
        name=" ".join(given.get("name", "").split()),
        code=given.get("code", "").strip(),
        place=given.get("place", "").strip(),
        devices=tuple(each for each in DEVICES if each in given.getlist("devices")),
        filters=given.get("filters", "").strip(),
    )
    if not form.name.isprintable() or not form.name:
        form.faults["name"] = _NO_NAME
    elif len(form.name) > NAME_LONGEST:
        form.faults["name"] = f"{_NO_NAME}, in at most {NAME_LONGEST} characters"
    if not form.filters.isprintable() or len(form.filters) > _LONGEST_FILTERS:
        form.faults["filters"] = f"write the filters' names, parted by commas, in at most {_LONGEST_FILTERS} characters"
    form.code = form.code or _code_of(form.name)
    known = page().settings.sites
    if known and form.code not in known:
        form.faults["code"] = f"JOBS_SITES names {', '.join(known)}, and no other site"
    elif len(form.code) > LONGEST_CODE or not form.code.isprintable() or "/" in form.code:
        form.faults["code"] = "write a short code without a slash, such as wmd"
    elif form.code == _ALL:
        form.faults["code"] = "the public site software says all for every site at once; write another code"
    _read_place(form, given.get("choose", ""))
    return form


def _code_of(name: str) -> str:
    """Return a code for a name: the first word of it, and a number where that is taken."""
    words = [word for word in map(fold, name.split()) if word]
    first = (words[0] if words else "site")[:_LONGEST_OF_A_NAME]
    codes = (first if number == 1 else f"{first}{number}" for number in count(1))
    return next(code for code in codes if code != _ALL and code not in page().profiles)


def _read_place(form: Form, chosen: str) -> None:
    """Find what the place means: coordinates, one city, or several of which one is to be chosen."""
    text = chosen or form.place
    if not text:
        return
    if cities.looks_like_coordinates(text):
        try:
            latitude_deg, longitude_deg = cities.read(text)
        except ValueError as error:
            form.faults["place"] = str(error)
            return
        near = cities.nearest(latitude_deg, longitude_deg)
        form.where = Where(latitude_deg, longitude_deg, near.timezone, f"the time zone is that of {near.title}")
        return
    found = cities.search(text)
    if len(found) == 1:
        form.place = found[0].title
        form.where = Where(found[0].latitude_deg, found[0].longitude_deg, found[0].timezone, found[0].title)
    elif found:
        form.choices = found
    else:
        form.faults["place"] = "this city is not in the list: write a larger one near it, or coordinates"


def _profile(form: Form) -> Profile:
    """Return the profile that a form without faults asks for."""
    filters = tuple(part.strip() for part in form.filters.split(",") if part.strip())
    devices = {
        kind: Device(instances=(DEVICES[kind][1],), filters=filters if kind == "camera" else ())
        for kind in form.devices
    }
    where = form.where
    return Profile(
        code=form.code,
        name=form.name,
        latitude_deg=where.latitude_deg if where else None,
        longitude_deg=where.longitude_deg if where else None,
        timezone=where.timezone if where else "UTC",
        devices=devices,
    )
