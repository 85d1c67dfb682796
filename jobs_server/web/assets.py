"""Styles and scripts: read once, named by the hash of their content, and kept by browsers for ever.

All files share one hash, which stands in the path, so that a script finds the others beside it. Bootstrap's style
sheet comes out of the Bootstrap-Flask package; nothing is fetched from elsewhere.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import NamedTuple

from flask import Response, request, url_for

from ..auth.access import Access, needs
from ..errors import NotFound
from .blueprint import bp

_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "png": "image/png",
    "webmanifest": "application/manifest+json",
}
_FOR_EVER = "public, max-age=31536000, immutable"


class Asset(NamedTuple):
    """One file: as it is, and compressed."""

    content_type: str
    plain: bytes
    packed: bytes


@cache
def all_assets() -> Mapping[str, Asset]:
    """Read every file that the pages use, by name."""
    bootstrap = files("flask_bootstrap") / "static" / "bootstrap5" / "css" / "bootstrap.min.css"
    found = [bootstrap, *(files(__package__) / "static").iterdir()]
    return {file.name: _read(file) for file in found if file.name.rpartition(".")[2] in _TYPES}


@cache
def version() -> str:
    """Return the hash of all files together."""
    digest = hashlib.sha256()
    for name, asset in sorted(all_assets().items()):
        digest.update(name.encode() + b"\0" + asset.plain)
    return digest.hexdigest()[:16]


@bp.app_template_global("asset")
def url(name: str) -> str:
    """Return the address of a file."""
    return _url(request.root_path, name)


@lru_cache(maxsize=256)
def _url(root_path: str, name: str) -> str:
    del root_path  # `url_for` begins with it
    return url_for("pages.asset", asked_version=version(), name=name)


@bp.get("/assets/<asked_version>/<name>", endpoint="asset")
@needs(Access.ANYBODY)
def send(asked_version: str, name: str) -> Response:
    """Send a file; an old address gets the file of today, which browsers must not keep."""
    asset = all_assets().get(name)
    if asset is None:
        raise NotFound(f"Error: there is no file {name}")
    packed = request.accept_encodings["gzip"] > 0
    response = Response(asset.packed if packed else asset.plain, content_type=asset.content_type)
    response.headers["Cache-Control"] = _FOR_EVER if asked_version == version() else "no-cache"
    response.headers["Vary"] = "Accept-Encoding"
    if packed:
        response.headers["Content-Encoding"] = "gzip"
    return response


def _read(file: Traversable) -> Asset:
    plain = file.read_bytes()
    if file.name == "bootstrap.min.css":
        plain = plain.partition(b"/*# sourceMappingURL")[0]
    return Asset(_TYPES[file.name.rpartition(".")[2]], plain, gzip.compress(plain, 9, mtime=0))
