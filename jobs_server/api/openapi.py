"""The API's description as OpenAPI 3.1, made from the routes, what is noted of them, and the models."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import Any, NamedTuple, get_args, get_origin

from flask import Flask
from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema
from werkzeug.routing import Rule

from .. import program
from ..auth.access import Access, access_of
from ..auth.sessions import COOKIE
from ..config import Settings
from ..errors import BadRequest, Forbidden, JobsError, Unauthorized, Unavailable
from ..service import service_of
from . import describe, plan_schemas, schemas
from .describe import Described
from .problems import PROBLEM, is_poll

PREFIX = "/jobs"
"""Routes stand under this prefix and, the same, at the root; each is described once."""

IN_JSON = "/api/"
"""Below here every refusal is JSON, as the public site software needs it."""

HEADERS: dict[str, dict[str, Any]] = {
    "Idempotency-Key": {
        "description": "The same command sent again with the same key gives the first job again, and makes no second.",
        "schema": {"type": "string", "pattern": r"^[ \t]*[\x21-\x7e]{1,255}[ \t]*$"},
        "example": "5f0c2a91-8d3e-4b57",
    },
    "Last-Event-ID": {
        "description": "The `id` of the last event that came: the stream goes on after it.",
        "schema": {"type": "string", "pattern": "^[0-9a-z]{1,32}-[0-9]{1,30}$"},
    },
}
ANSWER_HEADERS: dict[str, dict[str, Any]] = {
    "X-Claim-Spent": {
        "description": "This `claimId` got jobs, none is left of them: take a new one.",
        "schema": {"const": "true"},
    },
    "X-Claim-Held": {
        "description": "This `claimId` got jobs that a lock-out holds back: ask with it again later.",
        "schema": {"const": "true"},
    },
    "X-Stops-Only": {
        "description": "With `stopsOnly`: nothing but stop commands is in this answer. Without it, an older server"
        " may have handed over any job.",
        "schema": {"const": "true"},
    },
}

_ABOUT = """\
People post jobs, the software beside the telescope polls for them, carries them out and reports.

- Every route stands under `/jobs` and, the same, at the root. `Content-Type` is not looked at; a body is one JSON
  object, of which unknown keys are ignored.
- A refusal is one plain sentence (`text/plain`), or RFC 9457 problem details when `Accept: application/problem+json`
  asks for them. No refusal ever changes a job. `getnewjobs` alone answers a refusal with `[]`, the sentence in
  `X-Error`.
- All times are milliseconds since 1970 UTC.
"""
_PARTS_OF_PATHS = {"site": "code of the site", "status_type": "such as device, enclosure or weather"}
_LIMITS = {"gt": "exclusiveMinimum", "ge": "minimum", "lt": "exclusiveMaximum", "le": "maximum"}
_TOO_LARGE = "The body is larger than this service takes"
_ULID = "01KPR8Z4J6Q3T5V7X9Y0A1B2C3"
_GIVES_KEYS: dict[type, tuple[str, tuple[str, ...]]] = {
    schemas.Job: ("", ("site", "ulid")),
    schemas.JobWithHistory: ("", ("site", "ulid")),
    plan_schemas.Plan: ("", ("site", "id")),
    plan_schemas.Template: ("", ("site", "name")),
    schemas.Reserved: ("new_calendar_event/", ("site", "event_id")),
    schemas.Reservation: ("", ("site", "event_id")),
}
"""What answers hold that other requests need, and where in them."""

SCHEMES: dict[str, dict[str, str]] = {
    "accessToken": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "An access token of the sign-in issuer, where a sign-in is set.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE,
        "description": "A sign-in on the pages, where a sign-in is set.",
    },
    "siteToken": {
        "type": "http",
        "scheme": "bearer",
        "description": f"A token of the site (`{program.command('tokens')}`), where JOBS_SITE_TOKENS demands one.",
    },
}


class Operation(NamedTuple):
    """One route and what is noted of it."""

    path: str
    method: str
    name: str
    view: Callable[..., Any]
    described: Described


class _Schema(GenerateJsonSchema):
    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        """Leave titles out: they repeat the names."""
        return False


@cache
def examples() -> dict[str, dict[str, Any]]:
    """Return commands as real user interfaces send them, by a short name."""
    text = files(__package__).joinpath("examples.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def document(app: Flask) -> dict[str, Any]:
    """Describe the API of an app."""
    operations = list(described_operations(app))
    settings = service_of(app).settings
    made, definitions = _schemas(operations)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method] = {
            **_operation(operation, operations, made),
            "security": _security(access_of(operation.view), settings),
        }
    return {
        "openapi": "3.1.0",
        "info": {"title": "jobs_server", "version": version("jobs-server"), "description": _ABOUT},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {"schemas": definitions, "securitySchemes": SCHEMES},
    }


def _security(access: Access | None, settings: Settings) -> list[dict[str, list[str]]]:
    """List what one of must be shown to use a route, as this server is set."""
    if access is Access.PERSON and not settings.is_open:
        return [{"accessToken": []}, {"session": []}]
    return [{"siteToken": []}] if access is Access.SITE and settings.site_tokens == "required" else []


def described_operations(app: Flask) -> Iterator[Operation]:
    """List the routes of which something is noted, each once."""
    rules = {(rule.rule, _method(rule)): rule for rule in app.url_map.iter_rules()}
    counts = Counter[str]()
    for (path, method), rule in rules.items():
        view = app.view_functions[rule.endpoint]
        said = describe.of(view)
        if said is not None and (PREFIX + path, method) not in rules and "//" not in path:
            before = counts[rule.endpoint] = counts[rule.endpoint] + 1
            name = rule.endpoint.rpartition(".")[2]
            yield Operation(_braced(path), method, name if before == 1 else f"{name}_{before}", view, said)


def _braced(path: str) -> str:
    return re.sub(r"<(?:[^:>]+:)?([^>]+)>", r"{\1}", path)


def _method(rule: Rule) -> str:
    return next((each.lower() for each in ("POST", "PUT", "DELETE") if each in (rule.methods or ())), "get")


_Schemas = dict[tuple[str, str], dict[str, Any]]


def _schemas(operations: Iterable[Operation]) -> tuple[_Schemas, dict[str, Any]]:
    """Make the schema of each operation's body, query and answer, keyed by name and kind, and what they refer to."""
    inputs: list[tuple[Any, Any, TypeAdapter[Any]]] = [
        (("problem", "gives"), "serialization", TypeAdapter(schemas.Problem))
    ]
    for name, said in ((each.name, each.described) for each in operations):
        inputs.append(((name, "gives"), "serialization", TypeAdapter(said.gives)))
        inputs += [((name, "takes"), "validation", TypeAdapter(said.body))] if said.body else []
    made, rest = TypeAdapter.json_schemas(
        inputs, by_alias=True, ref_template="#/components/schemas/{model}", schema_generator=_Schema
    )
    return {key: _renamed(schema) for (key, _), schema in made.items()}, _renamed(rest.get("$defs", {}))


