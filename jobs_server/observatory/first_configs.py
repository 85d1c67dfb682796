"""First configs for the public site software and UI, drawn from a site's profile.

The site software asks for its wema's config before it has put its own, and the wema's software for each site's: without
first ones neither boots. These hold what both read then, and the least with which the public UI draws all its panels.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from .profiles import Profile

WEMA_READS_CAMERA = "camera_1_1"
"""The wema's software ends where a site has no camera of this name."""
_DARK_SECONDS = 360
_FLATS_BEFORE_SUNSET_MINUTES = -40.0
_KINDS = ("mount", "telescope", "rotator", "focuser", "filter_wheel", "camera", "screen", "sequencer")
_STANDARD_HPA, _PER_METRE, _POWER = 1013.25, 2.25577e-5, 5.25588


def first_configs(profile: Profile, wema: str, now_ms: int) -> dict[str, dict[str, Any]]:
    """Return configs by name for a site and its wema; for a site that is its own wema, one with all that both need."""
    site, of_wema = _of_site(profile, wema), _of_wema(profile, wema, now_ms)
    if wema == profile.code:
        return {profile.code: of_wema | site | {"events": of_wema["events"]}}
    return {wema: of_wema, profile.code: site}


def _of_wema(profile: Profile, wema: str, now_ms: int) -> dict[str, Any]:
    now = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(profile.zone)
    offset = now.utcoffset()
    place = profile.place
    elevation = profile.elevation_m
    return {
        "instance_type": "wema",
        "wema_name": wema,
        "name": wema,
        "latitude": place.latitude_deg if place else 0.0,
        "longitude": place.longitude_deg if place else 0.0,
        "elevation": elevation,
        "reference_ambient": 10.0,
        "reference_pressure": round(_STANDARD_HPA * (1 - _PER_METRE * elevation) ** _POWER, 1),
        "TZ_database_name": profile.timezone,
        "time_offset": offset.total_seconds() / 3600 if offset else 0.0,
        "timezone": now.tzname() or profile.timezone,
        "eve_cool_down_open": -65.0,
        "morn_close_and_park": 32.0,
        "events": {"day_directory": f"{now:%Y%m%d}"},
        "obsp_ids": [profile.code],
        "enclosure": {"enclosure1": {"name": "enclosure1"}},
        "observing_conditions": {"observing_conditions1": {"name": "observing_conditions1"}},
        "defaults": {"enclosure": "enclosure1", "observing_conditions": "observing_conditions1"},
    }


def _of_site(profile: Profile, wema: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "instance_type": "obs",
        "wema_name": wema,
        "name": profile.title,
        "eve_sky_flat_sunset_offset": _FLATS_BEFORE_SUNSET_MINUTES,
        "events": {},
    }
    defaults = {}
    for kind in _KINDS:
        names = profile.device(kind).instances or (WEMA_READS_CAMERA if kind == "camera" else f"{kind}1",)
        defaults[kind] = names[0]
        found[kind] = {name: {"name": name, "settings": _settings(profile, kind)} for name in names}
    camera = {"name": WEMA_READS_CAMERA, "settings": _settings(profile, "camera")}
    found["camera"].setdefault(WEMA_READS_CAMERA, camera)
    wema_defaults = {"enclosure": "enclosure1", "observing_conditions": "observing_conditions1"}
    return found | {"defaults": defaults | wema_defaults}


def _settings(profile: Profile, kind: str) -> dict[str, Any]:
    """Return the settings of a device: those of which the public UI makes its lists."""
    if kind == "filter_wheel":
        filters = profile.device(kind).filters or profile.device("camera").filters
        known = {"filter_data": [[name, [0, 0], name[:2].lower()] for name in filters]} if filters else {}
        return known | ({"default_filter": filters[0]} if filters else {})
    if kind == "camera":
        binnings = [int(each) for each in profile.device(kind).binnings if str(each).isdecimal()] or [1]
        return {"dark_exposure": _DARK_SECONDS, "bin_modes": [[each, each, float(each)] for each in binnings]}
    return {}
