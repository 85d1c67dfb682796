#!/usr/bin/env bash
# PyOngc 1.2.2, the package that carries OpenNGC: 23 places are written with 60 seconds, seven objects have none, and
# M102 is M101. astropy 8.0.2 reads the 60 seconds as a minute and warns each time, which is an error where warnings
# are.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" install -q pyongc==1.2.2 astropy==8.0.2 || exit 2
cd "$folder"

venv/bin/python - <<'PYTHON'
import sqlite3
import sys
import warnings
from pathlib import Path

import astropy.units as u
import pyongc
from astropy.coordinates import Angle
from pyongc import ongc

names = sqlite3.connect(Path(pyongc.__file__).with_name("ongc.db")).execute("SELECT name FROM objects").fetchall()
objects = [ongc.Dso(name) for (name,) in names]
with_60 = [each for each in objects if "60.0" in each.ra + each.dec]
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    degrees = round(float(Angle(ongc.Dso("IC1801").dec, u.deg).deg), 4)
seen = {
    "with 60 seconds": len(with_60),
    "IC1801": ongc.Dso("IC1801").dec,
    "IC1801 by astropy": (degrees, len(warned)),
    "without a place": sum(each.ra == "N/A" for each in objects),
    "M101 and M102": (ongc.get("M101").name, ongc.get("M102").name),
}
stated = {
    "with 60 seconds": 23,
    "IC1801": "+19:34:60.0",
    "IC1801 by astropy": (19.5833, 1),
    "without a place": 7,
    "M101 and M102": ("NGC5457", "NGC5457"),
}
for what, value in seen.items():
    print(f"{what}: {value}", "" if value == stated[what] else f"(stated: {stated[what]})")
sys.exit(seen != stated)
PYTHON
