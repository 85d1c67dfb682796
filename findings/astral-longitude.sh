#!/usr/bin/env bash
# astral 3.2: an eastern longitude above 180 degrees becomes 180, without a word. INDI and many maps count longitudes
# from 0 to 360. 355.5 degrees are 4.5 degrees west; astral's noon there comes twelve hours off.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" install -q astral==3.2 || exit 2
cd "$folder"

venv/bin/python - <<'PYTHON'
import datetime
import sys

from astral import Observer
from astral.sun import noon

DAY = datetime.date(2026, 11, 29)


def at(longitude):
    observer = Observer(47.0, longitude, 0.0)
    return observer.longitude, f"{noon(observer, DAY):%d. %H:%M}"


seen = {"355.5 east, and noon": at(355.5), "4.5 west, and noon": at(-4.5), "190 east, and noon": at(190.0)}
stated = {
    "355.5 east, and noon": (180.0, "28. 23:48"),
    "4.5 west, and noon": (-4.5, "29. 12:06"),
    "190 east, and noon": (180.0, "28. 23:48"),
}
for what, value in seen.items():
    print(f"{what}: {value}", "" if value == stated[what] else f"(stated: {stated[what]})")
sys.exit(seen != stated)
PYTHON
