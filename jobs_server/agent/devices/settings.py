"""What a device is told beside its address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..frames import Frame


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How patient and how exact a device is; each kind reads what concerns it."""

    abort_seconds: float = 10.0  # within which a stop must have been seen
    settle_seconds: float = 3.0  # a position may lag so long behind the driver's word
    rest_seconds: float = 1.1  # nothing may move so long before it is called at rest; drivers report once a second
    answer_seconds: float = 10.0  # within which a driver must have answered at all
    silence_seconds: float = 10.0  # after which an INDI server that says nothing is gone
    poll_seconds: float = 0.25  # between two questions to Alpaca
    check_seconds: float = 1.0  # between two looks whether an Alpaca device is still there
    connect_seconds: float = 30.0  # within which a driver must have connected its hardware
    tolerance: float | None = None  # degrees, or steps of a focuser; None: the kind's own
    um_per_step: float | None = None
    frame: Frame | None = None  # of a mount that does not say its own
    limits: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # of weather: least and largest, by key
