#!/usr/bin/env bash
# astropy 8.0.2: the distance of the moon from a target hangs on which of the two is asked. moon.separation(target) is
# right; target.separation(moon) is 30 degrees less at the time below, because the moon is first put where it would be
# seen from the middle of the solar system. Jupiter is 9 degrees off in the same way. A warning is all that is said.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" install -q astropy==8.0.2 ephem==4.2.1 || exit 2
cd "$folder"

venv/bin/python - <<'PYTHON'
import math
import sys
import warnings

import astropy.units as u
import ephem
from astropy.coordinates import EarthLocation, SkyCoord, get_body
from astropy.time import Time
from astropy.utils import iers

iers.conf.auto_download, iers.conf.auto_max_age = False, None
time = Time("2026-11-29T22:00:00")
place = EarthLocation.from_geodetic(12 * u.deg, 47.7 * u.deg, 600 * u.m)
target = SkyCoord("05h35m17s", "-05d23m28s")


def by_ephem():
    here = ephem.Observer()
    here.lon, here.lat, here.elevation, here.date = "12", "47.7", 600, "2026/11/29 22:00"
    star = ephem.FixedBody()
    star._ra, star._dec = "5:35:17", "-5:23:28"
    star.compute(here)
    return round(math.degrees(ephem.separation(ephem.Moon(here), star)), 1)


seen = {}
for name in ("moon", "jupiter"):
    body = get_body(name, time, place)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        seen[f"{name}.separation(target)"] = round(body.separation(target).deg, 1)
        seen[f"target.separation({name})"] = round(target.separation(body).deg, 1)
    seen[f"{name}: warnings"] = sorted({each.category.__name__ for each in said})
seen["moon and target by ephem"] = by_ephem()
stated = {
    "moon.separation(target)": 62.3,
    "target.separation(moon)": 32.3,
    "moon: warnings": ["NonRotationTransformationWarning"],
    "jupiter.separation(target)": 67.3,
    "target.separation(jupiter)": 58.5,
    "jupiter: warnings": ["NonRotationTransformationWarning"],
    "moon and target by ephem": 62.3,
}
for what, value in seen.items():
    print(f"{what}: {value}", "" if value == stated[what] else f"(stated: {stated[what]})")
sys.exit(seen != stated)
PYTHON
