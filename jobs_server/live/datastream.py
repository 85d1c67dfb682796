"""What the public UI's open pages are told of a site: its status, lines of its log, the phase it is in."""

from __future__ import annotations

from ..state.companion import Companion
from ..state.site_log import Line
from ..state.statuses import Entry
from .feed import Feed
from .sockets import Sockets


def sockets_of(companion: Companion, feed: Feed) -> Sockets:
    """Return the sockets that are told what a companion takes, until the feed stops."""
    sockets = Sockets(lambda: feed.stopping)

    def tell_entry(entry: Entry) -> None:
        sockets.tell(entry.site, "sitestatus", entry.public())

    def tell_line(line: Line) -> None:
        sockets.tell(line.site, "userstatus", {"site": line.site, **line.public()})

    companion.statuses.on_entry.append(tell_entry)
    companion.log.on_line.append(tell_line)
    companion.on_phase.append(lambda phase: sockets.tell(phase["site"], "phase_status", phase))
    return sockets
