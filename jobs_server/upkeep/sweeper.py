"""A thread that labels jobs which are too old or silent, and notes which sites are silent, every few seconds."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Event, Thread

from .. import clock
from ..clock import Now
from ..config import Settings
from ..errors import Unavailable
from ..jobs import expiry
from ..live import silences
from ..live.presence import Presence
from ..storage.database import Database

log = logging.getLogger(__name__)


def sweep(database: Database, settings: Settings, started: Now) -> int:
    """Label what is to be labelled now, site by site; nothing is written when there is nothing."""
    with database.reading() as connection:
        sites = expiry.sites_to_label(connection, clock.read(), started, settings)
        old_keys = expiry.any_old_keys(connection, clock.read())
    count = 0
    for site in sites:
        with database.transaction(site) as connection:
            count += expiry.put(connection, site, clock.read(), started, settings)
    if old_keys:
        with database.transaction() as connection:
            expiry.forget_old_keys(connection, clock.read())
    return count


def start(
    database: Database, settings: Settings, presence: Presence, on_duty: Callable[[], bool] = lambda: True
) -> Event:
    """Sweep in the background, while on duty, until the event that this gives back is set, or the process ends."""
    stop, started = Event(), clock.read()

    def run() -> None:
        while not stop.wait(settings.sweep_seconds):
            if on_duty():
                _try("jobs could not be labelled", lambda: sweep(database, settings, started))
                _try("a site's silence could not be noted", lambda: silences.note(database, presence, settings.sites))

    Thread(target=run, name="sweeper", daemon=True).start()
    return stop


def _try(failure: str, work: Callable[[], object]) -> None:
    """Work; whatever keeps it from being done, what is due later is done."""
    try:
        work()
    except Unavailable as error:
        log.warning("%s: %s", failure, error.sentence)
    except Exception:
        log.exception(failure)
