"""A believable evening for a demonstration: nights of work before it, pictures, reservations, a plan and a queue.

All of it goes through the operations that people and sites use, at times of its own, into a database of its own.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from flask import Flask

from .. import clock
from ..clock import DAY_MS, Now
from ..domain.actors import Actor, said, site
from ..domain.commands import CancelJob, ClaimJobs, StartJob, SubmitJob, UpdateStatus
from ..domain.lifecycle import CANCELED
from ..domain.plan_commands import NewPlan
from ..jobs import operations, reservations
from ..jobs.reservation_commands import NO_PROJECT
from ..jobs.reservations import REALTIME, ReservationRow
from ..jobs.rows import JobRow
from ..observatory.profiles import Device, Profile
from ..service import service_of
from ..state import storing
from ..storage.statement import Connection
from .evening_sky import HOUR_MS, Spot, Target, high, spot_at_night

CODE = "demo"
COMPLETE, FAILED = "COMPLETE", "FAILED"
FILTERS = ("Lum", "Red", "Green", "Blue", "HA", "O3")
_PEOPLE = ("Vera", "Tycho", "Caroline", "Annie")
_NIGHTS_BEFORE = 3
_PICTURES = 5
_MINUTE_MS = 60_000
_FOCUS_UM = 6000.0  # where the pretend observatory begins
_HELD_SECONDS = 900
_ONE_IN_FAILS, _ONE_IN_IS_CANCELED = 9, 17
_FAULTS = ("no guide star was found", "the guider lost its star", "the filter wheel did not reach its place")

Picture = Callable[[float, float], bytes]
"""Makes a picture of the field at a right ascension in hours and a declination in degrees."""
Weather = Callable[[float], Mapping[str, Any]]
"""Returns the weather at a time in seconds since 1970 UTC, in the words of the wire."""
Command = dict[str, Any]


class Evening:
    """Write an evening into the database of an app that was prepared and is not served yet."""

    def __init__(self, app: Flask, picture: Picture, weather: Weather, seed: int | None = None) -> None:
        self._app, self._service, self._picture, self._weather = app, service_of(app), picture, weather
        self._chance = random.Random(seed)  # noqa: S311
        self._now = clock.read()
        self.spot, self._dark_ms = spot_at_night(self._now.wall_ms)
        self._count = 0
        self._shown: list[tuple[JobRow, Target]] = []

    def write(self) -> None:
        """Write all of it."""
        self._service.profiles.write(profile(self.spot))
        with self._app.app_context():
            for ago in range(_NIGHTS_BEFORE, 0, -1):
                self._work(self._dark_ms - ago * DAY_MS, self._chance.uniform(4, 7))
            self._work(self._dark_ms, (self._now.wall_ms - self._dark_ms) / HOUR_MS)
            self._measure()
            self._reserve()
            self._show_pictures()
            self._go_on()

    def _work(self, begin_ms: int, hours: float) -> None:
        """Write what was done from a time on: the roof, then slews, exposures and focus runs, some of which failed."""
        at_ms, end_ms = begin_ms, begin_ms + round(hours * HOUR_MS) - 2 * _MINUTE_MS
        with self._service.database.transaction(CODE) as connection:
            at_ms = self._job(connection, at_ms, self._person(), _command("enclosure", "enclosure1", "open"), 45).end_ms
            while at_ms < end_ms:
                at_ms = self._target(connection, at_ms, end_ms)

    def _target(self, connection: Connection, at_ms: int, end_ms: int) -> int:
        who, target = self._person(), self._chance.choice(high(self.spot, at_ms, min(end_ms, at_ms + HOUR_MS)))
        for command, seconds in self._sequence(target):
            if at_ms + seconds * 1200 > end_ms:
                return end_ms
            done = self._job(connection, at_ms, who, command, seconds)
            at_ms = done.end_ms
            if command["action"] == "expose" and done.is_done:
                self._shown.append((done.job, target))
        return at_ms + self._chance.randint(5, 400) * 1000

    def _sequence(self, target: Target) -> Iterator[tuple[Command, float]]:
        """Return what is done at a target, with how long each thing takes in seconds."""
        yield slew(target), self._chance.uniform(20, 70)
        if self._chance.random() < 0.4:
            yield _command("focuser", "focuser1", "auto"), self._chance.uniform(90, 200)
        for band in self._chance.sample(FILTERS, 3):
            seconds, count = self._chance.choice(((60, 5), (120, 5), (120, 3), (30, 10)))
            yield expose(target, seconds, count, band), seconds * count * 1.07

    def _job(self, connection: Connection, at_ms: int, who: Actor, command: Command, seconds: float) -> _Written:
        """Write one job from its sending to its end."""
        job = self._sent(connection, at_ms, who, command)
        at_ms += self._chance.randint(300, 3000)
        software = site(CODE)
        operations.claim(connection, ClaimJobs(site=CODE), software, self._at(at_ms))
        at_ms += self._chance.randint(100, 1500)
        start = StartJob(site=CODE, ulid=job.ulid, seconds_until_complete=round(seconds))
        operations.start(connection, start, software, self._at(at_ms), self._service.settings)
        end = self._next_end()
        share = self._chance.uniform(0.95, 1.1) if end == COMPLETE else self._chance.uniform(0.1, 0.9)
        at_ms += round(1000 * seconds * share)
        if end == CANCELED:
            asked = CancelJob(site=CODE, ulid=job.ulid, user_id=who.id, user_name=who.name)
            operations.cancel(connection, asked, who, self._at(at_ms), self._service.settings)
            at_ms += 1500
        operations.report(connection, self._report(job, end, command), software, self._at(at_ms))
        return _Written(job, at_ms + self._chance.randint(500, 9000), end == COMPLETE)

    def _next_end(self) -> str:
        """Return how the next job ends: a few fail, fewer are canceled."""
        self._count += 1
        if self._count % _ONE_IN_FAILS == 0:
            return FAILED
        return CANCELED if self._count % _ONE_IN_IS_CANCELED == 0 else COMPLETE

    def _sent(self, connection: Connection, at_ms: int, who: Actor, command: Command) -> JobRow:
        sent = SubmitJob.model_validate({"site": CODE, "user_name": who.name, "user_id": who.id, **command})
        return operations.submit(connection, sent, who, self._at(at_ms), self._service.settings)

    def _report(self, job: JobRow, end: str, command: Command) -> UpdateStatus:
        """Return what the site reports at the end of a job: why it failed, or what came of it."""
        if end == FAILED:
            return UpdateStatus(site=CODE, ulid=job.ulid, status=end, message=self._chance.choice(_FAULTS))
        result: dict[str, Any] | None = None
        if end == COMPLETE and command["action"] == "expose":
            frames = command["optional_params"]["count"]
            files = [f"camera_1_1-{job.ulid}-{number:04}.fits" for number in range(1, frames + 1)]
            result = {"files": files, "frames": frames, "fwhm_arcsec": round(self._chance.uniform(1.8, 2.9), 2)}
        return UpdateStatus(site=CODE, ulid=job.ulid, status=end, result=result)

    def _measure(self) -> None:
        """Write what the devices measured this evening, minute by minute, up to now."""
        minutes = max(0, (self._now.wall_ms - self._dark_ms) // _MINUTE_MS)
        with self._service.database.transaction(storing.OURS) as connection:
            for minute in range(minutes):
                at_ms = self._dark_ms // _MINUTE_MS * _MINUTE_MS + minute * _MINUTE_MS
                readings = json.dumps(self._readings(at_ms))
                connection.run(storing.SAMPLE, site=CODE, at_ms=at_ms, readings=readings)

    def _readings(self, at_ms: int) -> dict[str, dict[str, float]]:
        weather = self._weather(at_ms / 1000)
        return {
            "weather/weather1": {name: weather[name] for name in storing.SAMPLED if name in weather},
            "focuser/focuser1": {"temperature_c": weather["temperature_c"], "position_um": _FOCUS_UM},
            "camera/camera_1_1": {"temperature_c": -10 + self._chance.choice((0, 0, 0.1))},
        }

    def _reserve(self) -> None:
        """Reserve the telescope for people in the nights to come, and not for now: whoever looks may command it."""
        wanted = ((5, 2, "Caroline", "Comets"), (24, 3, "Vera", "Rotation of NGC 253"), (50, 4, "Tycho", "Supernovae"))
        hour_ms = self._now.wall_ms // HOUR_MS * HOUR_MS
        with self._service.database.transaction(CODE) as connection:
            for after, hours, name, title in wanted:
                who, start_ms = _person(name), hour_ms + after * HOUR_MS
                span = (start_ms, start_ms + hours * HOUR_MS)
                row = ReservationRow("", CODE, *span, who.id, name, title, REALTIME, CODE, NO_PROJECT, "", "", 0)
                reservations.add(connection, row, who, self._now)

    def _show_pictures(self) -> None:
        """Keep pictures of what was exposed last."""
        for job, target in self._shown[-_PICTURES:]:
            data = self._picture(*target.direction)
            name = f"camera_1_1-{job.ulid}-0001.png"
            self._service.previews.keep(CODE, job.ulid, job.id, name, data, self._now)

    def _go_on(self) -> None:
        """Let a plan begin, which the pretend observatory carries out, and two jobs wait behind it."""
        up = high(self.spot, self._now.wall_ms, self._now.wall_ms + HOUR_MS)
        steps = [slew(up[0]), *(expose(up[0], 60, 3, band) for band in FILTERS[:4])]
        who = _person("Vera")
        asked = {"site": CODE, "title": f"{up[0].name}, four filters", "steps": steps}
        self._service.plans.new(NewPlan.model_validate(asked | {"user_name": who.name, "user_id": who.id}), who)
        self._wait("Tycho", expose(up[-1], 120, 3, FILTERS[4]))
        self._wait("Caroline", expose(up[-1], 120, 3, FILTERS[5]), notBeforeSeconds=_HELD_SECONDS)

    def _wait(self, name: str, command: Command, **more: object) -> None:
        who = _person(name)
        sent = {"site": CODE, "user_name": name, "user_id": who.id, "expiresInSeconds": DAY_MS / 1000}
        self._service.desk.post(SubmitJob.model_validate(sent | command | more), who)

    def _person(self) -> Actor:
        return _person(self._chance.choice(_PEOPLE))

    def _at(self, at_ms: int) -> Now:
        return Now(at_ms, self._now.boot_ms)


class _Written(NamedTuple):
    """One job of the past."""

    job: JobRow
    end_ms: int
    is_done: bool


def profile(spot: Spot) -> Profile:
    """Return the profile of the pretended site at a place."""
    camera = Device(instances=("camera_1_1",), filters=FILTERS, binnings=(1, 2))
    plain = {name: Device(instances=(f"{name}1",)) for name in ("mount", "focuser", "filter_wheel", "enclosure")}
    return Profile(
        code=CODE,
        name=f"Demo, {spot.name}",
        latitude_deg=spot.place.latitude_deg,
        longitude_deg=spot.place.longitude_deg,
        elevation_m=spot.place.elevation_m,
        timezone=spot.timezone,
        devices={"camera": camera, **plain},
    )


def slew(target: Target) -> Command:
    """Return the command that points the mount at a target."""
    ra_hours, dec_degrees = target.direction
    required = {"ra": round(ra_hours, 5), "dec": round(dec_degrees, 4), "frame": "ICRS"}
    return _command("mount", "mount1", "go", required, {"object": target.name})


def expose(target: Target, seconds: float, count: int, band: str) -> Command:
    """Return the command that exposes the camera on a target."""
    required = {"time": seconds, "image_type": "light"}
    return _command(
        "camera", "camera_1_1", "expose", required, {"count": count, "filter": band, "object_name": target.name}
    )


def _command(
    device: str, instance: str, action: str, required: Command | None = None, optional: Command | None = None
) -> Command:
    params = {"required_params": required or {}, "optional_params": optional or {}}
    return {"device": device, "instance": instance, "action": action, **params}


def _person(name: str) -> Actor:
    return said(f"lan|{name.casefold()}", name, ())
