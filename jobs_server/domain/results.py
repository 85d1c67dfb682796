"""What a site says came of a job: an object with each report, merged key by key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol, TypeVar

from pydantic_core import from_json, to_json

from ..errors import BadRequest, Fault

MOST_BYTES = 16 * 1024
"""How large the result of one report may be."""
MOST_WHOLE_BYTES = 64 * 1024
"""How large all results of a job may be when merged."""


class WithResult(Protocol):
    """A step of a job's history."""

    @property
    def result(self) -> str | None: ...


AnyStep = TypeVar("AnyStep", bound=WithResult)


class Merged:
    """The results of a job so far: of one key the later word stands."""

    def __init__(self) -> None:
        self._values: dict[str, Any] | None = None

    @property
    def text(self) -> str | None:
        """Return the results as JSON; None when there were none."""
        return None if self._values is None else to_json(self._values).decode()

    def add(self, result: str | None) -> None:
        """Merge what came with one more report."""
        if result is not None:
            self._values = (self._values or {}) | from_json(result)

    def through(self, steps: Iterable[AnyStep]) -> Iterator[AnyStep]:
        """Yield the steps of a history, and merge their results."""
        for step in steps:
            self.add(step.result)
            yield step


def text_of(result: Mapping[str, Any]) -> str:
    """Return a result as JSON. Raises BadRequest when it is too large for one report."""
    text = to_json(result)
    if len(text) > MOST_BYTES:
        raise _too_large(f"result must be an object of at most 16 KiB, not {len(text)} bytes")
    return text.decode()


def merged(results: Iterable[str | None]) -> str | None:
    """Return results as one, as JSON; None when there are none. Raises BadRequest when it would be too large."""
    whole = Merged()
    for result in results:
        whole.add(result)
    text = whole.text
    if text is not None and len(text.encode()) > MOST_WHOLE_BYTES:
        raise _too_large("result: all results of this job together must be at most 64 KiB; send keys that change")
    return text


def _too_large(sentence: str) -> BadRequest:
    return BadRequest(f"Error: {sentence}", [Fault("result", sentence)])
