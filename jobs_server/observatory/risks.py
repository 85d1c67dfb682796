"""Commands that ask first: what they do to people and hardware near them, in a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_ROOF = "The roof moves. Be sure that nobody and nothing is in its way, and that the weather allows it."
_ROOF_MODE = "The roof may move as a result, now or later, without asking again."
_SAFETY = "This switches a protection of the telescope off or on. Know which one, and why."
_SIMULATED = "The site will behave as if the roof were open, whatever it is."

_ALWAYS: Mapping[tuple[str, str], str] = {
    ("enclosure", "open"): _ROOF,
    ("enclosure", "close"): _ROOF,
    ("enclosure", "home_dome"): _ROOF,
    ("enclosure", "slew_alt"): _ROOF,
    ("enclosure", "slew_az"): _ROOF,
    ("enclosure", "park"): _ROOF,
    ("enclosure", "force_roof_state"): _ROOF,
    ("enclosure", "set_enclosure_mode"): _ROOF_MODE,
    ("enclosure", "set_observing_mode"): _ROOF_MODE,
    ("enclosure", "set_weather_values"): "The limits at which the roof closes for the weather change.",
    ("enclosure", "configure_active_weather_report"): "The weather report that closes the roof changes.",
    ("enclosure", "keep_roof_open_all_night"): _ROOF_MODE,
    ("enclosure", "keep_roof_closed_all_night"): _ROOF_MODE,
    ("enclosure", "track_telescope"): _ROOF,
    ("mount", "unpark"): "The mount is released and may move. Be sure that nobody is at the telescope.",
    (
        "all",
        "observatory_restart",
    ): "Everything restarts: what runs is lost, and the telescope is blind until it is back.",
    ("obs", "start_simulating_open_roof"): _SIMULATED,
    ("obs", "configure_telescope_mode"): "In manual mode the site no longer looks after itself.",
}
_MODES = "configure_"


def risk_of(device: str, action: str, required: Mapping[str, Any]) -> str | None:
    """Say what is risky about a command; None when nothing is known to be."""
    if sentence := _ALWAYS.get((device, action)):
        return sentence
    if device == "obs" and action.startswith(_MODES) and action.endswith("_safety") and required.get("mode") != "on":
        return _SAFETY
    return None
