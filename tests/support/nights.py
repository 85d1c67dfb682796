"""Believable nights: a history written through the service's own operations, at times of its own."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from jobs_server import clock, create_app
from jobs_server.clock import Now
from jobs_server.domain.actors import said, site
from jobs_server.domain.commands import ClaimJobs, StartJob, SubmitJob, UpdateStatus
from jobs_server.jobs import operations
from jobs_server.service import service_of, transaction
from jobs_server.state import storing
from jobs_server.storage.statement import Connection
from jobs_server.upkeep import startup

from . import databases

HOUR_MS = 60 * 60 * 1000
ZONE = ZoneInfo("Europe/Berlin")
PROFILE = f"""\
code = "wmd"
name = "Wendelstein Dome"
latitude_deg = 47.7036
longitude_deg = 12.0123
elevation_m = 1838
timezone = "{ZONE.key}"

[devices.camera]
instances = ["camera_1_1"]
filters = ["L", "R", "V", "B", "I", "Ha", "OIII", "SII"]
binnings = [1, 2]

[devices.mount]
instances = ["mount1"]

[devices.focuser]
instances = ["focuser1"]

[devices.enclosure]
instances = ["enclosure1"]
"""
PEOPLE = ("Vera", "Tycho", "Caroline", "Annie")
TARGETS = (("M 31", 0.7123, 41.269), ("M 42", 5.588, -5.39), ("NGC 891", 2.376, 42.349), ("M 1", 5.575, 22.015))
ENDS = ("COMPLETE",) * 9 + ("FAILED",)


def a_site(folder: Path) -> None:
    """Write the profile of a site into an instance folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "site.toml").write_text(PROFILE, encoding="utf-8")


def expose(target: str, seconds: float = 60, count: int = 5, band: str = "R") -> dict[str, Any]:
    return {
        "device": "camera",
        "instance": "camera_1_1",
        "action": "expose",
        "required_params": {"time": seconds, "image_type": "light"},
        "optional_params": {"count": count, "filter": band, "object_name": target},
    }


def slew(target: str, ra: float, dec: float) -> dict[str, Any]:
    return {
        "device": "mount",
        "instance": "mount1",
        "action": "go",
        "required_params": {"ra": f"{ra:.4f}", "dec": f"{dec:.4f}", "frame": "ICRS"},
        "optional_params": {"object": target},
    }


def focus() -> dict[str, Any]:
    params = {"required_params": {"script": "focusAuto"}, "optional_params": {}}
    return {"device": "sequencer", "instance": "sequencer1", "action": "run", **params}


class HistoryWriter:
    """Writes history into a database that nobody serves yet."""

    def __init__(self, folder: Path, code: str = "wmd", seed: int = 7) -> None:
        self.app = create_app(databases.at(folder))
        startup.prepare(self.app)
        self.settings = service_of(self.app).settings
        self.code = code
        self.chance = random.Random(seed)
        self.boot_ms = clock.read().boot_ms - 40 * 24 * HOUR_MS

    def night(self, begin_ms: int, hours: float) -> None:
        """Write a night's work from a time on: slews, exposures, focus runs, a failure now and then."""
        at_ms, end_ms = begin_ms, begin_ms + round(hours * HOUR_MS)
        with self.app.app_context(), transaction() as connection:
            while at_ms < end_ms:
                at_ms = self._target(connection, at_ms)
                if self.chance.random() < 0.12:
                    at_ms += round(self.chance.uniform(0.2, 0.9) * HOUR_MS)

    def weather(self, begin_ms: int, hours: float) -> None:
        """Write what devices measure from a time on, minute by minute, with half an hour of silence in the middle."""
        minutes = round(hours * 60)
        silent = range(minutes // 2, minutes // 2 + 30)
        with self.app.app_context(), transaction(storing.OURS) as connection:
            for minute in (each for each in range(minutes) if each not in silent):
                at_ms = begin_ms // 60_000 * 60_000 + minute * 60_000
                connection.run(storing.SAMPLE, site=self.code, at_ms=at_ms, readings=json.dumps(self._readings(minute)))

    def _readings(self, minute: int) -> dict[str, dict[str, float]]:
        air = round(9 - minute / 90 + math.sin(minute / 40), 1)
        wind = round(3 + 2 * abs(math.sin(minute / 70)) + self.chance.random(), 1)
        return {
            "weather/weather1": {"temperature_c": air, "humidity_percent": 60 + minute / 30, "wind_m_per_s": wind},
            "focuser/focuser1": {"temperature_c": air + 1.2, "position_um": 5021 - minute // 45 * 6},
            "camera/camera_1_1": {"temperature_c": -10 + self.chance.choice((0, 0, 0.1))},
        }

    def crowd(self, begin_ms: int, count: int, every_ms: int = 1000) -> None:
        """Write very many short jobs from a time on."""
        with self.app.app_context(), transaction() as connection:
            for number in range(count):
                now = self._now(begin_ms + number * every_ms)
                who = {"site": self.code, "user_name": "Vera", "user_id": "lan|Vera"}
                sent = SubmitJob.model_validate(who | expose(f"Field {number}", 0.5, 1))
                job = operations.submit(connection, sent, said("lan|Vera", "Vera", ()), now, self.settings)
                end = UpdateStatus(site=self.code, ulid=job.ulid, status="COMPLETE")
                operations.report(connection, end, site(self.code), now)

    def _target(self, connection: Connection, at_ms: int) -> int:
        name, ra, dec = self.chance.choice(TARGETS)
        who = self.chance.choice(PEOPLE)
        at_ms = self._job(connection, at_ms, who, slew(name, ra, dec), self.chance.uniform(20, 70))
        if self.chance.random() < 0.4:
            at_ms = self._job(connection, at_ms, who, focus(), self.chance.uniform(120, 260))
        for band in self.chance.sample(("R", "V", "B", "Ha"), 2):
            seconds, count = self.chance.choice(((60, 5), (120, 5), (300, 2), (30, 10)))
            at_ms = self._job(connection, at_ms, who, expose(name, seconds, count, band), seconds * count * 1.07)
        return at_ms

    def _job(self, connection: Connection, at_ms: int, who: str, command: dict[str, Any], seconds: float) -> int:
        sent = SubmitJob.model_validate({"site": self.code, "user_name": who, "user_id": f"lan|{who}", **command})
        actor, software = said(sent.user_id, who, ()), site(self.code)
        job = operations.submit(connection, sent, actor, self._now(at_ms), self.settings)
        at_ms += self.chance.randint(40, 4000)
        operations.claim(connection, ClaimJobs(site=self.code), software, self._now(at_ms))
        at_ms += self.chance.randint(100, 2500)
        start = StartJob(site=self.code, ulid=job.ulid, seconds_until_complete=round(seconds))
        operations.start(connection, start, software, self._now(at_ms), self.settings)
        at_ms += round(1000 * seconds * self.chance.uniform(0.95, 1.15))
        end = UpdateStatus(site=self.code, ulid=job.ulid, status=self.chance.choice(ENDS))
        operations.report(connection, end, software, self._now(at_ms))
        return at_ms + self.chance.randint(500, 9000)

    def _now(self, at_ms: int) -> Now:
        return Now(at_ms, self.boot_ms)
