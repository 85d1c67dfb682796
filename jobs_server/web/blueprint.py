"""Where the pages come together: the blueprint, its headers, its refusals, and what templates may call."""

from __future__ import annotations

import gzip
import json
from contextlib import suppress
from urllib.parse import urlencode

from flask import Blueprint, Flask, Response, current_app, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_bootstrap import Bootstrap5

from ..api import problems
from ..auth import Access, needs
from ..errors import JobsError, Unavailable
from ..jobs import timing, wire
from ..live import sse
from ..observatory import describe
from ..service import reading
from . import actions, api_docs, assets, formats, insights, jobs, night, now, reservations, send, sign_in, site_admin
from . import site as upkeep
from .context import page, remember

_WORTH_PACKING = 1024

LINKS = (
    ("now", "Now"),
    ("send", "Send"),
    ("log", "Jobs"),
    ("night", "Night"),
    ("insights", "Insights"),
    ("reservations", "Reservations"),
    ("settings", "Site"),
)
UNDER = {
    "send_it": "send",
    "job": "log",
    "night_of": "night",
    "reserve": "reservations",
    "unreserve": "reservations",
    "profile": "settings",
    "write_profile": "settings",
    "make_token": "settings",
    "revoke_token": "settings",
    "lock_out": "settings",
    "lift": "settings",
}
"""Where in the menu a page is that has no link of its own there."""

bp = Blueprint("pages", __name__, template_folder="templates")


def register(app: Flask) -> None:
    """Give an app its pages. Raises ConfigError when `site.toml` is wrong."""
    app.config["BOOTSTRAP_SERVE_LOCAL"] = True
    Bootstrap5(app)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.register_blueprint(bp)


@bp.get("/assets/<version>/<name>")
@needs(Access.ANYBODY)
def asset(version: str, name: str) -> Response:
    """Answer with a style sheet or a script."""
    return assets.send(version, name)


for _views in (now, send, jobs, night, insights, reservations, upkeep, site_admin, actions, api_docs, sign_in):
    _views.add_to(bp)


@bp.context_processor
def _for_templates() -> dict[str, object]:
    _, _, here = (request.endpoint or "").rpartition(".")
    return {
        "page": page(),
        "here": f"pages.{UNDER.get(here, here)}",
        "page_links": [
            (f"pages.{name}", label) for name, label in LINKS if f"pages.{name}" in current_app.view_functions
        ],
        "asset": assets.url,
        "job_path": url_for("pages.job", ulid=""),
        "site_query": urlencode({"site": page().site}),
        "formats": formats,
        "in_words": describe.describe_texts,
        "result_of": timing.result_of,
        "from_json": json.loads,  # orjson refuses integers beyond 64 bits
        "pretty": _pretty,
        "wire_job": lambda job: json.loads(wire.job(job)),
        "filter_without": lambda given, name: {key: value for key, value in given.items() if key != name},
        "send_known": "pages.send" in current_app.view_functions,
    }


def _pretty(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


@bp.before_request
def _follow_from_here() -> None:
    """Note where the stream stands before anything is read: what happens meanwhile comes to the page by the stream."""
    if request.endpoint == "pages.asset":
        return
    with suppress(Unavailable):
        site = page().site  # before the connection, since it may need one of its own
        if request.method == "GET":
            with reading() as connection:
                page().position = str(sse.now(connection, site))


@bp.after_request
def _finish(response: Response) -> Response:
    response.headers.setdefault("Cache-Control", "no-store")
    shown = response.status_code == 200 and response.mimetype == "text/html"
    if request.cookies.get("done") and shown and page().wants_page:  # and not a script of the page that is left
        response.delete_cookie("done")  # it was said
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
    """Tell a person what was refused: on a page of its own, or in a line for the script that asked."""
    sentence = error.sentence.removeprefix("Error: ")
    sentence = sentence[:1].upper() + sentence[1:]
    if not page().wants_page:
        return Response(sentence, error.status, problems.headers(error), mimetype="text/plain")
    return render_template("pages/refused.html", error=error, sentence=sentence), error.status, problems.headers(error)
