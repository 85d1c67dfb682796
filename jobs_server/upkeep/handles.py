"""How many files and connections the system lets this process have open, held against its threads at the start.

Who watches or waits holds a connection each; where the system allows few, those who call (a stop above all) must find
some left.
"""

from __future__ import annotations

import logging
import sys

from ..live.feed import CALLS, Feed

log = logging.getLogger(__name__)

_OWN = 32  # the listener, the log, what the server holds by itself
_OF_A_CALL = 3  # its connection, and two files of SQLite's
_ENOUGH = 4096  # connections, and what SQLite and long answers need beside them
_FEWEST_PLACES = 2


def allow_enough() -> int | None:
    """Raise the system's soft limit of open files, often 1,024, as far as is needed and allowed.

    Return how many may be open then; None where no limit is known.
    """
    if sys.platform == "win32":
        return None
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return None
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(_ENOUGH, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max(soft, wanted)


def hold_against_threads(feed: Feed) -> None:
    """Let the process open as much as it may; where its threads need more, give fewer places to who waits."""
    allowed = allow_enough()
    if allowed is None or allowed >= _needed(feed.places):
        return
    wanted, feed.places = feed.places, max(_FEWEST_PLACES, min(feed.places, allowed - _needed(0)))
    log.warning(
        "the system lets this process open %d files and connections, and its threads need %d: %d streams and waiting"
        " polls have a place, and not %d, so that stops find one; raise the limit (LimitNOFILE=, ulimit -n)",
        allowed,
        _needed(wanted),
        feed.places,
        wanted,
    )


def _needed(places: int) -> int:
    return places + CALLS * _OF_A_CALL + _OWN
