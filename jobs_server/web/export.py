"""Jobs as rows of a file: CSV that no spreadsheet takes for formulas, and JSON, both piece by piece."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TypeVar

import orjson
from flask import Response

from ..history.now import JobWithTiming
from ..jobs import wire
from ..observatory import describe
from . import formats

COLUMNS = (
    *("posted_utc", "seen_utc", "started_utc", "ended_utc", "waited_s", "ran_s", "result", "status"),
    *("what", "device", "instance", "action", "user_name", "user_id", "required_params", "optional_params", "ulid"),
    "why",
)
Piece = TypeVar("Piece", str, bytes)
_PIECE_CHARACTERS = 64 * 1024
_MARK = "\ufeff"
"""The byte order mark: without it, spreadsheets read UTF-8 as the code page of the PC."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def cell(value: str | float | None) -> str:
    """Write a cell; text that a spreadsheet would run as a formula is marked as text."""
    if value is None:
        return ""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    return f"{value:g}" if isinstance(value, int) else f"{value:.3f}"


def csv_file(pages: Iterable[list[JobWithTiming]], name: str) -> Response:
    """Answer with a CSV file."""
    response = Response(_begun(_csv(pages)), content_type="text/csv; charset=utf-8")
    return _named(response, f"{name}.csv")


def json_file(pages: Iterable[list[JobWithTiming]], name: str) -> Response:
    """Answer with a JSON file: the jobs as the API shows them, each with the times of its timing."""
    return _named(Response(_begun(_json(pages)), content_type="application/json"), f"{name}.json")


def _begun(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """Make the first piece at once: while the database cannot be read, that is a refusal, and no file that breaks off.

    Raises Unavailable.
    """
    return chain([next(pieces)], pieces)


def _csv(pages: Iterable[list[JobWithTiming]]) -> Iterator[str]:
    buffer = io.StringIO()
    buffer.write(_MARK)
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for page in pages:
        while page:  # What was written is let go, and a piece of the file is hardly larger than a job.
            writer.writerow([cell(value) for value in _row(page.pop(0))])
            if buffer.tell() > _PIECE_CHARACTERS:
                yield _emptied(buffer)
    yield _emptied(buffer)


def _emptied(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text


def _row(row: JobWithTiming) -> list[str | float | None]:
    job, timing = row
    times = (timing.posted_ms, timing.seen_ms, timing.started_ms, timing.ended_ms)
    spans = (timing.waited_ms, timing.ran_ms)
    return [
        *(None if ms is None else formats.iso(ms) for ms in times),
        *(None if ms is None else ms / 1000 for ms in spans),
        timing.result.value if timing.result else "",
        job.status,
        describe.describe_job(job),
        *(job.device, job.instance, job.action, job.user_name, job.user_id),
        *(job.required_params, job.optional_params, job.ulid),
        timing.why,
    ]


def _json(pages: Iterable[list[JobWithTiming]]) -> Iterator[bytes]:
    separator = b"["
    for page in pages:
        while page:
            each = page.pop(0)
            yield separator + orjson.dumps(wire.job_object(each.job) | {"life": each.timing._asdict()})
            separator = b",\n"
    yield b"[]" if separator == b"[" else b"]"


def _named(response: Response, name: str) -> Response:
    safe = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "-_.") else "_" for letter in name)
    response.headers["Content-Disposition"] = f'attachment; filename="{safe}"'
    return response
