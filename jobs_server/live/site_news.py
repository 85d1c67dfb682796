"""What a site says of itself as streams carry it: written once for all who watch the site.

It is no history: a stream that comes back gets what is known then, and so these messages have no position.
"""

from __future__ import annotations

from threading import Lock

from .. import clock
from ..errors import Unavailable
from ..jobs import plan_queries, plan_wire, wire
from ..state import devices, previews
from ..state.devices import DeviceStates
from ..state.previews import Previews
from ..storage.database import Database

SOONEST_SECONDS = 0.25
"""How soon at most a stream carries devices again: a site may report each device by itself."""


class SiteNews:
    """Write the messages of devices and pictures."""

    def __init__(self, states: DeviceStates, pictures: Previews, database: Database) -> None:
        self._states = states
        self._pictures = pictures
        self._database = database
        self._lock = Lock()
        self._written: dict[str, tuple[int, int, bytes]] = {}
        """By site the last message: from which number it goes on, up to which it goes, and its bytes."""
        self._plans: dict[str, tuple[int, int, bytes]] = {}
        """The same of plans."""

    def number(self, site: str) -> int:
        """Return a number that grows with each report of a site's devices."""
        return self._states.number(site)

    def all_devices(self, site: str) -> tuple[bytes, int]:
        """Write all devices of a site, and return the number up to which that goes; nothing where none is known."""
        try:
            number, known = self._states.number(site), self._states.at(site)
        except Unavailable:
            return b"", 0  # What is on the disk comes with the next look; the stream itself has no need of it.
        return (_devices(site, known) if known else b""), number

    def devices_since(self, site: str, number: int) -> tuple[bytes, int]:
        """Write what was said of a site's devices after a number, and return up to which that goes."""
        upto = self._states.number(site)
        if upto <= number:
            return b"", number
        with self._lock:
            since, until, message = self._written.get(site, (-1, -1, b""))
            if (since, until) != (number, upto):
                message = _devices(site, self._states.since(site, number))
                self._written[site] = (number, upto, message)
        return message, upto

    def newest_preview(self, site: str) -> tuple[bytes, int]:
        """Write the newest picture of a site that came lately, and return its number."""
        return self._previews(site, self._pictures.since(site, 0)[-1:], 0)

    def previews_since(self, site: str, number: int) -> tuple[bytes, int]:
        """Write the pictures of a site that came after a number, and return up to which that goes."""
        return self._previews(site, self._pictures.since(site, number), number)

    def _previews(self, site: str, rows: list[previews.PreviewRow], number: int) -> tuple[bytes, int]:
        messages = [b"data: %b\n\n" % wire.message("previews", site, previews.public(row)) for row in rows]
        return b"".join(messages), rows[-1].id if rows else number

    def plans_since(self, site: str, number: int, upto: int) -> tuple[bytes, int]:
        """Write the plans of a site that changed after a number, the last change first; return up to which that goes.

        `upto`: up to which there is something. Of very many the last to change are told of. Raises Unavailable.
        """
        with self._lock:
            since, until, message = self._plans.get(site, (-1, -1, b""))
            if since != number or until < upto:
                with self._database.reading() as connection:
                    found = plan_queries.since(connection, site, number)
                until = max([upto, *(plan.number for plan in found)])
                told = {"plans": [plan_wire.plan(plan) for plan in found]}
                message = b"data: %b\n\n" % wire.message("plans", site, told) if found else b""
                self._plans[site] = (number, until, message)
        return message, until

    def forget(self, site: str) -> None:
        """Forget the last message of a site, since nobody watches the site any more."""
        with self._lock:
            self._written.pop(site, None)
            self._plans.pop(site, None)


def _devices(site: str, states: list[devices.DeviceState]) -> bytes:
    return b"data: %b\n\n" % wire.message("devices", site, devices.public_site(site, states, clock.now_ms()))
