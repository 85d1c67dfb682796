#!/usr/bin/env bash
# icalendar 7.3.2 and vobject 0.9.9: the zone that icalendar adds by itself has the clock changes of decades in one
# list, and vobject then reads the summer an hour late; with the changes of three years alone it reads the same event
# right. A night that is reserved would be shown an hour wrong in somebody's calendar. icalendar
# also writes the change to summer time at 03:00, the time on the clocks after it, where RFC 5545 has the time before.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" install -q icalendar==7.3.2 vobject==0.9.9 || exit 2
cd "$folder"

cat > read.py <<'PYTHON'
import sys
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import icalendar
import vobject

at = datetime(2026, 7, 1, 22, tzinfo=UTC)
calendar, event = icalendar.Calendar(), icalendar.Event()
calendar.add("prodid", "-//example//EN")
calendar.add("version", "2.0")
event.add("uid", "one")
event.add("dtstamp", at)
event.add("dtstart", at.astimezone(ZoneInfo("Europe/Berlin")))
calendar.add_component(event)
years = {} if sys.argv[1] == "all" else {"first_date": date(2025, 1, 1), "last_date": date(2028, 1, 1)}
calendar.add_missing_timezones(**years)
text = calendar.to_ical().decode()
(own,) = icalendar.Calendar.from_ical(text).walk("VEVENT")
begin = next(part for part in text.split("BEGIN:DAYLIGHT")[1].split() if part.startswith("DTSTART"))
print(f"icalendar {own.start.astimezone(UTC):%H:%M}, vobject", end=" ")
print(f"{vobject.readOne(text).vevent.dtstart.value.astimezone(UTC):%H:%M}, summer from {begin[-6:-2]}")
PYTHON

stated_all="icalendar 22:00, vobject 23:00, summer from 0300"
stated_few="icalendar 22:00, vobject 22:00, summer from 0300"
changed=0
for years in all few; do
  seen=$(venv/bin/python read.py "$years")
  stated="stated_$years"
  if [ "$seen" = "${!stated}" ]; then echo "$years years: $seen"; else
    echo "$years years: $seen (stated: ${!stated})"
    changed=1
  fi
done
exit $changed
