#!/usr/bin/env bash
# astropy 8.0.2 and CSV: angles as observing lists have them are refused for one sign: the ordinal (U+00BA) in place
# of the degree sign (U+00B0), or the seconds' quote that was doubled, as in a quoted cell, in a cell without quotes:
# Python's csv leaves both quotes there. "hr" for hours is read.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" install -q astropy==8.0.2 || exit 2
cd "$folder"

venv/bin/python - <<'PYTHON'
import csv
import sys

import astropy.units as u
from astropy.coordinates import Angle


def degrees(text):
    try:
        return round(float(Angle(text, u.deg).deg), 4)
    except ValueError:
        return "ValueError"


unquoted = next(csv.reader(["M 99,12h 18' 49\"\""]))[1]
stated = {
    "14° 24' 59\"": 14.4164,
    "14º 24' 59\"": "ValueError",
    "12h 18' 49\"": 184.7042,
    "12hr 18' 49\"": 184.7042,
    "12h 18' 49\"\"": "ValueError",
}
seen = {text: degrees(text) for text in (*list(stated)[:-1], unquoted)}
for what, value in seen.items():
    print(f"{what}: {value}", "" if value == stated[what] else f"(stated: {stated[what]})")
sys.exit(seen != stated)
PYTHON
