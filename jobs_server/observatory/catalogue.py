"""The devices, actions and parameters that are known; the service itself takes any other as well."""

from __future__ import annotations

import json
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def _whole() -> dict[str, Any]:
    text = files(__package__).joinpath("catalogue.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


@cache
def devices() -> dict[str, Any]:
    """Return the known devices by name, each with its actions and their parameters."""
    return dict(_whole()["devices"])


def sent_with(device: str, action_name: str) -> dict[str, Any]:
    """Return the optional parameters that the public user interface sends with every action, or with all but a few."""
    usual = dict(_whole()["envelope"]["always_in_optional_params_from_ui"])
    excepted = usual.pop("except")
    return {} if action_name in excepted or f"{device} {action_name}" in excepted else usual


def usual_with(device: str, action_name: str) -> dict[str, Any]:
    """Return the values that the public user interface sends with an action, beside the action's own parameters."""
    return {key: spec["default"] for key, spec in sent_with(device, action_name).items() if "default" in spec}


def action(device: str, name: str) -> dict[str, Any]:
    """Return what is known of an action; nothing when the action is unknown."""
    return dict(devices().get(device, {}).get("actions", {}).get(name, {}))


def roles(device: str, action_name: str, required: Mapping[str, Any]) -> list[str]:
    """Return the roles of which the public site software wants one for a command; none when anybody may send it."""
    known = action(device, action_name)
    script = known.get("scripts", {}).get(str(required.get("script", "")), {})
    return list(script.get("roles") or known.get("roles") or [])


def risk(device: str, action_name: str, required: Mapping[str, Any]) -> str | None:
    """Return what a command does to people and hardware near it, in a sentence; None when no risk is known."""
    for each in _whole()["risks"]:
        if each["device"] == device and any(fnmatchcase(action_name, pattern) for pattern in each["actions"]):
            harmless = each.get("unless", {})
            if not harmless or any(required.get(name) != value for name, value in harmless.items()):
                return str(each["sentence"])
    return None


def is_optional(device: str, action_name: str, parameter: str) -> bool:
    """Whether a parameter goes among the optional ones: as the catalogue says, else among the required."""
    known = action(device, action_name)
    return parameter not in known.get("required_params", {}) and parameter in known.get("optional_params", {})
