#!/usr/bin/env bash
# astronomy-engine 2.1.19 (Python): a time that is read from its own form of text and written again is a millisecond
# earlier for a third of the full hours: 22:00:00Z comes back as 21:59:59.999Z, so that a text cut off at the minutes is
# a minute early. Its Utc() returns the full second. A time without Z, or with another offset, is refused.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" install -q astronomy-engine==2.1.19 || exit 2
cd "$folder"

venv/bin/python - <<'PYTHON'
import sys

import astronomy

hours = [f"2026-{month:02}-{day:02}T{hour:02}:00:00" for month in (1, 6, 11) for day in range(1, 29) for hour in range(24)]
earlier = [text for text in hours if str(astronomy.Time.Parse(f"{text}Z")) != f"{text}.000Z"]


def read(text):
    try:
        return str(astronomy.Time.Parse(text))
    except astronomy.Error as error:
        return type(error).__name__


seen = {
    "22:00 comes back as": read("2026-11-29T22:00:00Z"),
    "22:00 by Utc()": str(astronomy.Time.Parse("2026-11-29T22:00:00Z").Utc()),
    "full hours": len(hours),
    "of them earlier": len(earlier),
    "without Z": read("2026-11-29T22:00:00"),
    "with an offset": read("2026-11-29T22:00:00+01:00"),
}
stated = {
    "22:00 comes back as": "2026-11-29T21:59:59.999Z",
    "22:00 by Utc()": "2026-11-29 22:00:00",
    "full hours": 2016,
    "of them earlier": 672,
    "without Z": "DateTimeFormatError",
    "with an offset": "DateTimeFormatError",
}
for what, value in seen.items():
    print(f"{what}: {value}", "" if value == stated[what] else f"(stated: {stated[what]})")
sys.exit(seen != stated)
PYTHON
