"""Lists of objects: Stellarium's JSON, SkySafari's skylist, and N.I.N.A.'s JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..domain import strict_json
from ..errors import shown
from .list_items import Item, Unreadable, angle, number
from .numbers_said import as_number

NINA_PARTS = ("RAHours", "RAMinutes", "RASeconds", "DecDegrees", "DecMinutes", "DecSeconds")


def read_json(text: str) -> tuple[str, Iterator[Item | Unreadable]]:
    """Return whose JSON it is, and its entries. Raises ValueError when it is of no program that is known here."""
    value = parsed(text)
    if isinstance(value, dict) and isinstance(value.get("observingLists"), dict):
        return "Stellarium’s list", _stellarium(value["observingLists"])
    if isinstance(value, dict) and isinstance(value.get("bookmarks"), dict):
        return "Stellarium’s bookmarks", _objects(list(value["bookmarks"].values()), "bookmark", "name")
    return of_nina_anywhere(value)


def of_nina_anywhere(value: object) -> tuple[str, Iterator[Item | Unreadable]]:
    """Return the targets of N.I.N.A. that stand anywhere in what JSON holds. Raises ValueError when there are none."""
    found = list(_nina(value))
    if found:
        return "N.I.N.A.’s targets", iter(found)
    raise ValueError("the JSON is no list of Stellarium and has no targets of N.I.N.A.")


def parsed(text: str) -> object:
    """Return what JSON holds. Raises ValueError with a sentence."""
    try:
        return strict_json.read(text.encode())
    except ValueError as error:
        raise ValueError(f"the file is no JSON: {error}") from None


def is_stellarium(value: object) -> bool:
    """Whether JSON is a list of Stellarium, or its bookmarks."""
    return isinstance(value, dict) and any(isinstance(value.get(key), dict) for key in ("observingLists", "bookmarks"))


def _stellarium(lists: Mapping[str, Any]) -> Iterator[Item | Unreadable]:
    for each in lists.values():
        name = _text(each.get("name")) if isinstance(each, dict) else ""
        before = f"{shown(name, 40)}, object" if name and len(lists) > 1 else "object"
        objects = each.get("objects", []) if isinstance(each, dict) else None
        if isinstance(objects, list):
            yield from _objects(objects, before, "designation")
        else:
            yield Unreadable(before, "it is no list of objects")


def _objects(objects: list[Any], before: str, key: str) -> Iterator[Item | Unreadable]:
    for at, each in enumerate(objects, 1):
        where = f"{before} {at}"
        if not isinstance(each, dict):
            yield Unreadable(where, "it is no object")
            continue
        names = tuple(_text(each.get(name)) for name in (key, "name", "nameI18n"))
        item = Item(
            where, tuple(dict.fromkeys(filter(None, names))), kind=_text(each.get("objtype")) or _text(each.get("type"))
        )
        magnitude = str(each.get("magnitude", ""))
        yield _with_place(item._replace(magnitude=magnitude), each.get("ra", ""), each.get("dec", ""))


def _text(value: object) -> str:
    """Return a text or a number of JSON as text without blanks around it; anything else is none."""
    return str(value).strip() if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def _with_place(item: Item, ra: object, dec: object) -> Item | Unreadable:
    """Return an entry with its coordinates; both are blank where the person did not have them written."""
    ra_text, dec_text = (str(each if each is not None else "").strip() for each in (ra, dec))
    if not ra_text and not dec_text:
        return item
    try:
        return item._replace(ra_hours=angle(ra_text, "h"), dec_degrees=angle(dec_text, "deg"))
    except ValueError as error:
        return Unreadable(item.where, str(error))


def read_skylist(text: str) -> tuple[str, Iterator[Item | Unreadable]]:
    """Return the objects of SkySafari's list, which have names and no coordinates of their own."""
    return "SkySafari’s list", _skylist(text.split("\n"))


def _skylist(lines: list[str]) -> Iterator[Item | Unreadable]:
    values: dict[str, list[str]] | None = None
    where = ""
    for at, line in enumerate(lines, 1):
        key, separator, value = (part.strip() for part in line.partition("="))
        if (key, value) == ("SkyObject", "BeginObject"):
            if values is not None:
                yield Unreadable(where, "the object has no end")
            values, where = {}, f"line {at}"
        elif (key, value) == ("EndObject", "SkyObject") and values is not None:
            yield _of_skylist(where, values)
            values = None
        elif values is not None and separator:
            values.setdefault(key, []).append(value)
        elif line.strip() and (values is not None or not separator):
            yield Unreadable(f"line {at}", f"{shown(line.strip(), 40)} is not understood")
    if values is not None:
        yield Unreadable(where, "the object has no end")


def _of_skylist(where: str, values: Mapping[str, list[str]]) -> Item | Unreadable:
    names = (*values.get("CatalogNumber", []), *values.get("CommonName", []))
    if not any(names):
        return Unreadable(where, "the object has neither a name nor a number")
    item = Item(where, tuple(filter(None, names)), note=" ".join(values.get("Comment", [])))
    ra, dec = (number(values.get(key, [""])[0]) for key in ("EndObjectRA", "EndObjectDec"))
    return item if ra is None or dec is None else item._replace(ra_hours=ra, dec_degrees=dec)


def _nina(value: object) -> Iterator[Item | Unreadable]:
    """Yield the targets that stand anywhere in a sequence."""
    todo, at = [value], 0
    while todo:
        each = todo.pop()
        if isinstance(each, dict):
            if isinstance(each.get("InputCoordinates"), dict):
                at += 1
                yield of_nina(f"target {at}", each, each["InputCoordinates"])
            todo.extend(reversed(list(each.values())))
        elif isinstance(each, list):
            todo.extend(reversed(each))


def of_nina(where: str, target: Mapping[str, Any], place: Mapping[str, Any]) -> Item | Unreadable:
    """Return a target of N.I.N.A. with its coordinates; one without any of those that N.I.N.A. reads has none."""
    item = Item(where, (_text(target.get("TargetName")) or _text(target.get("Name")),))
    if not any(name in place for name in NINA_PARTS):
        return item
    return of_parts(item, [place.get(name) for name in NINA_PARTS], negative=place.get("NegativeDec") is True)


def of_parts(item: Item, parts: list[Any], *, negative: bool) -> Item | Unreadable:
    """Return an entry with coordinates in six parts; a declination is negative if either of its signs says so."""
    found = [as_number(0 if part is None else part) for part in parts]
    if None in found or not item.names[0].strip():
        why = "it has no name" if None not in found else "its coordinates are no numbers"
        return Unreadable(item.where, why, is_target=True)
    hours, minutes, seconds, degrees, arcminutes, arcseconds = (each or 0.0 for each in found)
    if any(abs(each) > 60 for each in (minutes, seconds, arcminutes, arcseconds)) or min(minutes, seconds) < 0:
        return Unreadable(item.where, "its coordinates have minutes or seconds that are no part of one", is_target=True)
    is_negative = negative or degrees < 0 or str(parts[3]).strip().startswith("-")
    dec = abs(degrees) + abs(arcminutes) / 60 + abs(arcseconds) / 3600
    return item._replace(ra_hours=hours + minutes / 60 + seconds / 3600, dec_degrees=-dec if is_negative else dec)
