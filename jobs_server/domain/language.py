"""A language in which people read texts: what stands for an English text, and how numbers and days are written.

English is its own catalogue. Other languages are made where their catalogues are read; what knows of neither, such as
the lines that describe jobs, takes a `Language` and is English without one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


def marked(text: str) -> str:
    """Return a text as it is, so that the catalogues take it up: it is translated where it is shown."""
    return text


def _one_or_many(one: str, many: str, count: int) -> str:
    return one if count == 1 else many


@dataclass(frozen=True, eq=False)
class Language:
    """Where the texts of a language come from, and how the language writes what is no text."""

    code: str
    gettext: Callable[[str], str]
    ngettext: Callable[[str, str, int], str]
    named: Callable[[str], str]
    """Return what stands for a name of the wire, of a device, an action or a parameter, with blanks in it."""
    point: str
    """What stands before the decimals of a number."""
    days: tuple[str, ...]
    """The days of the week from Monday on."""
    short_days: tuple[str, ...]

    def text(self, english: str, **values: object) -> str:
        """Return what stands for an English text, with values in the place of `%(name)s`; a percent sign is `%%`."""
        return self.gettext(english) % values

    def count(self, one: str, many: str, num: int, **values: object) -> str:
        """Return what stands for an English text about one or several things; `%(num)s` is how many."""
        return self.ngettext(one, many, num) % {"num": num, **values}

    def number(self, written: str) -> str:
        """Return a number, written as English writes it, with this language's decimal sign and thin gaps for commas."""
        return written if self.point == "." else written.replace(",", "\u202f").replace(".", self.point)


ENGLISH = Language(
    code="en",
    gettext=marked,
    ngettext=_one_or_many,
    named=marked,
    point=".",
    days=("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    short_days=("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
)
