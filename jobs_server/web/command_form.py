"""The form of a command that is there already: its own form where that can hold the command, else JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flask import render_template

from ..errors import BadRequest
from ..observatory.describe import Described
from . import filled_forms, forms
from .context import page
from .forms import Form
from .order import Order


def form_of(row: Described) -> Form | None:
    """Return the form that can hold a command; None when none can."""
    required, optional = json.loads(row.required_params), json.loads(row.optional_params)
    script = str(required.get("script", "")) if (row.device, row.action) == ("sequencer", "run") else ""
    form = forms.form(row.device, row.action, page().abilities, script)
    required.pop("script", None)
    return form if form is not None and forms.fits(form, required, optional) else None


def as_given(row: Described) -> dict[str, str]:
    """Fill the form with a command."""
    form = form_of(row)
    given = {"instance": row.instance, "filled": "yes"}
    if form is None:
        return given | {key: getattr(row, key) for key in ("required_params", "optional_params")}
    return given | forms.values_of(form, json.loads(row.required_params), json.loads(row.optional_params))


def read(row: Described, given: Mapping[str, str], order: Order) -> dict[str, Any]:
    """Read what a command is to be; what is wrong goes into `order`."""
    changed: dict[str, Any] = {"instance": given.get("instance", "").strip()}
    form = form_of(row)
    if form is None:
        for key in ("required_params", "optional_params"):
            try:
                changed[key] = filled_forms.read_object(given.get(key, ""), key)
            except BadRequest as error:
                order.faults[key] = error.sentence.removeprefix("Error: ")
        return changed
    filled = filled_forms.read(form, given)
    order.faults |= filled.faults
    order.readings |= filled.readings
    kept = {key: value for key, value in json.loads(row.required_params).items() if key == "script"}
    return changed | {"required_params": kept | filled.required, "optional_params": filled.optional}


def render(row: Described, given: Mapping[str, str], order: Order, **shown: Any) -> str:
    """Draw the form of a command; `shown`: its heading, where it is sent to, and the page behind it."""
    names = page().abilities.instances(row.device) or ()
    return render_template(
        "pages/command_form.html", row=row, form=form_of(row), given=given, order=order, names=names, **shown
    )
