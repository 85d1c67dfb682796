"""Numbers as people write them: with a point, or with a comma where it can have one meaning alone."""

from __future__ import annotations

import re

_WRITTEN = re.compile(r"[\d.,]+", re.ASCII)
_AMBIGUOUS = re.compile(r"(\d*),(\d{3})", re.ASCII)


def with_points(text: str) -> str:
    """Return a text with points in place of decimal commas.

    Raises ValueError, a sentence with both readings, where a comma stands before exactly three digits: `12,500` is
    12.5 to some and 12500 to others.
    """
    for number in _WRITTEN.findall(text):
        if match := _AMBIGUOUS.fullmatch(number):
            whole, rest = match.groups()
            raise ValueError(
                f"{text.strip()[:40]!r} can be read in two ways: write {whole or '0'}.{rest} or {whole}{rest}"
            )
    return text.replace(",", ".")
