"""Lists of targets as planning programs write them: whose a file is, what stands in it, and what is not understood.

A file is known by what is in it, not by its name. What cannot be read is said, line by line, and nothing is left out in
silence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from ..errors import shown
from . import list_objects, list_tables, list_xml, solar_system, targets
from .coordinates import within_a_turn
from .list_items import Item, Unreadable, number
from .own_targets import LONGEST_KIND, LONGEST_NAME, LONGEST_NOTE, OwnTarget
from .targets import Target, key_of

MOST_BYTES = 4 * 1024 * 1024
MOST_ITEMS = 10_000
"""How many targets one list may have."""
_FINEST = 8
_FAINTEST = 100


@dataclass
class Reading:
    """What was read of a file."""

    form: str = ""
    """Whose list it is, for people."""
    targets: list[OwnTarget] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """What was not understood or is worth a word, a sentence for each, with where it stands."""


def read(data: bytes, known: Callable[[str], Iterable[Target]] = lambda name: targets.named(name, 0, None)) -> Reading:
    """Read a list of any kind that is known here; `known` looks names up. Raises ValueError when it is none of them."""
    if len(data) > MOST_BYTES:
        raise ValueError(f"a list may have at most {MOST_BYTES // 1024 // 1024} MB")
    made = Reading()
    text = text_of(data, made.problems)
    made.form, items = _items(text)
    seen: dict[str, str] = {}
    for count, item in enumerate(items):
        if count == MOST_ITEMS:
            raise ValueError(f"a list may have at most {MOST_ITEMS:,} entries; part this one")
        _take(item, made, seen, known)
    if not made.targets and not made.problems:
        made.problems.append("there is no target in it")
    return made


def _items(text: str) -> tuple[str, Iterator[Item | Unreadable]]:
    begin = text.lstrip()[:60]
    if begin.startswith(("{", "[")):
        return list_objects.read_json(text)
    if begin.startswith("<"):
        return list_xml.read(text)
    if begin.startswith("SkySafariObservingListVersion"):
        return list_objects.read_skylist(text)
    return list_tables.read(text)


def text_of(data: bytes, problems: list[str]) -> str:
    """Return the text of a file, with the line ends of one kind: those of old Macs and of Windows are read too."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = data.decode("utf-16", "replace")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("cp1252", "replace")
            problems.append("the file is not UTF-8: it was read as Windows-1252; look at names with accents")
    if "\0" in text:
        raise ValueError("the file is no text")
    return text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _take(
    item: Item | Unreadable, made: Reading, seen: dict[str, str], known: Callable[[str], Iterable[Target]]
) -> None:
    if isinstance(item, Unreadable):
        made.problems.append(f"{item.where}: {item.why}")
        return
    try:
        target = target_of(item, known)
    except ValueError as error:
        made.problems.append(f"{item.where}: {error}")
        return
    key = key_of(target.name)
    if key in seen:
        made.problems.append(f"{item.where}: {shown(target.name)} stands in {seen[key]} already; the first is taken")
        return
    if target.ra_hours is None and item.ra_hours is not None:
        made.problems.append(f"{item.where}: {target.name} moves: where it stands is reckoned anew each time")
    seen[key] = item.where
    made.targets.append(target)


def target_of(item: Item, known: Callable[[str], Iterable[Target]]) -> OwnTarget:
    """Return an entry as a target. Raises ValueError with a sentence."""
    names = [each for each in (" ".join(name.split()) for name in item.names) if each]
    if not names:
        raise ValueError("it has no name")
    name = names[0]
    if "\0" in name + item.note + item.kind:
        raise ValueError(f"{shown(name, 40)} has a character in it that no text has (NUL)")
    if len(name) > LONGEST_NAME:
        raise ValueError(f"{shown(name, 40)} is a name of more than {LONGEST_NAME} characters")
    note, kind = " ".join(item.note.split()), " ".join(item.kind.split())[:LONGEST_KIND]
    if len(note) > LONGEST_NOTE:
        raise ValueError(f"{shown(name)} has a note of more than {LONGEST_NOTE} characters")
    magnitude = number(item.magnitude)
    is_bright = magnitude is not None and abs(magnitude) < _FAINTEST
    made = OwnTarget(name, kind, magnitude=magnitude if is_bright else None, note=note)
    if body := next(filter(None, map(solar_system.called, names)), None):
        return made._replace(name=body, kind=solar_system.kind(body))
    if item.ra_hours is not None and item.dec_degrees is not None:
        return _placed(made, item.ra_hours, item.dec_degrees)
    for each in names:
        for target in known(each):
            kind, bright = made.kind or target.kind, target.magnitude if made.magnitude is None else made.magnitude
            return _placed(made._replace(kind=kind, magnitude=bright), *target.direction)
    raise ValueError(f"{shown(name)} has no coordinates, and no catalogue here knows the name")


def _placed(target: OwnTarget, ra_hours: float, dec_degrees: float) -> OwnTarget:
    if not 0 <= ra_hours <= 24:
        raise ValueError(f"{shown(target.name)} has the right ascension {ra_hours:.12g} h; it must be from 0 to 24")
    if not -90 <= dec_degrees <= 90:
        raise ValueError(
            f"{shown(target.name)} has the declination {dec_degrees:.12g} degrees; it must be from -90 to 90"
        )
    hours = within_a_turn(round(ra_hours, _FINEST), "h") + 0.0
    return target._replace(ra_hours=hours, dec_degrees=round(dec_degrees, _FINEST) + 0.0)
