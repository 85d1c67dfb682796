"""Work out with astropy when the sun and the moon pass the heights that `jobs_server.observatory.sky` looks for.

Neither the service nor its tests need astropy: what it says stands in `sky.json`, which this program wrote, so:

    python -m venv sky && sky/bin/pip install astropy==8.0.2 && sky/bin/python tests/data/make_sky.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import astropy
import numpy as np
from astropy import units as u
from astropy.coordinates import AltAz, EarthLocation, get_body
from astropy.time import Time
from astropy.utils import iers

iers.conf.auto_download = False  # the tables that come with astropy; what they foretell is right to a tenth of a second
iers.conf.auto_max_age = None

LIGHTS = ("day", "civil", "nautical", "astronomical", "night")
STEP_SECONDS = 60
MOON_KM = 1737.4

# latitude, longitude, metres; the first day, which begins at the local noon by the sun; days; what it is there for
PLACES = (
    (-30.0, 289.3, 0, "2026-05-10", 1, "a longitude beyond 180"),
    (-30.0, -70.7, 0, "2026-05-10", 1, "the same place by its other longitude"),
    (-30.17, -70.81, 2207, "2026-12-03", 1, "a mountain"),
    (19.82, 204.53, 4205, "2026-08-14", 1, "a mountain on an island, with a longitude beyond 180"),
    (51.4779, 0.0, 0, "2026-03-20", 1, "Greenwich at the equinox"),
    (51.4779, 0.0, 0, "2026-06-21", 1, "neither an astronomical night nor a moonrise"),
    (40.0, 179.95, 0, "2026-10-01", 1, "just west of 180 degrees"),
    (40.0, -179.95, 0, "2026-10-01", 1, "just east of 180 degrees"),
    (40.0, 180.05, 0, "2026-10-01", 1, "the same, counted on"),
    (-41.05, 145.9, 120, "2027-01-05", 1, "summer in the south"),
    (0.0, 360.0, 0, "2026-09-23", 1, "the equator, all the way round"),
    (47.7, 12.01, 1838, "2026-11-24", 2, "two days on a mountain"),
    (65.0, -18.0, 0, "2026-06-21", 1, "65 degrees in summer"),
    (65.0, -18.0, 0, "2026-12-21", 1, "65 degrees in winter"),
    (65.0, 342.0, 0, "2026-03-01", 1, "65 degrees in spring"),
    (-65.0, 64.0, 0, "2026-12-21", 1, "65 degrees south in summer"),
    (65.725, 25.0, 0, "2026-06-20", 1, "the sun sets for some minutes"),
    (69.6, 18.9, 0, "2026-12-21", 3, "no sunrise"),
    (69.6, 18.9, 0, "2026-06-21", 3, "no sunset"),
    (90.0, 0.0, 0, "2026-09-20", 8, "the north pole, at the sunset of the year"),
    (-90.0, 0.0, 2835, "2026-09-15", 8, "the south pole, at the sunrise of the year"),
    (90.0, 300.0, 0, "2026-06-21", 1, "the north pole by day"),
)


def main() -> None:
    """Write the file."""
    cases = [_case(*each) for each in PLACES]
    source = f"astropy {astropy.__version__}, its built-in ephemeris, AltAz without refraction"
    rows = ",\n".join(f"  {json.dumps(case)}" for case in cases)
    made = f'{{\n"source": {json.dumps(source)},\n"made_by": "tests/data/make_sky.py",\n"cases": [\n{rows}\n]\n}}\n'
    Path(__file__).with_name("sky.json").write_text(made, encoding="utf-8")


def _case(latitude: float, longitude: float, metres: float, day: str, days: int, about: str) -> dict[str, Any]:
    west = (longitude + 180) % 360 - 180
    begin = Time(f"{day}T12:00:00", scale="utc") - west / 15 * u.hour
    begin_ms = round(begin.unix / 60) * 60_000
    count = days * 86400 // STEP_SECONDS
    at = Time(begin_ms / 1000 + STEP_SECONDS * np.arange(count + 1), format="unix", scale="utc")
    here = EarthLocation.from_geodetic(west * u.deg, latitude * u.deg, metres * u.m)
    frame = AltAz(obstime=at, location=here, pressure=0 * u.hPa)
    sun = get_body("sun", at, here).transform_to(frame)
    moon = get_body("moon", at, here).transform_to(frame)
    dip = 1.76 / 60 * metres**0.5
    limits = (-0.833 - dip, -6.0, -12.0, -18.0)
    radius = np.degrees(np.arcsin(MOON_KM / moon.distance.to_value(u.km)))
    return {
        "about": about,
        "place": [latitude, longitude, metres],
        "from_ms": begin_ms,
        "to_ms": begin_ms + days * 86_400_000,
        "sun": _spans(sun.alt.deg, [np.full(count + 1, limit) for limit in limits], LIGHTS, begin_ms),
        "moon": _spans(moon.alt.deg, [-34 / 60 - radius - dip], ("up", "down"), begin_ms),
    }


def _spans(height: Any, limits: list[Any], names: tuple[str, ...], begin_ms: int) -> list[list[Any]]:
    """List what there is from the begin on, each with when it begins."""
    steps = []
    for number, limit in enumerate(limits):
        above = height - limit
        for i in np.nonzero((above[:-1] > 0) != (above[1:] > 0))[0]:
            part = above[i] / (above[i] - above[i + 1])
            name = names[number + 1] if above[i] > 0 else names[number]
            steps.append([round(begin_ms + 1000 * STEP_SECONDS * (i + part)), name])
    first = next((name for name, limit in zip(names, limits, strict=False) if height[0] > limit[0]), names[-1])
    return [[begin_ms, first], *sorted(steps)]


if __name__ == "__main__":
    main()
