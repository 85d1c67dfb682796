"""What the agent needs of whatever carries orders out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from .observatory import Observatory
from .orders import Order


class Report(Protocol):
    """Takes how a job goes on; raises Stopped when it is to end."""

    def __call__(self, status: str, seconds_left: float | None = None, message: str | None = None) -> None: ...


class Actions(Protocol):
    """What carries out orders."""

    def carry_out(
        self, order: Order, observatory: Observatory, report: Report, show: Callable[[bytes, str], None]
    ) -> Mapping[str, Any]:
        """Carry an order out and return its result; raise DeviceError with the sentence of its end."""

    def devices_of(self, order: Order, observatory: Observatory) -> frozenset[str]:
        """Return the keys of the devices that an order needs; raise Refused when one is not there."""
