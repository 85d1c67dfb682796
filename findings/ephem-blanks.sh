#!/usr/bin/env bash
# ephem 4.2.1: two blanks before an angle shift its fields: hours become minutes, without an error. One blank does
# not. Angles cut out of the fixed columns of a list have such blanks.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" install -q ephem==4.2.1 || exit 2
cd "$folder"

venv/bin/python - <<'PYTHON'
import sys

import ephem

stated = {
    "5:35:17": "5:35:17.00",
    " 5:35:17": "5:35:17.00",
    "  5:35:17": "0:05:35.28",
    "   5 35 17": "0:05:35.28",
    "  -5:23:28": "-0:05:23.47",
}
seen = {text: str(ephem.hours(text)) for text in stated}
for what, value in seen.items():
    print(f"{what}: {value}", "" if value == stated[what] else f"(stated: {stated[what]})")
sys.exit(seen != stated)
PYTHON
