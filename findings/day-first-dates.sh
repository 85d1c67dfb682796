#!/usr/bin/env bash
# ephem 4.2.1 and SpiceyPy 8.3.0: a date with the day first is taken for another date, each for one of its own. None
# of them reports an error. A year of two digits after the month's name is taken for the day by SpiceyPy, and the day
# for the year.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" install -q ephem==4.2.1 spiceypy==8.3.0 || exit 2
cd "$folder"

venv/bin/python - <<'PYTHON'
import datetime
import sys

import ephem
import spiceypy

J2000 = datetime.datetime(2000, 1, 1, 12)


def by_spice(text):
    seconds, fault = spiceypy.tparse(text)
    return fault or f"{J2000 + datetime.timedelta(seconds=seconds):%Y-%m-%d}"


seen = {
    "ephem, 29/11/2026": str(ephem.Date("29/11/2026")),
    "ephem, 29.11.2026": str(ephem.Date("29.11.2026")),
    "SpiceyPy, 29/11/2026": by_spice("29/11/2026"),
    "SpiceyPy, 29 Nov 26": by_spice("29 Nov 26"),
}
stated = {
    "ephem, 29/11/2026": "35/5/19 00:00:00",
    "ephem, 29.11.2026": "28/12/1 00:00:00",
    "SpiceyPy, 29/11/2026": "2028-05-11",
    "SpiceyPy, 29 Nov 26": "2029-11-26",
}
for what, value in seen.items():
    print(f"{what}: {value}", "" if value == stated[what] else f"(stated: {stated[what]})")
sys.exit(seen != stated)
PYTHON
