"""What lists and sequences of planning programs have to be carried out: targets, exposures and focusing, in order.

A list of targets is one without exposures. What is not taken over is said, and nothing is left out in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath

from ..errors import shown
from . import list_objects, sequence_json, sequence_xml, target_lists, targets
from .list_items import Item, Unreadable
from .own_targets import OwnTarget
from .sequence_entries import Exposure, Found, LeftOut, Mark, Times
from .targets import Target

Entry = OwnTarget | Exposure | Mark
Known = Callable[[str], Iterable[Target]]
MOST_FILES = 50


@dataclass
class Sequence:
    """What was read of the files of one plan."""

    form: str = ""
    """Whose it is, for people."""
    title: str = ""
    entries: list[Entry] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """What is missing in the entries, a sentence for each, with where it stands."""
    remarks: list[str] = field(default_factory=list)
    """What else is to be said: what is not taken over, and what is done otherwise."""
    begins: str = ""
    """When it is to begin, by the clock of the PC that wrote the file; blank for as soon as may be."""
    ends: str = ""

    @property
    def has_exposures(self) -> bool:
        """Whether anything is to be taken."""
        return any(isinstance(entry, Exposure) for entry in self.entries)

    @property
    def targets(self) -> list[OwnTarget]:
        """Return the targets in their order."""
        return [entry for entry in self.entries if isinstance(entry, OwnTarget)]


def leave_out_idle(made: Sequence) -> None:
    """Leave out the targets at which nothing is to be taken, where others bring their exposures, and say so."""
    kept, at = list[Entry](), 0
    while at < len(made.entries):
        end = next((number for number in range(at + 1, len(made.entries)) if _begins(made.entries[number])), None)
        part = made.entries[at:end]
        if isinstance(part[0], OwnTarget) and not any(isinstance(each, Exposure) for each in part):
            made.problems.append(f"nothing is to be taken at {shown(part[0].name)}, which is left out")
        else:
            kept += part
        at += len(part)
    made.entries = kept


def _begins(entry: Entry) -> bool:
    return isinstance(entry, OwnTarget) or entry is Mark.NO_TARGET


def read(files: Mapping[str, bytes], known: Known = lambda name: targets.named(name, 0, None)) -> Sequence:
    """Read a list or a sequence with the sequences that it names, by the names of the files.

    `known` looks names up. Raises ValueError with a sentence when a file is of no program that is known here.
    """
    texts = {PurePath(name.replace("\\", "/")).name: data for name, data in files.items()}
    if len(files) > MOST_FILES:
        raise ValueError(f"at most {MOST_FILES} files at once")
    if len(texts) < len(files):
        raise ValueError("two of the files have the same name: bring them in one after the other")
    made = Sequence()
    lists = [name for name in texts if not _is_part(name, texts)]
    for name in lists:
        _read_one(name, texts, made, known)
    made.remarks = list(dict.fromkeys(made.remarks))  # Several jobs may name one sequence.
    made.title = made.title or PurePath(lists[0]).stem
    if not made.entries and not made.problems:
        made.problems.append("there is nothing in it that could be carried out")
    return made


def _is_part(name: str, texts: Mapping[str, bytes]) -> bool:
    """Whether a file is a sequence that came with the list that names it."""
    has_list = any(other.lower().endswith(".esl") for other in texts)
    return has_list and name.lower().endswith(".esq")


def _read_one(name: str, texts: Mapping[str, bytes], made: Sequence, known: Known) -> None:
    data = texts[name]
    if len(data) > target_lists.MOST_BYTES:
        raise ValueError(f"{shown(name)}: a list may have at most {target_lists.MOST_BYTES // 1024 // 1024} MB")
    text = target_lists.text_of(data, made.remarks)
    begin = text.lstrip()[:1]
    if begin == "<":
        others = {other: target_lists.text_of(texts[other], made.remarks) for other in texts if _is_part(other, texts)}
        made.form, found = sequence_xml.read(text, others)
    elif begin in ("{", "[") and not list_objects.is_stellarium(value := list_objects.parsed(text)):
        made.form, made.title, found = sequence_json.read(value)
    else:
        reading = target_lists.read(data, known)
        made.form = reading.form
        made.entries += reading.targets
        made.problems += reading.problems
        return
    _take(found, made, known)


def _take(found: Iterable[Found], made: Sequence, known: Known) -> None:
    """Put what was found into the sequence, with each target looked up; what a lost target was to have is lost too."""
    is_lost = False
    for each in _bounded(found):
        if isinstance(each, Item):
            is_lost = not _has_taken(each, made, known)
        elif isinstance(each, Unreadable):
            made.problems.append(f"{each.where}: {each.why}")
            is_lost = is_lost or each.is_target
        elif isinstance(each, LeftOut):
            made.remarks.append(f"{each.where}: {each.sentence}")
        elif isinstance(each, Times):
            made.begins, made.ends = each
        elif each is Mark.NO_TARGET:
            is_lost = False
            made.entries.append(each)
        elif not is_lost:
            made.entries.append(each)


def _has_taken(item: Item, made: Sequence, known: Known) -> bool:
    try:
        made.entries.append(target_lists.target_of(item, known))
    except ValueError as error:
        made.problems.append(f"{item.where}: {error}; what it was to have is left out too")
        return False
    return True


def _bounded(found: Iterable[Found]) -> Iterator[Found]:
    for count, each in enumerate(found):
        if count == target_lists.MOST_ITEMS:
            raise ValueError(f"a list may have at most {target_lists.MOST_ITEMS:,} entries; part this one")
        yield each
