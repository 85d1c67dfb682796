"""All that a site says of its devices, for an open page that follows them."""

from __future__ import annotations

from flask import Response, make_response, render_template

from ..auth.access import Access, needs
from . import quantities
from .blueprint import bp


@bp.context_processor
def _for_templates() -> dict[str, object]:
    return {"quantities": quantities}


@bp.get("/part/devices")
@needs(Access.ANYBODY)
def devices_part() -> Response:
    """Show the devices of a site in full."""
    return make_response(render_template("pages/devices_part.html"))
