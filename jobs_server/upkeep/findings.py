"""What is found of one thing in an installation, for all who ask: `/readyz`, alerts, doctor and pages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Grade(StrEnum):
    """How bad a finding is."""

    GOOD = "good"
    NOTE = "note"  # it is worth knowing, and the service works
    BAD = "bad"  # it is to be put right


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one thing, in a sentence that says what to do where something is to be done."""

    about: str
    grade: Grade
    sentence: str
    fix: Callable[[], str] | None = None
    """Puts it right and returns what was done; none where only a person should."""
    public: str = ""
    """What `/readyz` tells anybody; empty for what keeps nobody from working."""
    alert: str = ""
    """What somebody is woken with; empty for what can wait."""
