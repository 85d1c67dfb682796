#!/usr/bin/env bash
# ephem 4.2.1, Skyfield 1.55, astropy 8.0.2, astronomia 4.2.0 (npm): the text of a right ascension just below 24 hours
# is not below 24 hours. Three write 24 hours, the fourth 59 minutes and 60 seconds.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
{
    python3 -m venv venv && venv/bin/pip install -q ephem==4.2.1 skyfield==1.55 astropy==8.0.2 &&
        npm install --silent --no-audit --no-fund astronomia@4.2.0 >/dev/null
} || exit 2
node -e 'console.log(new (require("astronomia").sexagesimal.RA)(23, 59, 59.9999).toString(0))' >astronomia.txt

venv/bin/python - <<'PYTHON'
import sys
from pathlib import Path

import astropy.units as u
import ephem
from astropy.coordinates import SkyCoord
from skyfield.api import Angle

HOURS = 24 - 1e-7
seen = {
    "ephem": str(ephem.hours(str(HOURS))),
    "Skyfield": Angle(hours=HOURS).hstr(),
    "astropy": SkyCoord(HOURS * u.hourangle, 0 * u.deg).to_string("hmsdms", precision=2).split()[0],
    "astronomia": Path("astronomia.txt").read_text().strip(),
}
stated = {
    "ephem": "24:00:00.00",
    "Skyfield": "24h 00m 00.00s",
    "astropy": "24h00m00.00s",
    "astronomia": "23ʰ59ᵐ60ˢ",
}
for what, value in seen.items():
    print(f"{what}: {value}", "" if value == stated[what] else f"(stated: {stated[what]})")
sys.exit(seen != stated)
PYTHON
