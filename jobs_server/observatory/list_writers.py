"""Lists of targets as other programs read them: CSV, and Stellarium's observing list."""

from __future__ import annotations

import csv
import io
import json
import uuid
from collections.abc import Iterable
from datetime import datetime

from .coordinates import sexagesimal
from .own_targets import OwnTarget

HEADERS = (
    *("Catalogue Entry", "Type", "Right Ascension (j2000)", "Declination (j2000)", "Magnitude", "Notes"),
    *("ra_hours", "dec_degrees"),
)
"""As Telescopius names them, and at the end the exact numbers."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_OURS = uuid.UUID("6f9c0d0e-5b7e-4b52-9a66-2f0a3d1c7b18")


def to_csv(targets: Iterable[OwnTarget]) -> str:
    """Write targets as CSV; text that a spreadsheet would run as a formula is marked as text."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(HEADERS)
    for each in targets:
        ra, dec = _texts(each)
        exact = ["" if value is None else f"{value:.8f}" for value in (each.ra_hours, each.dec_degrees)]
        magnitude = "" if each.magnitude is None else f"{each.magnitude:g}"
        writer.writerow([_cell(each.name), _cell(each.kind), ra, dec, magnitude, _cell(each.note), *exact])
    return "\ufeff" + buffer.getvalue()


def to_stellarium(targets: Iterable[OwnTarget], name: str, written: datetime) -> str:
    """Write targets as one observing list of Stellarium 23.1 and later (`.sol`)."""
    key = f"{{{uuid.uuid5(_OURS, name)}}}"
    day = f"{written:%Y-%m-%d %H:%M:%S}"
    objects = [_object(each) for each in targets]
    made = {"name": name, "description": "", "creation date": day, "last edit": day, "sorting": "", "objects": objects}
    whole = {"defaultListOlud": "", "observingLists": {key: made}}
    whole |= {"shortName": "Observing list for Stellarium", "version": "2.1"}
    return json.dumps(whole, ensure_ascii=False, indent=2) + "\n"


def _object(target: OwnTarget) -> dict[str, object]:
    ra, dec = _texts(target)
    magnitude = "–" if target.magnitude is None else f"{target.magnitude:.2f}"
    return {
        "designation": target.name,
        "name": target.note,
        "nameI18n": target.note,
        "type": "Planet" if target.ra_hours is None else "",
        "objtype": target.kind,
        "ra": ra.replace(" ", ""),
        "dec": dec.replace(" ", "").replace("′", "'").replace("″", '"'),
        "magnitude": magnitude,
        "constellation": "",
        "jd": 0,
        "location": "",
        "landscapeID": "",
        "fov": 0,
        "isVisibleMarker": True,
    }


def _texts(target: OwnTarget) -> tuple[str, str]:
    if target.ra_hours is None or target.dec_degrees is None:
        return "", ""
    return sexagesimal(target.ra_hours, "h"), sexagesimal(target.dec_degrees, "deg")


def _cell(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
