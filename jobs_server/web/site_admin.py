"""Administration of a site: its profile and the tokens of its software. For admins; without sign-in, at the PC."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from flask import Response, make_response, render_template, request
from pydantic import ValidationError
from werkzeug.datastructures import MultiDict

from .. import clock
from ..auth import site_tokens
from ..auth.access import Access, needs
from ..errors import BadRequest, ConfigError, Forbidden
from ..observatory.profiles import Profile
from ..service import service, transaction
from . import site
from .actions import done
from .blueprint import bp
from .context import page

_PLAIN = (
    *("name", "latitude_deg", "longitude_deg", "elevation_m", "timezone"),
    *("lowest_altitude_deg", "sun_distance_deg"),
)
_LISTS = ("instances", "filters", "binnings")
_NAME_LONGEST = 80


@bp.get("/settings/profile")
@needs(Access.ANYBODY)
def profile() -> Response:
    """Show the form of a site's profile."""
    with page().reading():
        _require()
        given = _as_given(page().profile)
    return make_response(_form(given, {}))


@bp.post("/settings/profile")
@needs(Access.PERSON)
def write_profile() -> Response:
    """Write a site's profile into the file, or show what is wrong with the form."""
    _require()
    given = cast("MultiDict[str, str]", request.form)
    table, faults = _read(given)
    if not faults:
        try:
            made = Profile.model_validate(table | _not_in_the_form(page().profile))
            service().profiles.write(made)
            return done("profile")
        except ValidationError as error:
            faults = _faults(error)
        except ConfigError as error:
            faults = {"": str(error)}
    shown = {"plain": {name: given.get(name, "") for name in _PLAIN}, "devices": _rows(given)}
    return make_response(_form(shown, faults), 400)


@bp.post("/act/make-token")
@needs(Access.PERSON)
def make_token() -> Response:
    """Make a token for the site's software, and show the token this once."""
    _require()
    name = " ".join(request.form.get("name", "").split())
    if not name or "\0" in name or len(name) > _NAME_LONGEST:
        raise BadRequest(f"Error: say in at most {_NAME_LONGEST} characters who will use the token, such as dome pc")
    code = site.needed_code()
    with transaction() as connection:
        made = site_tokens.create(connection, code, name, page().actor.name, clock.read())
    return make_response(site.show(made=made))


@bp.post("/act/revoke-token")
@needs(Access.PERSON)
def revoke_token() -> Response:
    """Revoke a token: from now on it is refused."""
    _require()
    number = request.form.get("token", "")
    with transaction() as connection:
        site_tokens.revoke(connection, int(number) if number.isdecimal() and len(number) < 18 else 0, clock.read())
    return done("revoked")


def _require() -> None:
    if not page().may_administer:
        where = "at the observatory's PC, or in its terminal" if page().is_open else "by an admin"
        raise Forbidden(f"Error: profiles and tokens are looked after {where}")


def _form(shown: Mapping[str, Any], faults: Mapping[str, str]) -> str:
    return render_template("pages/profile.html", shown=shown, faults=faults)


def _as_given(known: Profile) -> dict[str, Any]:
    """Write a profile as the form holds it."""
    plain = {name: getattr(known, name) for name in _PLAIN}
    devices = [
        {"device": name, **{key: ", ".join(map(str, getattr(each, key))) for key in _LISTS}}
        for name, each in known.devices.items()
    ]
    return {
        "plain": {
            name: "" if value is None else f"{value:.10g}" if isinstance(value, float) else value
            for name, value in plain.items()
        },
        "devices": devices,
    }


def _not_in_the_form(known: Profile) -> dict[str, Any]:
    """Return what a person wrote into the file that the form does not show."""
    return known.model_dump(include={"plans"}, exclude_defaults=True)


def _rows(given: MultiDict[str, str]) -> list[dict[str, str]]:
    """Read the rows of devices, without the blank ones."""
    columns = [given.getlist(name) for name in ("device", *_LISTS)]
    rows = [dict(zip(("device", *_LISTS), row, strict=False)) for row in zip(*columns, strict=False)]
    return [row for row in rows if any(text.strip() for text in row.values())]


def _read(given: MultiDict[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Read the form into what `site.toml` would hold, and the faults that only the form shows."""
    table: dict[str, Any] = {"code": site.needed_code()}
    table |= {name: text for name in _PLAIN if (text := given.get(name, "").strip())}
    devices, faults = dict[str, Any](), dict[str, str]()
    for row in _rows(given):
        name = row["device"].strip()
        if not name or name in devices:
            faults["devices"] = "each device needs a name of its own, such as camera"
            continue
        devices[name] = {key: _listed(row[key], numbers=key == "binnings") for key in _LISTS if row[key].strip()}
    return table | ({"devices": devices} if devices else {}), faults


def _listed(text: str, *, numbers: bool) -> list[str | int]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    return [int(part) if numbers and part.isdecimal() and len(part) < 6 else part for part in parts]


def _faults(error: ValidationError) -> dict[str, str]:
    """Return each fault as a sentence, by the field of the form."""
    found: dict[str, str] = {}
    for fault in error.errors(include_url=False):
        field = str(fault["loc"][0]) if fault["loc"] else "latitude_deg"
        found[field] = fault["msg"].removeprefix("Value error, ")
    return found
