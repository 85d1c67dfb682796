"""What stands open although it is not safe, as sites' software says it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..errors import shown
from .findings import Finding, Grade

if TYPE_CHECKING:
    from ..service import Service

KEY = "roof "
"""What the name of an alert of an open roof begins with."""
_ROOFS = frozenset(("enclosure", "dome", "roof"))
_LONGEST_REASON = 200


def open_roofs(service: Service) -> Iterator[Finding]:
    """Look which roofs are not closed while their state has an `unsafe_reason`.

    A report that is old counts too: a roof that was open in the rain when its software fell silent is the worst case.
    """
    for site, device in service.devices.unsafe(_ROOFS):
        status = str(device.values.get("status") or "of unknown state").strip()
        if status.casefold() == "closed":
            continue
        reason = shown(str(device.values["unsafe_reason"]), _LONGEST_REASON)
        age = f", as was said {device.age_ms // 1000} s ago" if device.is_grey else ""
        sentence = f"{shown(device.key)} is {shown(status)} and not safe: {reason}{age}"
        yield Finding(f"{KEY}{site} {device.key}", Grade.BAD, sentence, alert=f"{site}: {sentence}")
