"""The catalogue says of each command what it does to people and hardware near it."""

from __future__ import annotations

from typing import Any

import pytest

from jobs_server.observatory import catalogue


@pytest.mark.parametrize(
    ("device", "action", "required", "begins"),
    [
        ("enclosure", "open", {}, "The roof moves."),
        ("mount", "unpark", {}, "The mount is released"),
        ("mount", "park", {}, None),
        ("camera", "open", {}, None),
        ("obs", "configure_sun_safety", {"mode": "on"}, None),
        ("obs", "configure_sun_safety", {"mode": "off"}, "This switches a protection"),
        ("obs", "configure_sun_safety", {"mode": ["on"]}, "This switches a protection"),
        ("obs", "configure_sun_safety", {}, "This switches a protection"),
        ("obs", "configure_rain_safety", {"mode": "off"}, "This switches a protection"),  # none that is known by name
        ("obs", "configure_telescope_mode", {"mode": "on"}, "In manual mode"),
    ],
)
def test_what_a_command_risks(device: str, action: str, required: dict[str, Any], begins: str | None) -> None:
    risk = catalogue.risk(device, action, required)
    assert risk is None if begins is None else str(risk).startswith(begins)
