"""`/api`: the configs of sites, and empty answers for what the public UI asks beside them."""

from __future__ import annotations

from typing import Any

import orjson
from flask import Blueprint, Response

from .. import clock
from ..auth import public_writers
from ..auth.access import Access, needs
from ..errors import NotFound, shown
from ..service import reading, service
from ..state import site_configs
from . import companion_schemas as schemas
from .companion_requests import answer, body, check_site, companion
from .describe import describe

bp = Blueprint("companion_config", __name__, url_prefix="/api")

_DONE = {"ResponseMetadata": {"HTTPStatusCode": 200}}


@bp.put("/<site>/config")
@describe(gives=schemas.Done, body=schemas.SiteConfig)
@needs(Access.ANYBODY)
def put_config(site: str) -> Response:
    """Put a site's config, in the place of the one before; the last ten are kept."""
    by = public_writers.check(check_site(site))
    config = body(site_configs.MOST_BYTES)
    site_configs.put(service().database, site, site_configs.written(config), by, clock.now_ms())
    return answer(_DONE)


@bp.get("/<site>/config")
@describe(gives=schemas.ConfigOfSite, refusals=(NotFound,))
@needs(Access.ANYBODY)
def get_config(site: str) -> Response:
    """Show a site's config."""
    config = None
    if "\0" not in site:
        with reading() as connection:
            config = site_configs.of_site(connection, site)
    if config is None:
        raise NotFound(f"Error: no config of site {shown(site)} is kept")
    return answer({"site": site, "configuration": orjson.Fragment(config)})


@bp.delete("/<site>/config")
@describe(gives=schemas.Done)
@needs(Access.ANYBODY)
def delete_config(site: str) -> Response:
    """Take a site's config out of force; it can be restored on the page Site."""
    by = public_writers.check(check_site(site))
    site_configs.put(service().database, site, None, by, clock.now_ms())
    return answer(_DONE)


@bp.get("/all/config")
@describe(gives=dict[str, Any])
@needs(Access.ANYBODY)
def all_configs() -> Response:
    """Show the configs of all sites, by site."""
    with reading() as connection:
        return answer(companion().all_configs.written(connection))


@bp.get("/<site>/latest_images/<count>")
@bp.get("/filtered_images")
@bp.get("/events/moon/rise-set-illum")
@describe(gives=list[Any])
@needs(Access.ANYBODY)
def no_list(**_asked: str) -> Response:
    """Answer with an empty list: there are no images here, and the moon stands on the pages."""
    return answer([])


@bp.get("/infoimage/<site>/<number>")
@bp.get("/nightlog/<site>")
@describe(gives=None)
@needs(Access.ANYBODY)
def nothing(**_asked: str) -> Response:
    """Answer with nothing."""
    return Response(status=204)


@bp.get("/latest_image_all_sites")
@describe(gives=dict[str, Any])
@needs(Access.ANYBODY)
def no_images() -> Response:
    """Answer with an empty object: the public UI's start page draws its cards only after an answer."""
    return answer({})


@bp.post("/upload")
@bp.post("//upload")
@needs(Access.ANYBODY)
def upload() -> Response:
    """Refuse an upload: the site software logs that and goes on."""
    raise NotFound("Error: images are not kept here; send previews to /jobs/preview")