def _renamed(schema: Any) -> Any:
    """Write a schema's limits by the names of JSON Schema: of a union with limits pydantic leaves its own."""
    if isinstance(schema, list):
        return [_renamed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {_LIMITS.get(key, key): _renamed(value) for key, value in schema.items()}


def _operation(operation: Operation, others: list[Operation], made: _Schemas) -> dict[str, Any]:
    said = operation.described
    summary, _, rest = (operation.view.__doc__ or "").partition("\n")
    answer: dict[str, Any] = {"schema": made[operation.name, "gives"]}
    if _holds_jobs(said.gives):
        answer["example"] = _example_answer(said.gives)
    good: dict[str, Any] = {"description": "Done.", "content": {said.media: answer}}
    if said.answer_headers:
        good["headers"] = {name: ANSWER_HEADERS[name] for name in said.answer_headers}
    if links := dict(_links(operation, others)):
        good["links"] = links
    well: dict[str, Any] = {"204": {"description": "Nothing."}} if said.gives is None else {"200": good}
    found: dict[str, Any] = {
        "operationId": operation.name,
        "summary": summary.rstrip("."),
        "description": " ".join(rest.split()),
        "parameters": [*_parts_of_path(operation.path), *_headers(said), *_query(said)],
        "responses": well | _refusals(operation),
    }
    if said.bytes_of:
        found["requestBody"] = {"required": True, "content": {media: {} for media in said.bytes_of}}
    if said.body is not None:
        body = {"schema": made[operation.name, "takes"], "examples": _example_bodies(said.body)}
        found["requestBody"] = {"required": True, "content": {"application/json": body}}
    return found


def _parts_of_path(path: str) -> Iterator[dict[str, Any]]:
    for name in re.findall(r"{(\w+)}", path):
        said = {"description": _PARTS_OF_PATHS.get(name, ""), "schema": {"type": "string"}}
        yield {"name": name, "in": "path", "required": True} | said


def _headers(said: Described) -> list[dict[str, Any]]:
    return [{"name": name, "in": "header", "required": False} | HEADERS[name] for name in said.headers]


def _query(said: Described) -> Iterator[dict[str, Any]]:
    if said.query is None:
        return
    fields = _renamed(TypeAdapter(said.query).json_schema(schema_generator=_Schema))
    for name, field in fields["properties"].items():
        described_field = {"description": field.pop("description", ""), "schema": field}
        yield {"name": name, "in": "query", "required": name in fields.get("required", ())} | described_field


def _refusals(operation: Operation) -> dict[str, Any]:
    """List the refusals of a route by status; classes of one status are described in one line each."""
    kinds: list[type[JobsError]] = [BadRequest, *operation.described.refusals, Unavailable]
    if access_of(operation.view) in (Access.PERSON, Access.SITE):
        kinds += [Unauthorized, Forbidden]
    said: dict[int, list[str]] = {}
    for kind in kinds:
        said.setdefault(kind.status, []).append(kind("").title + ".")
    if operation.described.body is not None or operation.described.bytes_of:
        said[413] = [_TOO_LARGE + "."]
    headers = {kind.status: "Retry-After" for kind in kinds if kind.retry_after_seconds is not None}
    return {
        str(status): _refusal(operation, " ".join(dict.fromkeys(titles)), headers.get(status))
        for status, titles in sorted(said.items())
    }


def _refusal(operation: Operation, description: str, header: str | None) -> dict[str, Any]:
    headers = {header: {"description": "Seconds to wait.", "schema": {"type": "string"}}} if header else {}
    if is_poll(operation.path):
        headers["X-Error"] = {"description": "The sentence.", "schema": {"type": "string"}}
        content: dict[str, Any] = {"application/json": {"schema": {"type": "array", "maxItems": 0}, "example": []}}
    elif operation.path.startswith(IN_JSON):
        schema = {"type": "object", "properties": {"message": {"type": "string"}}, "required": ["message"]}
        content = {"application/json": {"schema": schema}}
    else:
        content = {
            "text/plain": {
                "schema": {"type": "string"},
                "example": f"Error: {description[0].lower()}{description[1:-1]}",
            },
            PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}},
        }
    return {"description": description, "content": content} | ({"headers": headers} if headers else {})


