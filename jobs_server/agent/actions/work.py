"""What an action has at hand: the order, the site's devices, and ways to say how it goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from ..devices.interfaces import Device
from ..errors import NotPossible, Refused
from ..observatory import Observatory
from ..orders import Order
from ..site_file import DeviceLines

Report = Callable[..., None]
"""Takes a status, the seconds left or None, and a message; may raise Stopped, which ends the job between two moves."""
Show = Callable[[bytes, str], None]
"""Takes a preview as JPEG, and a name for it."""
Result = dict[str, Any]
Kind = TypeVar("Kind", bound=Device)
Lines = TypeVar("Lines", bound=DeviceLines)


@dataclass(frozen=True)
class Work:
    """One order on its way."""

    order: Order
    observatory: Observatory
    report: Report
    show: Show

    def device(self, kind: Callable[..., Kind]) -> Kind:
        """Return the order's device, which is of the `kind` that the order names; raise Refused when there is none."""
        assert isinstance(kind, type)
        found = self.observatory.device(self.order.kind, self.order.name)
        assert isinstance(found, kind)
        return cast(Kind, found)

    def lines(self, kind: type[Lines], device: Device | None = None) -> Lines:
        """Return what agent.toml says of a device, the order's own where none is named."""
        where = (device.kind, device.name) if device is not None else (self.order.kind, self.order.name)
        lines = self.observatory.lines(*where)
        if not isinstance(lines, kind):
            raise Refused(f"{lines.name} is no {kind.kind.replace('_', ' ')}")
        return lines

    def needs(self, device: Device, ability: str, what: str) -> None:
        """Raise NotPossible when a device has not an ability; `what` completes "cannot"."""
        if ability not in device.abilities():
            raise NotPossible(f"{device.name} cannot {what}")

    def refuse_under_exposure(self, mover: Device) -> None:
        """Raise Refused when a camera that looks through a device exposes, for whomever: it would smear the picture."""
        for camera in self.observatory.cameras_on(mover):
            if camera.state().get("status") == "exposing":
                raise Refused(f"{mover.name} stays where it is: {camera.name} exposes")
