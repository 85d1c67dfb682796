"""Write `jobs_server/observatory/sky_objects.txt`: the places of the deep sky and of named stars, by all their names.

    python3 -m venv venv && venv/bin/pip install pyongc==1.2.2 ephem==4.2.1
    venv/bin/python tools/sky_objects.py jobs_server/observatory/sky_objects.txt

The deep sky is OpenNGC's (CC BY-SA 4.0), as PyOngc carries it; the stars are PyEphem's (MIT), from Hipparcos. NOTICE
says what was changed. The file has three parts with a blank line between them: the objects, brightest first, the index
of names that people give, and the index of NGC and IC numbers. A line of an index is a folded name and where its
object's line begins in the file; both indexes are in the order of their bytes.
"""

from __future__ import annotations

import math
import re
import sqlite3
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pyongc
from ephem import stars

_KINDS = {
    "*": "star",
    "**": "double star",
    "*Ass": "star cloud",
    "OCl": "open cluster",
    "GCl": "globular cluster",
    "Cl+N": "cluster with nebula",
    "G": "galaxy",
    "GPair": "pair of galaxies",
    "GTrpl": "triplet of galaxies",
    "GGroup": "group of galaxies",
    "PN": "planetary nebula",
    "HII": "nebula",
    "DrkN": "dark nebula",
    "EmN": "nebula",
    "Neb": "nebula",
    "RfN": "reflection nebula",
    "SNR": "supernova remnant",
    "Nova": "nova",
    "Other": "object",
}
_NUMBERED = re.compile(r"(NGC|IC|Mel|B|C|H|Cl|ESO|HCG|MWSC|PGC|UGC)\s*0*(\d+)(.*)")
_CALDWELL = re.compile(r"C 0*(\d+)")
_CATALOGUES = {"Cl": "Cr", "C": "C"}
_NOT_THERE = "NonEx"


class Entry(NamedTuple):
    """An object of the sky."""

    names: list[str]
    kind: str
    ra_hours: float
    dec_degrees: float
    magnitude: float | None
    motion: tuple[float, float] = (0, 0)
    """In milliarcseconds a year on the sky, of stars."""

    def line(self) -> str:
        """Write the object as the file has it."""
        magnitude = "" if self.magnitude is None else f"{self.magnitude:.1f}"
        motion = ",".join(f"{each:g}" for each in self.motion) if any(self.motion) else ""
        place = (f"{self.ra_hours:.6f}", f"{self.dec_degrees:.5f}")
        return "|".join((",".join(self.names), self.kind, *place, magnitude, motion)).rstrip("|")


def main() -> None:
    """Write the file."""
    found = [*_deep_sky(), *_stars()]
    objects = sorted(found, key=lambda each: (each.magnitude is None, each.magnitude or 0.0, each.names))
    common, numbers = set[tuple[str, int]](), set[tuple[str, int]]()
    offset = 0
    for each in objects:
        for name in each.names:
            is_number = name.startswith(("NGC ", "IC "))
            (numbers if is_number else common).update((key, offset) for key in _keys(name))
        offset += len(each.line().encode()) + 1
    parts = [[each.line() for each in objects], *map(_index, (common, numbers))]
    text = "\n\n".join("\n".join(lines) for lines in parts) + "\n"
    Path(sys.argv[1]).write_text(text, encoding="utf-8", newline="\n")
    print(f"{len(objects)} objects, {len(common)} names, {len(numbers)} numbers, {len(text.encode())} bytes")


def _deep_sky() -> Iterator[Entry]:
    rows = sqlite3.connect(Path(pyongc.__file__).with_name("ongc.db")).execute(
        "SELECT name, type, ra, dec, vmag, bmag, messier, ngc, ic, identifiers, commonnames FROM objects"
    )
    entries: dict[str, tuple[Entry, list[str]]] = {}
    aliases: list[tuple[str, str]] = []
    for name, kind, ra, dec, v_magnitude, b_magnitude, messier, ngc, ic, identifiers, common in rows:
        if kind == "Dup":
            meant = f"NGC{ngc}" if ngc else f"IC{ic}" if ic else "NGC5457"  # M 102 is M 101 once more
            aliases.append((meant, _shown(name)))
        elif kind != _NOT_THERE and ra is not None:
            names = [f"M {int(each)}" for each in messier.split(",") if each]
            names += [
                f"C {found[1]}" for each in identifiers.split(",") if (found := _CALDWELL.fullmatch(each.strip()))
            ]
            given = [each.strip() for each in common.split(",") if each.strip()]
            first = names[:1] if messier else []
            names = [*first, *_catalogued(name), *names[len(first) :], *given]
            magnitude = b_magnitude if v_magnitude is None else v_magnitude
            entries[name] = (
                Entry(names, _KINDS[kind], math.degrees(ra) / 15, math.degrees(dec), magnitude),
                names,
            )
    for meant, alias in aliases:
        if meant in entries:
            entries[meant][1].append(alias)
    for entry, names in entries.values():
        yield entry._replace(names=list(dict.fromkeys(names)))


def _catalogued(name: str) -> list[str]:
    """Return the name of an object in its catalogue; a Messier object that is in no other has none beside."""
    return [] if re.fullmatch(r"M0*\d+", name) else [_shown(name)]


def _shown(name: str) -> str:
    """Write a name with its blank and without zeros before the number."""
    if match := re.fullmatch(r"M0*(\d+)", name):
        return f"M {match[1]}"
    match = _NUMBERED.fullmatch(name)
    if match is None:
        raise ValueError(f"{name} has a form that is not known")
    catalogue, number, rest = match.groups()
    return f"{_CATALOGUES.get(catalogue, catalogue)} {number}{rest}"


def _stars() -> Iterator[Entry]:
    """Read the stars; two names of one place are one star."""
    found: dict[tuple[str, str], Entry] = {}
    for line in filter(None, stars.db.splitlines()):
        name, _, ra, dec, magnitude, *_ = line.split(",")
        if (ra, dec) in found:
            found[ra, dec].names.append(name)
            continue
        (hours, ra_motion), (degrees, dec_motion) = (map(float, each.split("|")) for each in (ra, dec))
        found[ra, dec] = Entry([name], "star", hours, degrees, float(magnitude), (ra_motion, dec_motion))
    yield from found.values()


def _keys(name: str) -> Iterator[str]:
    """Return what a name is found by: the whole name, and of several words what begins at each."""
    words = name.split()
    is_numbered = any(each.isdigit() for each in words)
    for start in range(1 if is_numbered else len(words)):
        yield _fold(" ".join(words[start:]))


def _fold(text: str) -> str:
    """Fold a name as `observatory.sky_objects` does: letters and digits alone, numbers without zeros before."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    parts = re.findall(r"[a-z]+|[0-9]+", plain)
    return "".join(part.lstrip("0") or "0" if part[0].isdigit() else part for part in parts)


def _index(entries: Iterable[tuple[str, int]]) -> list[str]:
    return [f"{key} {offset}" for key, offset in sorted(entries, key=lambda each: (each[0].encode() + b" ", each[1]))]


if __name__ == "__main__":
    main()
