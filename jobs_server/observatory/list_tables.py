"""Lists as tables: Telescopius' CSV, plain CSV with commas, semicolons or tabs, and names alone, one a line."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from .list_items import Item, Unreadable, angle, number

_MOST_LINES = 20
_LONGEST_HEADER = 100_000
_SAYS_SEPARATOR = re.compile(r'"?sep=([,;\t|])"?', re.IGNORECASE)
_SEPARATORS = (",", ";", "\t", "|")
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "name": (
        "catalogue entry",
        "catalog entry",
        "name",
        "target",
        "target name",
        "object",
        "designation",
        "pane",
        "id",
    ),
    "other": ("familiar name", "common name", "alternative entries", "other names", "proper name"),
    "ra": (
        *(
            "ra_hours",
            "ra hours",
            "ra (hours)",
            "ra (h)",
            "ra_h",
            "ra_degrees",
            "ra degrees",
            "ra (degrees)",
            "ra (deg)",
        ),
        *(
            "ra_deg",
            "right ascension (j2000)",
            "ra (j2000)",
            "ra j2000",
            "raj2000",
            "ra_j2000",
            "right ascension",
            "ra",
        ),
    ),
    "dec": (
        *("dec_degrees", "dec degrees", "dec (degrees)", "dec (deg)", "dec_deg", "dec_d", "declination (j2000)"),
        *("dec (j2000)", "dec j2000", "dej2000", "decj2000", "dec_j2000", "declination", "dec", "decl"),
    ),
    "kind": ("type", "kind", "object type"),
    "magnitude": ("magnitude", "mag", "vmag", "v mag"),
    "note": ("notes", "note", "comment", "comments", "description"),
}
"""Headers by what they mean, in the order in which they are preferred: J2000 before what says no equinox."""


def read(text: str) -> tuple[str, Iterator[Item | Unreadable]]:
    """Return whose table it is, and its rows."""
    lines = text.split("\n")
    first, separator = _first(lines)
    header = lines[first] if first < len(lines) else ""
    if len(header) > _LONGEST_HEADER:
        raise ValueError(f"its first line has {len(header)} characters, which is no list of targets")
    columns = _meaning(_cells(header, separator))
    if ("name" in columns and len(columns) > 1) or list(columns) == ["name"]:
        form = "Telescopius’ CSV" if "right ascension (j2000)" in header.lower() else "CSV"
        return form, _rows(lines, first + 1, separator, columns, _headers(header, separator))
    if header.count(separator):
        return "CSV without a header", _rows(lines, first, separator, {"name": 0, "ra": 1, "dec": 2}, [])
    return "names, one a line", _names(lines)


def _first(lines: Sequence[str]) -> tuple[int, str]:
    """Return which line is the first of a table, and what parts its cells.

    A spreadsheet's `sep=;` before it, and comments before a line that names columns, are of no table.
    """
    written = [at for at, line in enumerate(lines) if line.strip()]
    if len(written) > 1 and (match := _SAYS_SEPARATOR.fullmatch(lines[written[0]].strip(" "))):
        return written[1], match[1]
    first = written[0] if written else len(lines)
    if written and not _names_columns(lines[first]):
        uncommented = next((at for at in written if not lines[at].lstrip().startswith("#")), first)
        first = uncommented if _names_columns(lines[uncommented]) else first
    return first, _separator(lines[first] if written else "")


def _names_columns(line: str) -> bool:
    columns = _meaning(_cells(line[:_LONGEST_HEADER], _separator(line)))
    return "name" in columns and len(columns) > 1


def _separator(header: str) -> str:
    header = header[:_LONGEST_HEADER]
    return max(_SEPARATORS, key=lambda each: (len(_meaning(_cells(header, each))), header.count(each)))


def _cells(line: str, separator: str) -> list[str]:
    """Part a line; a quote inside of a cell without quotes, as Telescopius writes it, stays what it is."""
    return [cell.strip() for cell in next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])]


def _headers(line: str, separator: str) -> list[str]:
    return [re.sub(r"\s+", " ", cell.strip(" \"'#").casefold()) for cell in _cells(line, separator)]


def _meaning(cells: Sequence[str]) -> dict[str, int]:
    """Return which column is what, by the names of the columns and never by their places."""
    names = [re.sub(r"\s+", " ", cell.strip(" \"'#").casefold()) for cell in cells]
    found = {}
    for meaning, titles in _COLUMNS.items():
        title = next((title for title in titles if title in names), None)
        if title is not None:
            found[meaning] = names.index(title)
    return found


def _names(lines: Sequence[str]) -> Iterator[Item | Unreadable]:
    for at, line in enumerate(lines, 1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield Item(f"line {at}", (line.strip(),))


def _rows(
    lines: Sequence[str], begin: int, separator: str, columns: Mapping[str, int], headers: Sequence[str]
) -> Iterator[Item | Unreadable]:
    rows = _table("\n".join(lines[begin:]), separator, begin)
    in_degrees = _says_degrees(headers, columns, rows)
    for at, cells in rows:
        where = f"line {at}"
        if isinstance(cells, str):
            yield Unreadable(where, cells)
        else:
            yield _row(where, cells, columns, in_degrees)


def _table(text: str, separator: str, begin: int) -> list[tuple[int, list[str] | str]]:
    """Return rows, each with the line where it ends; a cell in quotes may go over lines, but not over many."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    rows, ends = list[tuple[int, list[str] | str]](), [0]
    try:
        for cells in reader:
            ends.append(reader.line_num)
            if any(cell.strip() for cell in cells):
                rows.append((begin + reader.line_num, [cell.strip() for cell in cells]))
    except csv.Error:
        rows = []
    if not rows or max(after - before for before, after in pairwise(ends)) > _MOST_LINES:
        # A quote that is never closed took many lines for one cell: each line is a row then.
        lines = enumerate(text.split("\n"), begin + 1)
        return [(at, _safe_cells(line, separator)) for at, line in lines if line.strip()]
    return rows