def _holds_jobs(gives: Any) -> bool:
    item = get_args(gives)[0] if get_origin(gives) is list else gives
    return isinstance(item, type) and issubclass(item, schemas.Job)


def _links(operation: Operation, others: list[Operation]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return which requests an answer leads to: all beside its own that need no more than what it holds."""
    known = _known(operation.described.gives)
    beside = [other for other in others if other.path.split("/")[1] == operation.path.split("/")[1]]
    for other in beside if known else ():
        body = other.described.body and _linked_body(other.described.body, known)
        if body and other.name != operation.name:
            yield other.name, {"operationId": other.name, "requestBody": body}


def _known(gives: Any) -> dict[str, str]:
    """Return where an answer holds what other requests need."""
    item, before = (get_args(gives)[0], "0/") if get_origin(gives) is list else (gives, "")
    place, keys = _GIVES_KEYS.get(item, ("", ()))
    return {key: f"$response.body#/{before}{place}{key}" for key in keys}


def _linked_body(model: type[BaseModel], known: dict[str, str]) -> dict[str, Any] | None:
    body: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        key = field.alias or name
        if field.is_required() and key in known:
            body[key] = known[key]
        elif field.is_required() and field.examples:
            body[key] = field.examples[-1]
        elif field.is_required():
            return None
    return body if known.keys() & body.keys() else None


def _example_bodies(model: type[BaseModel]) -> dict[str, Any]:
    """Write real commands where commands are taken; elsewhere what speaks of the first of them."""
    needed = {field.alias or name for name, field in model.model_fields.items() if field.is_required()}
    first = next(iter(examples().values()))["value"]
    if needed <= first.keys():
        return examples() if "action" in needed else {"example": {"value": {key: first[key] for key in needed}}}
    known = {"site": first["site"], "ulid": _ULID} | {
        field.alias or name: field.examples[0] for name, field in model.model_fields.items() if field.examples
    }
    return {"example": {"value": {key: value for key, value in known.items() if key in _names(model)}}}


def _names(model: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


def _example_answer(gives: Any) -> Any:
    command = next(iter(examples().values()))["value"]
    job: dict[str, Any] = {
        "site": command["site"],
        "ulid": _ULID,
        "statusId": f"UNREAD#{_ULID}",
        "replicaStatusId": f"UNREAD#{_ULID}",
        "user_name": command["user_name"],
        "user_id": command["user_id"],
        "user_roles": [],
        "timestamp_ms": command["timestamp"] * 1000,
        "deviceType": command["device"],
        "deviceInstance": command["instance"],
        "action": command["action"],
        "required_params": command["required_params"],
        "optional_params": command["optional_params"],
    }
    if gives is schemas.JobWithHistory:
        by = {"id": command["user_id"], "name": command["user_name"], "known": "said"}
        event = {"timestamp_ms": job["timestamp_ms"], "from": None, "to": "UNREAD", "by": by, "alternateQueue": False}
        job["history"] = [event]
    return [job] if get_origin(gives) is list else job
