#!/usr/bin/env bash
# ephem 4.2.1: its refraction, on unless the pressure is 0, lifts the sun below the horizon too: from -3.3 degrees to
# -2.0, and "3 degrees below" comes ten minutes late. At -6 degrees it has nearly ended. The pressure stays that of
# sea level when the elevation is set, until compute_pressure() is called.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" install -q ephem==4.2.1 || exit 2
cd "$folder"

venv/bin/python - <<'PYTHON'
import math
import sys

import ephem

observer = ephem.Observer()
observer.lat, observer.lon = "47.7", "12"


def altitude(when, pressure):
    observer.pressure, observer.date = pressure, f"2026/11/29 {when}"
    return round(math.degrees(ephem.Sun(observer).alt), 1)


def below(horizon, pressure):
    observer.pressure, observer.horizon, observer.date = pressure, horizon, "2026/11/29 12:00"
    return str(observer.next_setting(ephem.Sun(), use_center=True))[-8:-3]


def pressures():
    high = ephem.Observer()
    high.elevation = 1838
    before = high.pressure
    high.compute_pressure()
    return before, round(high.pressure)


stated = {
    "altitude at 15:40, with and without air": (-2.0, -3.3),
    "altitude at 15:50, with and without air": (-3.6, -4.7),
    "altitude at 16:30, with and without air": (-10.9, -10.9),
    "3 degrees below, with and without air": ("15:48", "15:38"),
    "6 degrees below, with and without air": ("15:59", "15:58"),
    "pressure at 1838 m, before and after compute_pressure": (1010.0, 811),
}
seen = {
    "altitude at 15:40, with and without air": (altitude("15:40", 1010), altitude("15:40", 0)),
    "altitude at 15:50, with and without air": (altitude("15:50", 1010), altitude("15:50", 0)),
    "altitude at 16:30, with and without air": (altitude("16:30", 1010), altitude("16:30", 0)),
    "3 degrees below, with and without air": (below("-3", 1010), below("-3", 0)),
    "6 degrees below, with and without air": (below("-6", 1010), below("-6", 0)),
    "pressure at 1838 m, before and after compute_pressure": pressures(),
}
for what, value in seen.items():
    print(f"{what}: {value}", "" if value == stated[what] else f"(stated: {stated[what]})")
sys.exit(seen != stated)
PYTHON
