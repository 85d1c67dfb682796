"""Lists as XML: Ekos' scheduler lists and sequences, and N.I.N.A.'s sets of targets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree import ElementTree as Tree

from .list_items import Item, Unreadable, number
from .list_objects import of_parts

_LOOSE = re.compile(r"&(?!#?\w{1,10};)")
_NINA_PARTS = ("RAHours", "RAMinutes", "RASeconds", "DecDegrees", "DecMinutes", "DecSeconds")


def read(text: str) -> tuple[str, Iterator[Item | Unreadable]]:
    """Return whose XML it is, and its targets. Raises ValueError when it is of no program that is known here."""
    if re.search(r"<!(?:DOCTYPE|ENTITY)", text, re.IGNORECASE):
        raise ValueError("the XML defines things of its own (DOCTYPE), which no planning program does")
    declared = re.sub(r"^\s*<\?xml[^>]*\?>", "", text)  # it names an encoding, and this is text already
    try:
        root = Tree.fromstring(_LOOSE.sub("&amp;", declared))  # noqa: S314  # Ekos writes & as it is
    except Tree.ParseError as error:
        raise ValueError(f"the file is no XML: {error}") from None
    name = root.tag.rpartition("}")[2]
    if name == "SchedulerList":
        return "Ekos’ scheduler list", _scheduled(root)
    if name == "SequenceQueue":
        return "Ekos’ sequence", _sequence(root)
    if "CaptureSequenceList" in name:
        return "N.I.N.A.’s targets", _nina(root)
    raise ValueError(f"the XML is a {name[:40]}, which is no list that is read here")


def _scheduled(root: Tree.Element) -> Iterator[Item | Unreadable]:
    for at, job in enumerate(root.iter("Job"), 1):
        where = f"job {at}"
        item = Item(where, ((job.findtext("Name") or "").strip(),), note=(job.findtext("Group") or "").strip())
        texts = [job.findtext(f"Coordinates/{key}") for key in ("J2000RA", "J2000DE")]
        if not any(texts):
            yield item
            continue
        ra, dec = (number(each or "") for each in texts)
        if ra is None or dec is None:
            yield Unreadable(where, "its coordinates are no numbers")
        else:
            yield item._replace(ra_hours=ra, dec_degrees=dec)


def _sequence(root: Tree.Element) -> Iterator[Item | Unreadable]:
    """Yield the targets that a sequence names; it has neither their coordinates nor any other use here."""
    names = [(job.findtext("TargetName") or "").strip() for job in root.iter("Job")]
    for at, name in enumerate(names, 1):
        if name and name not in names[: at - 1]:
            yield Item(f"job {at}", (name,))
    if not any(names):
        yield Unreadable("the sequence", "it names no target; exposures are no targets")


def _nina(root: Tree.Element) -> Iterator[Item | Unreadable]:
    lists = [root] if root.tag == "CaptureSequenceList" else list(root.iter("CaptureSequenceList"))
    for at, each in enumerate(lists, 1):
        item = Item(f"target {at}", (each.get("TargetName", ""),))
        parts = [(each.get(name) or "0").replace(",", ".") for name in _NINA_PARTS]
        yield of_parts(item, parts, negative=each.get("NegativeDec", "").lower() == "true")
