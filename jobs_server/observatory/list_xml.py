"""Lists as XML: Ekos' scheduler lists and sequences, and N.I.N.A.'s sets of targets."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree as Tree

from . import xml_lines
from .list_items import Item, Unreadable, number
from .list_objects import NINA_PARTS, of_parts
from .xml_lines import Document


def read(text: str) -> tuple[str, Iterator[Item | Unreadable]]:
    """Return whose XML it is, and its targets. Raises ValueError when it is of no program that is known here."""
    document = xml_lines.parsed(text)
    name = document.root.tag.rpartition("}")[2]
    if name == "SchedulerList":
        return "Ekos’ scheduler list", (scheduled(document, each, at) for at, each in jobs(document))
    if name == "SequenceQueue":
        return "Ekos’ sequence", _sequence(document)
    if "CaptureSequenceList" in name:
        return "N.I.N.A.’s targets", (of_set(document, each, at) for at, each in sets(document))
    raise ValueError(f"the XML is a {name[:40]}, which is no list that is read here")


def jobs(document: Document) -> Iterator[tuple[int, Tree.Element]]:
    """Yield the jobs of a list of Ekos with their numbers."""
    return enumerate(document.root.iter("Job"), 1)


def sets(document: Document) -> Iterator[tuple[int, Tree.Element]]:
    """Yield the targets of a set of N.I.N.A. with their numbers."""
    root = document.root
    return enumerate([root] if root.tag == "CaptureSequenceList" else root.iter("CaptureSequenceList"), 1)


def scheduled(document: Document, job: Tree.Element, at: int) -> Item | Unreadable:
    """Return the target of a job of Ekos' scheduler."""
    where = document.where(job, f"job {at}")
    if follows(job):
        return Unreadable(where, "it belongs to the job before it, for another camera, and is no target of its own")
    item = Item(where, ((job.findtext("Name") or "").strip(),), note=(job.findtext("Group") or "").strip())
    texts = [job.findtext(f"Coordinates/{key}") for key in ("J2000RA", "J2000DE")]
    if not any(texts):
        return item
    ra, dec = (number(each or "") for each in texts)
    if ra is None or dec is None:
        why = "its coordinates are no numbers: J2000RA is in hours, J2000DE in degrees"
        return Unreadable(where, why, is_target=True)
    return item._replace(ra_hours=ra, dec_degrees=dec)


def follows(job: Tree.Element) -> bool:
    """Whether a job of Ekos' scheduler has no target of its own: another camera takes it beside the one before."""
    kind = job.find("JobType")
    return kind is not None and kind.get("lead") == "false"


def _sequence(document: Document) -> Iterator[Item | Unreadable]:
    """Yield the targets that a sequence names; it has neither their coordinates nor any other use here."""
    names = [(job.findtext("TargetName") or "").strip() for _, job in jobs(document)]
    for at, job in jobs(document):
        name = names[at - 1]
        if name and name not in names[: at - 1]:
            yield Item(document.where(job, f"job {at}"), (name,))
    if not any(names):
        why = "it names no target; its exposures are read where a plan is made of it"
        yield Unreadable("the sequence", why)


def of_set(document: Document, each: Tree.Element, at: int) -> Item | Unreadable:
    """Return a target of a set of N.I.N.A.; one without any of the coordinates that N.I.N.A. reads has none."""
    item = Item(document.where(each, f"target {at}"), (each.get("TargetName", ""),))
    if not any(name in each.attrib for name in NINA_PARTS):
        return item
    parts = [(each.get(name) or "0").replace(",", ".") for name in NINA_PARTS]
    return of_parts(item, parts, negative=each.get("NegativeDec", "").lower() == "true")
