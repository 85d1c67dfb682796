"""Sequences as XML: Ekos' scheduler lists with their sequences, sequences alone, and N.I.N.A.'s sets of targets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import PurePath
from xml.etree import ElementTree as Tree

from ..errors import shown
from . import list_xml, xml_lines
from .list_items import Item, Unreadable, number
from .sequence_entries import (
    Exposure,
    Found,
    LeftOut,
    Mark,
    Times,
    binning_of,
    count_of,
    kind_of,
    left_out,
    looped,
    seconds_of,
)
from .xml_lines import Document

_TAKEN = frozenset(("Exposure", "Filter", "Type", "Count", "Delay", "Binning", "TargetName", "Gain"))
_FILES = frozenset(("Format", "Encoding", "FormatIndex", "ISOIndex", "Prefix", "FITSDirectory", "RemoteDirectory"))
_UPLOAD = frozenset(("UploadMode", "PlaceholderFormat", "PlaceholderSuffix"))
_LOOKED_AT = frozenset(("Temperature", "Frame", "GuideDitherPerJob", "Calibration", "Properties"))
"""Of these it depends on what stands in them."""
_PASSED_OVER = _TAKEN | _FILES | _UPLOAD | _LOOKED_AT
_GAINS = frozenset((("CCD_GAIN", "GAIN"), ("CCD_CONTROLS", "Gain")))
_OLD_KINDS = {"0": "Light", "1": "Bias", "2": "Dark", "3": "Flat"}


def read(text: str, sequences: Mapping[str, str]) -> tuple[str, Iterable[Found]]:
    """Return whose XML it is, and what stands in it; `sequences` are those that came with a list, by their names.

    Raises ValueError when it is of no program that is known here.
    """
    document = xml_lines.parsed(text)
    name = document.root.tag.rpartition("}")[2]
    if name == "SchedulerList":
        return "Ekos’ scheduler list", _scheduled(document, {key.casefold(): each for key, each in sequences.items()})
    if name == "SequenceQueue":
        return "Ekos’ sequence", _queue(document, "")
    if "CaptureSequenceList" in name:
        return "N.I.N.A.’s targets", _sets(document)
    raise ValueError(f"the XML is a {name[:40]}, which is no list that is read here")


def _scheduled(document: Document, sequences: Mapping[str, str]) -> Iterator[Found]:
    parsed = cache(xml_lines.parsed)  # many jobs may name the same sequence
    last = sum(1 for _ in list_xml.jobs(document))
    if last:
        yield _times(document, last)
    for at, job in list_xml.jobs(document):
        where = document.where(job, f"job {at}")
        if list_xml.follows(job):
            yield LeftOut(where, "another camera takes it beside the job before it; it is left out")
            continue
        yield list_xml.scheduled(document, job, at)
        steps = [step.text or "" for step in job.iterfind("Steps/Step")]
        if "Focus" in steps:
            yield Mark.FOCUS
        yield from left_out(where, _unused_of_job(job, steps, is_first=at == 1, is_last=at == last))
        yield from _named_sequence(where, job, sequences, parsed)
    for name in ("StartupProcedure", "ShutdownProcedure"):
        procedures = [(each.text or "").strip() or each.tag for each in document.root.iterfind(f"{name}/*")]
        yield from left_out("the list", (f"{name} {each}" for each in procedures))


def _times(document: Document, last: int) -> Times:
    jobs = dict(list_xml.jobs(document))
    return Times(_at(jobs[1], "StartupCondition"), _at(jobs[last], "CompletionCondition"))


def _at(job: Tree.Element, condition: str) -> str:
    """Return the time of a condition; blank when it is another one."""
    found = job.find(f"{condition}/Condition")
    return found.get("value", "").strip() if found is not None and found.text == "At" else ""


def _unused_of_job(job: Tree.Element, steps: list[str], *, is_first: bool, is_last: bool) -> Iterator[str]:
    for constraint in job.iterfind("Constraints/Constraint"):
        yield " ".join(filter(None, (constraint.text, constraint.get("value"))))
    yield from (step for step in steps if step not in ("Track", "Focus"))
    angle = number(job.findtext("PositionAngle") or "")
    yield f"PositionAngle {angle:g}" if angle else ""
    for condition, is_used in (("StartupCondition", is_first), ("CompletionCondition", is_last)):
        found = job.find(f"{condition}/Condition")
        if found is None or found.text in ("ASAP", "Sequence", "Repeat", None) or (found.text == "At" and is_used):
            continue
        yield " ".join(filter(None, (condition, found.text, found.get("value"))))


def _named_sequence(
    where: str, job: Tree.Element, sequences: Mapping[str, str], parsed: Callable[[str], Document]
) -> Iterator[Found]:
    """Yield the exposures of the sequence that a job names, by its name alone: its folder is on another PC."""
    path = (job.findtext("Sequence") or "").strip()
    name = PurePath(path.replace("\\", "/")).name
    if not name:
        yield LeftOut(where, "it names no sequence of exposures")
    elif (text := sequences.get(name.casefold())) is None:
        yield LeftOut(where, f"its sequence {shown(name)} did not come with the list: bring both in together")
    else:
        try:
            found = list(_queue(parsed(text), f"{shown(name)}, ", has_target=True))
            yield from looped(found, _rounds(job))
        except ValueError as error:
            yield Unreadable(f"{where}, {shown(name)}", str(error))


def _rounds(job: Tree.Element) -> int:
    found = job.find("CompletionCondition/Condition")
    return count_of(found.get("value", "1")) if found is not None and found.text == "Repeat" else 1


def _queue(document: Document, before: str, *, has_target: bool = False) -> Iterator[Found]:
    """Yield the exposures of a sequence, and its targets where no list has said these."""
    target, head = "", [each for each in document.root if each.get("enabled") == "true"]
    yield from left_out(before + "the sequence", (f"{each.tag} {(each.text or '').strip()}".strip() for each in head))
    for at, job in list_xml.jobs(document):
        where = before + document.where(job, f"job {at}")
        name = (job.findtext("TargetName") or "").strip()
        if not has_target and name != target:
            yield Item(where, (name,)) if name else Mark.NO_TARGET
            target = name
        yield from _exposure(where, lambda job=job: _of_queue(job))  # type: ignore[misc]
        yield from left_out(where, _unused_of_queue(job))
    if not document.root.findall("Job"):
        yield Unreadable(before + "the sequence", "it has no job")


def _exposure(where: str, made: Callable[[], Exposure]) -> Iterator[Found]:
    try:
        yield made()
    except ValueError as error:
        yield Unreadable(where, str(error))


def _of_queue(job: Tree.Element) -> Exposure:
    """Return the exposure of a job of Ekos. Raises ValueError."""
    text = {name: (job.findtext(name) or "").strip() for name in ("Exposure", "Filter", "Type", "Count", "Delay")}
    if text["Filter"].isdecimal():
        raise ValueError(
            f"its filter is the number {text['Filter'][:9]}, as an old Ekos wrote it: write the filter's name"
        )
    return Exposure(
        seconds_of(text["Exposure"]),
        count_of(text["Count"] or "1"),
        text["Filter"],
        binning_of(job.findtext("Binning/X") or "", job.findtext("Binning/Y") or ""),
        kind_of(_OLD_KINDS.get(text["Type"], text["Type"] or "Light")),
        seconds_of(text["Delay"] or "0", "delay"),
        _gain(job),
    )


def _gain(job: Tree.Element) -> float | None:
    """Return the gain: a property of the driver, which versions of Ekos write in two ways, or an element of its own."""
    texts = [element.text or "" for vector, element in _properties(job) if (vector, element.get("name")) in _GAINS]
    return next(filter(_is_number, map(number, [*texts, job.findtext("Gain") or ""])), None)


def _is_number(value: float | None) -> bool:
    return value is not None and value >= 0


def _properties(job: Tree.Element) -> Iterator[tuple[str, Tree.Element]]:
    for vector in job.iterfind("Properties/*"):
        for element in vector:
            yield vector.get("name", ""), element


def _unused_of_queue(job: Tree.Element) -> Iterator[str]:
    temperature = job.find("Temperature")
    if temperature is not None and temperature.get("force") == "true":
        yield f"Temperature {(temperature.text or '').strip()}"
    corner = [(job.findtext(f"Frame/{name}") or "0").strip() for name in ("X", "Y")]
    if any(each not in ("", "0") for each in corner):
        yield f"Frame from {', '.join(corner)}"
    yield from (each.tag for each in job if each.tag not in _PASSED_OVER and (len(each) or (each.text or "").strip()))
    if (number(job.findtext("GuideDitherPerJob") or "") or -1) > 0:
        yield "GuideDitherPerJob"
    for name in ("FlatSource", "FlatDuration"):
        kind = (job.findtext(f"Calibration/{name}/Type") or "").strip()
        if job.findtext("Type") == "Flat" and kind not in ("", "Manual"):
            yield f"{name} {kind}"
    for vector, element in _properties(job):
        yield "" if (vector, element.get("name")) in _GAINS else f"{vector} {element.get('name', '')}"


def _sets(document: Document) -> Iterator[Found]:
    for at, each in list_xml.sets(document):
        yield list_xml.of_set(document, each, at)
        if each.get("AutoFocusOnStart", "").lower() == "true":
            yield Mark.FOCUS
        rotates_or_waits = ("RotateTarget", "StartGuiding", "CenterTarget", "AutoFocusOnFilterChange")
        unused = [name for name in rotates_or_waits if each.get(name, "").lower() == "true"]
        yield from left_out(
            document.where(each, f"target {at}"), unused + ["Delay"] * bool(number(each.get("Delay", "")))
        )
        for number_of, frame in enumerate(each.iter("CaptureSequence"), 1):
            where = document.where(frame, f"target {at}, row {number_of}")
            if (frame.findtext("Enabled") or "true").strip().lower() != "true":
                yield LeftOut(where, "it is switched off there, and left out")
            else:
                yield from _exposure(where, lambda frame=frame: _of_set(frame))  # type: ignore[misc]


def _of_set(frame: Tree.Element) -> Exposure:
    """Return the exposure of a row of N.I.N.A. Raises ValueError."""
    gain = number(frame.findtext("Gain") or "")
    return Exposure(
        seconds_of(frame.findtext("ExposureTime") or ""),
        count_of(frame.findtext("TotalExposureCount") or "1"),
        (frame.findtext("FilterType/Name") or "").strip(),
        binning_of(frame.findtext("Binning/X") or "", frame.findtext("Binning/Y") or ""),
        kind_of(frame.findtext("ImageType") or "LIGHT"),
        gain=gain if gain is not None and gain >= 0 else None,
    )
