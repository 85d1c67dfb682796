"""The blueprint of all pages: its headers, its refusals, and what templates may call."""

from __future__ import annotations

import gzip
import json
from functools import lru_cache, partial
from typing import NamedTuple

from flask import Blueprint, Response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup
from werkzeug.local import LocalProxy

from .. import program
from ..api import problems
from ..auth.browser_guard import SAFE_METHODS
from ..domain import actors
from ..domain.language import ENGLISH, marked
from ..domain.lifecycle import result_of
from ..errors import BadRequest, DatabaseUnavailable, JobsError, Unavailable
from ..jobs import wire
from ..observatory import describe, target_lists
from . import formats, wall_clocks
from .context import cookie_path, page, remember
from .languages import LANGUAGES
from .texts import gettext, said, template_texts

_WORTH_PACKING = 1024

LINKS = (
    ("now", marked("Now")),
    ("send", marked("Send")),
    ("plans", marked("Plans")),
    ("log", marked("Jobs")),
    ("night", marked("Night")),
    ("insights", marked("Insights")),
    ("reservations", marked("Reservations")),
    ("settings", marked("Site")),
)
THUMBS = ("now", "send", "plans", "log")
"""Pages that stand in the bar of a phone; the others are under More there."""
PRESSED = {"now": "n", "send": "s"}
"""The key that leads to a page."""
UNDER = {
    "send_it": "send",
    "new_plan": "plans",
    "send_plan": "plans",
    "plan": "plans",
    "plan_step": "plans",
    "edit_plan_step": "plans",
    "job": "log",
    "edit_job": "now",
    "change_job": "now",
    "picture": "log",
    "night_of": "night",
    "reserve": "reservations",
    "unreserve": "reservations",
    "profile": "settings",
    "write_profile": "settings",
    "configs": "settings",
    "write_config": "settings",
    "restore_config": "settings",
    "draw_configs": "settings",
    "make_token": "settings",
    "revoke_token": "settings",
    "lock_out": "settings",
    "lift": "settings",
    "notifications": "settings",
    "name_alert_address": "settings",
    "try_alert_address": "settings",
    "set_up": "settings",
    "write_site": "settings",
    "connect": "settings",
}
"""Where in the menu a page is that has no link of its own there."""

_PRETTY_CHARACTERS = 16 * 1024
bp = Blueprint("pages", __name__, template_folder="templates")


_LARGER = {"pages.import_targets": target_lists.MOST_BYTES + 64 * 1024}
"""Pages that take more than other bodies may be: a list, and what a form has around it."""


@bp.context_processor
def _for_templates() -> dict[str, object]:
    language = page().language
    looked_up = template_texts(language)  # at hand, so that not each text asks for the page's language
    return {
        "_": looked_up,
        "gettext": looked_up,
        "ngettext": looked_up.ngettext,
        "page": page(),
        "languages": LANGUAGES,
        "job_path": url_for("pages.job", ulid=""),
        "formats": formats.Formats(language),
        "times": LocalProxy(lambda: page().times),  # which a page about nothing but a database that is away cannot say
        "day_of": partial(wall_clocks.day, language=language),
        "short_day": partial(wall_clocks.short_day, language=language),
        "called": called,
        "command": program.command,
        "kind_of": _kind_of,
        "plan_of": lambda job: json.loads(job.plan) if job.plan else None,
        "describe": describe.describe_job if language is ENGLISH else partial(describe.describe_job, language=language),
        "from_json": json.loads,  # orjson refuses integers beyond 64 bits
        "pretty": _pretty,
        "wire_job": lambda job: json.loads(wire.job(job)),
        "filter_without": lambda given, name: {key: value for key, value in given.items() if key != name},
    }


_OF_A_SITE = frozenset(f"pages.{name}" for name, _ in LINKS)


@bp.before_request
def _check_site() -> None:
    """Refuse a site code that no database keeps, before anything is asked of a site."""
    if request.endpoint in _LARGER:
        request.max_content_length = _LARGER[request.endpoint]
    if "\0" in request.values.get("site", ""):
        raise BadRequest("Error: name a site")
    page().leads_on = request.endpoint in _OF_A_SITE and request.method in SAFE_METHODS and page().wants_page


class Link(NamedTuple):
    """A link of the menu."""

    endpoint: str
    label: str
    href: str
    press: str
    """The key that leads there; blank for none."""
    is_at_thumb: bool


@bp.app_template_global("menu")
def menu(template: str) -> Markup:
    """Return the links to all pages, as a template draws them."""
    return _menu(template, request.root_path, page().site, request.endpoint or "", page().language.code)


@lru_cache(maxsize=1024)
def _menu(template: str, root_path: str, site: str, asked: str, language: str) -> Markup:
    del root_path, language  # `url_for` begins with the one, and texts are looked up in the other
    _, _, here = asked.rpartition(".")
    links = [
        Link(
            f"pages.{name}", gettext(label), url_for(f"pages.{name}", site=site), PRESSED.get(name, ""), name in THUMBS
        )
        for name, label in LINKS
    ]
    shown = render_template(template, links=links, here=f"pages.{UNDER.get(here, here)}", asked=asked)
    return Markup(shown)  # noqa: S704  # escaped there


def called(name: str) -> str:
    """Return how a person is called on a page."""
    return name if name.strip() else gettext(actors.SOMEBODY)


def _kind_of(status: str) -> str:
    found = result_of(status)
    return found.value if found else "other"


def _pretty(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    # Deeply nested, a long text becomes a hundred times as long by its blanks.
    return text if len(text) > _PRETTY_CHARACTERS else json.dumps(value, indent=2, ensure_ascii=False)


@bp.after_request
def _finish(response: Response) -> Response:
    response.headers.setdefault("Cache-Control", "no-store")
    if response.mimetype == "text/html":
        response.headers["Content-Language"] = page().language.code
        response.headers.add("Vary", "Accept-Language, Cookie")
    shown = response.status_code == 200 and response.mimetype == "text/html"
    if request.cookies.get("done") and shown and page().wants_page:  # and not a script of the page that is left
        response.delete_cookie("done", path=cookie_path())  # the page that was just made has shown it
    if request.args.get("site") and shown:
        remember(response, "site", page().site)
    return _packed(response)


def _packed(response: Response) -> Response:
    """Compress a page: phones are far from the access point in a dome."""
    if response.is_streamed or response.headers.get("Content-Encoding") or request.accept_encodings["gzip"] <= 0:
        return response
    body = response.get_data()
    if len(body) >= _WORTH_PACKING:
        response.set_data(gzip.compress(body, 4))
        response.headers["Content-Encoding"] = "gzip"
        response.vary.add("Accept-Encoding")
    return response


@bp.errorhandler(JobsError)
def _refused(error: JobsError) -> ResponseReturnValue:
    """Show a person what was refused: on a page of its own, or in a line for the script that asked."""
    sentence = error.sentence.removeprefix("Error: ")
    sentence = sentence[:1].upper() + sentence[1:]
    if not page().wants_page:
        return Response(said(sentence), error.status, problems.headers(error), mimetype="text/plain")
    return _refusal_page(error, sentence), error.status, problems.headers(error)


def _refusal_page(error: JobsError, sentence: str) -> str:
    """Draw a refusal; where the database is the reason, nothing is asked of it: it would be waited for once more."""
    if isinstance(error, DatabaseUnavailable):
        page().read_nothing()
    else:
        page().read_what_can_be_read()
    try:
        return render_template("pages/refused.html", error=error, sentence=sentence)
    except Unavailable:  # as for who is signed in
        return render_template("pages/refused_bare.html", error=error, sentence=sentence)
