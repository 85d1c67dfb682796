"""The pictures of jobs on pages: who may look, one picture as large as the window, and what each picture is."""

from __future__ import annotations

from flask import Response, make_response, render_template, request

from ..auth import gate
from ..auth.access import Access, needs
from ..errors import NotFound
from ..history.rows import shortened
from ..jobs import queries
from ..jobs.rows import JobRow
from ..service import service
from ..state import previews
from ..state.previews import PreviewRow
from ..storage.statement import Connection
from .blueprint import bp
from .context import page


def are_shown() -> bool:
    """Whether the visitor may look at pictures."""
    return service().settings.pictures_from != "signed-in" or page().signed_in


def last(connection: Connection, site: str) -> tuple[()] | tuple[PreviewRow, JobRow]:
    """Return the newest picture of a site with its job; nothing when there is none."""
    for picture in previews.of_site(connection, site):
        if job := queries.job(connection, site, picture.ulid):
            return picture, shortened(job)
    return ()


@bp.get("/job/<ulid>/picture")
@needs(Access.ANYBODY)
def picture(ulid: str) -> Response:
    """Show a picture of a job large, with what it is; without a name, the newest."""
    if service().settings.pictures_from == "signed-in":
        gate.require_signed_in()
    with page().reading() as connection:
        job = queries.job(connection, page().site, ulid)
        kept = previews.of_job(connection, job.id) if job else []
    if job is None:
        raise NotFound(f"Error: site {page().site} has no job {ulid}")
    shown = _named(kept, request.args.get("name"))
    at = kept.index(shown)
    newer, older = kept[at - 1] if at else None, kept[at + 1] if at + 1 < len(kept) else None
    return make_response(render_template("pages/picture.html", job=job, picture=shown, newer=newer, older=older))


def _named(kept: list[PreviewRow], name: str | None) -> PreviewRow:
    """Return the picture of a name. Raises NotFound when the job has none, or it is not kept any more."""
    found = next((each for each in kept if name is None or each.name == name), None)
    if found is None:
        raise NotFound("Error: there is no such picture, or it is not kept any more")
    return found
