"""The API's description: for programs at `/openapi.json`, for people at `/docs`, both made of the same."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from typing import Any
from weakref import WeakKeyDictionary

import orjson
from flask import Flask, Response, current_app, render_template, request
from markupsafe import Markup

from ..auth.access import Access, needs
from .blueprint import bp

_DOCUMENTS = WeakKeyDictionary[Flask, dict[str, Any]]()
_REFERENCE = "#/components/schemas/"


@bp.get("/openapi.json")
@needs(Access.ANYBODY)
def openapi_json() -> Response:
    """Send the API's description as OpenAPI 3.1."""
    here = {"servers": [{"url": request.root_path or "/"}]}
    return Response(orjson.dumps(_document() | here), mimetype="application/json")


@bp.get("/docs")
@needs(Access.ANYBODY)
def docs() -> str:
    """Show the API's description."""
    document = _document()
    return render_template(
        "pages/docs.html",
        document=document,
        about=_markdown(document["info"]["description"]),
        operations=list(_operations(document)),
        schemas=document["components"]["schemas"],
        curl=_curl,
        markdown=_markdown,
        fields=_fields,
        kind=_kind,
        resolved=lambda schema: _resolved(document, schema),
        dumps=lambda value: json.dumps(value, indent=2, ensure_ascii=False),
    )


def _document() -> dict[str, Any]:
    """Make the description once for each app: it is the same for as long as the app is."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # the app, not the way to it
    if app not in _DOCUMENTS:
        from ..api import openapi  # It loads what makes schemas, which nothing else needs.

        _DOCUMENTS[app] = openapi.document(app)
    return _DOCUMENTS[app]


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        yield from ((method.upper(), path, operation) for method, operation in methods.items())


def _markdown(text: str) -> Markup:
    """Render what is written in docstrings, in which HTML means nothing."""
    from markdown_it import MarkdownIt

    return Markup(MarkdownIt("commonmark", {"html": False}).render(text))  # noqa: S704  its text is escaped


_OF_ONE_SITE = ("/stream", "/devicestate", "/capabilities", "/previews")
"""Routes of GET that need to be told the site."""


def _curl(method: str, path: str, example: object) -> str:
    """Write a request as a command for a terminal."""
    address = request.url_root.rstrip("/") + path.replace("{site}", "wmd")
    if method in ("PUT", "DELETE"):
        body = "" if example is None else f" -d {shlex.quote(json.dumps(example, ensure_ascii=False))}"
        return f"curl -X {method} {shlex.quote(address)}{body}"
    if method == "GET":
        asked = shlex.quote(address + "?site=wmd") if path.endswith(_OF_ONE_SITE) else address
        return f"curl -N {asked}" if path.endswith("/stream") else f"curl {asked}"
    if example is None:
        return f"curl {shlex.quote(address + '?site=wmd&ulid=01K...')} --data-binary @m31.png"
    return f"curl {address} -d {shlex.quote(json.dumps(example, ensure_ascii=False))}"


def _resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference, and go into a list."""
    while "$ref" in schema or schema.get("type") == "array":
        name = schema.get("$ref", "").removeprefix(_REFERENCE)
        schema = document["components"]["schemas"][name] if name else schema["items"]
    return schema


def _fields(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], bool]]:
    """List a schema's fields, each with whether it must be there."""
    for name, field in schema.get("properties", {}).items():
        yield name, field, name in schema.get("required", ())


def _kind(schema: dict[str, Any]) -> str:
    """Return in a few words what a schema takes."""
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_kind(each) for each in schema["anyOf"] if each.get("type") != "null"))
    if "$ref" in schema:
        return str(schema["$ref"].removeprefix(_REFERENCE))
    if "const" in schema or "enum" in schema:
        return ", ".join(json.dumps(value) for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}"
    return str(schema.get("type", "anything"))
