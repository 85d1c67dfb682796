"""The ids by which a lost reply is had again, one series for each poll that a site makes."""

from __future__ import annotations

import uuid
from collections.abc import Iterable


class ClaimIds:
    """The id that the next claim of a poll carries, and those that may still bring jobs."""

    def __init__(self, current: str | None = None, retired: Iterable[str] = ()) -> None:
        """Take what the file says; no id: a new series."""
        self.was_there = current is not None
        """Whether an earlier run of the program may have asked with the id."""
        self.current = current or _new_id()
        self.retired = set(retired)

    def renew(self) -> None:
        """Draw the id of the next claim."""
        self.current = _new_id()

    def retire(self) -> None:
        """Draw the id of the next claim, and remember that the present one may still bring jobs."""
        self.retired.add(self.current)
        self.renew()

    def go_back(self, claim_id: str) -> None:
        """Go on with an earlier id, since the change could not be kept."""
        self.retired.discard(claim_id)
        self.current = claim_id


def _new_id() -> str:
    return uuid.uuid4().hex