def _safe_cells(line: str, separator: str) -> list[str] | str:
    try:
        return _cells(line, separator)
    except csv.Error as error:
        return f"it is no row: {error}"


def _says_degrees(
    headers: Sequence[str], columns: Mapping[str, int], rows: Sequence[tuple[int, list[str] | str]]
) -> bool | None:
    """Whether right ascensions that are plain numbers are in degrees, by header or values; None when neither says."""
    if "ra" not in columns:
        return None
    header = headers[columns["ra"]] if headers else ""
    if re.search(r"deg", header):
        return True
    if re.search(r"hour|\(h\)|_h$", header):
        return False
    cells = (cells[columns["ra"]] for _, cells in rows if not isinstance(cells, str) and len(cells) > columns["ra"])
    return True if any((number(cell) or 0) > 24 for cell in cells) else None


def _row(where: str, cells: Sequence[str], columns: Mapping[str, int], in_degrees: bool | None) -> Item | Unreadable:
    values = {meaning: cells[at] if at < len(cells) else "" for meaning, at in columns.items()}
    others = re.split(r"[,;]", values.get("other", ""))
    names = (values.get("name", ""), *(each.strip() for each in others))
    if not any(names):
        return Unreadable(where, "it has no name")
    item = Item(where, tuple(filter(None, names)), kind=values.get("kind", ""), magnitude=values.get("magnitude", ""))
    item = item._replace(note=values.get("note", ""))
    ra, dec = values.get("ra", ""), values.get("dec", "")
    if not ra and not dec:
        return item
    try:
        return item._replace(ra_hours=_hours(ra, in_degrees), dec_degrees=angle(dec, "deg"))
    except ValueError as error:
        return Unreadable(where, str(error))


def _hours(text: str, in_degrees: bool | None) -> float:
    value = number(text)
    if value is None:
        return angle(text, "h")
    if in_degrees is None:
        raise ValueError(f"is {text} in hours or in degrees? call the column ra_hours or ra_degrees")
    return value / 15 if in_degrees else value
