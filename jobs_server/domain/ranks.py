"""Ranks: texts by whose order jobs wait, so that one job is put between two others by writing its own row alone.

A rank is a fraction in the digits of ULIDs (Crockford's base 32), of which there is always one more between two others.
A new job's rank is its ULID. The first 26 digits of a rank are never above the largest ULID so far, so each new job
comes behind all that wait.
"""

from __future__ import annotations

from collections.abc import Sequence

_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_VALUES = {digit: value for value, digit in enumerate(_DIGITS)}
_BITS = 5
_ULID_DIGITS = 26
LOWEST = ""
"""Below each rank."""
LONGEST = 64
"""How long a rank becomes before all that wait at its site are ranked anew."""


def between(low: str, high: str) -> str:
    """Return a rank above one and below another."""
    digits = max(len(low), len(high), _ULID_DIGITS)
    while (distance := _number(high, digits) - _number(low, digits)) < 2:
        digits += 1
    return _text(_number(low, digits) + distance // 2, digits)


def behind(last: str, newest_ulid: str) -> str:
    """Return a rank above the last one and below that of each job to come, whose ULIDs are above the newest so far."""
    newest = max(last[:_ULID_DIGITS], newest_ulid)
    return between(last, _text(_number(newest, _ULID_DIGITS) + 1, _ULID_DIGITS))


def anew(ulids_in_order: Sequence[str]) -> list[str]:
    """Return new ranks for jobs in the order in which they wait: their own ULIDs, dealt out again."""
    return sorted(ulids_in_order)


def _number(rank: str, digits: int) -> int:
    number = 0
    for digit in rank:
        number = number << _BITS | _VALUES[digit]
    return number << _BITS * (digits - len(rank))


def _text(number: int, digits: int) -> str:
    return "".join(_DIGITS[number >> _BITS * place & len(_DIGITS) - 1] for place in reversed(range(digits)))
