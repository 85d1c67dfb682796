#!/usr/bin/env bash
# Skyfield 1.55: a declination of minus half a degree, given in its parts as (-0, 30, 0) or (0, -30, 0), is plus half
# a degree. Python's integer -0 is 0. (-0.0, 30, 0) keeps the sign. astropy 8.0.2 refuses such parts altogether.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" install -q skyfield==1.55 astropy==8.0.2 || exit 2
cd "$folder"

venv/bin/python - <<'PYTHON'
import sys

import astropy.units as u
from astropy.coordinates import Angle
from skyfield.api import Star


def by_astropy(parts):
    try:
        return Angle(parts, u.deg).deg
    except TypeError:
        return "TypeError"


def by_skyfield(*parts):
    return float(Star(ra_hours=(0, 0, 0), dec_degrees=parts).dec.degrees)


seen = {
    "-0, 30, 0": by_skyfield(-0, 30, 0),
    "0, -30, 0": by_skyfield(0, -30, 0),
    "-0.0, 30, 0": by_skyfield(-0.0, 30, 0),
    "-1, 30, 0": by_skyfield(-1, 30, 0),
    "-0, 30, 0 by astropy": by_astropy((-0, 30, 0)),
}
stated = {
    "-0, 30, 0": 0.5,
    "0, -30, 0": 0.5,
    "-0.0, 30, 0": -0.5,
    "-1, 30, 0": -1.5,
    "-0, 30, 0 by astropy": "TypeError",
}
for what, value in seen.items():
    print(f"{what}: {value}", "" if value == stated[what] else f"(stated: {stated[what]})")
sys.exit(seen != stated)
PYTHON
