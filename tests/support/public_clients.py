"""The public site software and UI as they speak: no token, no Content-Type, slashes at the end, NaN where it comes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from jobs_server import create_app
from jobs_server.upkeep import startup

from . import databases

WEMA: dict[str, Any] = {
    "instance_type": "wema",
    "wema_name": "hill",
    "name": "Hill",
    "latitude": -41.05,
    "longitude": 145.9,
    "elevation": 120.0,
    "reference_ambient": 12.0,
    "reference_pressure": 1005.0,
    "TZ_database_name": "Australia/Hobart",
    "time_offset": 10,
    "timezone": "AEST",
    "eve_cool_down_open": -65.0,
    "morn_close_and_park": 32.0,
    "events": {"day_directory": "20261129"},
    "defaults": {},
}
SITE: dict[str, Any] = {
    "instance_type": "obs",
    "wema_name": "hill",
    "camera": {"camera_1_1": {"settings": {"dark_exposure": 360}}},
    "eve_sky_flat_sunset_offset": -40.0,
    "defaults": {},
}
DEVICE: dict[str, Any] = {
    "mount": {
        "SimMount": {
            "right_ascension": 5.5881,
            "declination": -5.391,
            "altitude": 41.2,
            "azimuth": 120.5,
            "airmass": 1.51,
            "is_parked": False,
            "is_tracking": True,
            "is_slewing": False,
            "pier_side_str": "Looking West",
            "message": "-",
        }
    },
    "camera": {"camera_1_1": {"status": "SQ007, S  -10.0C, T  -9.8C, P  35%, H  20%, A 11.4", "darkslide": "Open"}},
    "filter_wheel": {"w1": {"filter_name": "lum", "filter_number": 0, "wheel_is_moving": False}},
    "focuser": {"f1": {"focus_position": 5021.3, "focus_temperature": 10.2, "comp": None}},
    "rotator": {"r1": {"position_angle": 12.5, "rotator_moving": False}},
    "sequencer": {"q1": {"active_script": None, "sequencer_busy": False}},
    "timestamp": 897992893.6,
    "send_heartbeat": False,
}
ROOF: dict[str, Any] = {
    "enclosure": {"enclosure1": {"shutter_status": "Open", "enclosure_mode": "Automatic", "dome_azimuth": 0.0}}
}
WEATHER: dict[str, Any] = {
    "observing_conditions": {
        "observing_conditions1": {"wx_ok": "Yes", "temperature_C": 11.5, "humidity_%": 61.0, "wind_m/s": 3.5}
    }
}
OBS_SETTINGS: dict[str, Any] = {
    "obs_settings": {"scope_in_manual_mode": False, "morning_flats_done": False, "lowest_altitude": 15}
}


def companion_app(**settings: object) -> Flask:
    """Return an app with the companion, on a new database."""
    app = create_app({"TESTING": True, "DATABASE_URL": databases.fresh(), "COMPANION": "on"} | settings)
    startup.prepare(app)
    return app


class SiteSoftware:
    """The site software of the public observatories, as its requests look."""

    def __init__(self, app: Flask, address: str = "192.168.1.20") -> None:
        self.client = app.test_client()
        self.environ = {"REMOTE_ADDR": address}

    def asks(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> TestResponse:
        """Send a request; a body that is no bytes goes as Python's json writes it."""
        sent = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        reply = self.client.open(path, method=method, data=sent, environ_base=self.environ, headers=dict(headers or {}))
        assert "Location" not in reply.headers, "a redirect"
        return reply

    def gets(self, path: str) -> Any:
        """Get what must be there."""
        reply = self.asks("GET", path)
        assert reply.status_code == 200, (path, reply.get_data())
        return json.loads(reply.get_data(), parse_constant=_not_json)

    def puts_config(self, site: str, config: object) -> Any:
        """Put a config."""
        reply = self.asks("PUT", f"/api/{site}/config/", config)
        assert reply.status_code == 200, reply.get_data()
        return reply.get_json()

    def posts_status(self, site: str, kind: str, status: object) -> Any:
        """Post a status."""
        reply = self.asks("POST", f"/status/{site}/status/", {"statusType": kind, "status": status})
        assert reply.status_code == 200, reply.get_data()
        return reply.get_json()


def _not_json(name: str) -> object:
    raise AssertionError(f"{name} is no JSON")
