#!/usr/bin/env bash
# astroplan 0.10.1 (astropy 8.0.2) and ephem 4.2.1: "sunset" of one place and day differs by six minutes. astroplan's
# is the centre of the disc at 0 degrees without air; ephem's the upper limb with refraction. Where the sun does not
# set, ephem raises and astroplan returns a masked time, which is neither before nor after any other.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" &&
    "$folder/venv/bin/pip" install -q astroplan==0.10.1 astropy==8.0.2 ephem==4.2.1 || exit 2
cd "$folder"

venv/bin/python - <<'PYTHON'
import sys
import warnings

import astropy.units as u
import ephem
from astroplan import Observer
from astropy.time import Time
from astropy.utils import iers

iers.conf.auto_download, iers.conf.auto_max_age = False, None
warnings.simplefilter("ignore")  # the warnings only say that nothing was found
noon = Time("2026-11-29T12:00:00")


def by_astroplan(latitude, **options):
    place = Observer(longitude=12 * u.deg, latitude=latitude * u.deg, elevation=0 * u.m)
    return place.sun_set_time(noon, which="next", n_grid_points=150, **options)


def by_ephem(latitude):
    place = ephem.Observer()
    place.lat, place.lon, place.date = str(latitude), "12", "2026/11/29 12:00"
    try:
        return str(place.next_setting(ephem.Sun()))[-8:-3]
    except ephem.CircumpolarError as error:
        return type(error).__name__


never = by_astroplan(80)
seen = {
    "astroplan, latitude 47.7": by_astroplan(47.7).strftime("%H:%M"),
    "astroplan, latitude 47.7, at -0.83 degrees": by_astroplan(47.7, horizon=-0.83 * u.deg).strftime("%H:%M"),
    "ephem, latitude 47.7": by_ephem(47.7),
    "astroplan, latitude 80: masked, after noon, before noon": (
        bool(never.masked),
        bool(never > noon),
        bool(never < noon),
    ),
    "ephem, latitude 80": by_ephem(80),
}
stated = {
    "astroplan, latitude 47.7": "15:17",
    "astroplan, latitude 47.7, at -0.83 degrees": "15:23",
    "ephem, latitude 47.7": "15:23",
    "astroplan, latitude 80: masked, after noon, before noon": (True, False, False),
    "ephem, latitude 80": "NeverUpError",
}
for what, value in seen.items():
    print(f"{what}: {value}", "" if value == stated[what] else f"(stated: {stated[what]})")
sys.exit(seen != stated)
PYTHON
