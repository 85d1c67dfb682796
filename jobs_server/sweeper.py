"""A thread that labels jobs which are too old or silent, every few seconds."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Event, Thread

from . import clock, labels
from .clock import Now
from .config import Settings
from .db import Database
from .errors import Unavailable

log = logging.getLogger(__name__)


def sweep(database: Database, settings: Settings, started: Now) -> int:
    """Label what is to be labelled now, site by site; nothing is written when there is nothing."""
    with database.reading() as connection:
        sites = labels.sites_to_label(connection, clock.read(), started, settings)
        old_keys = labels.any_old_keys(connection, clock.read())
    count = 0
    for site in sites:
        with database.transaction(site) as connection:
            count += labels.put(connection, site, clock.read(), started, settings)
    if old_keys:
        with database.transaction() as connection:
            labels.forget_old_keys(connection, clock.read())
    return count


def start(database: Database, settings: Settings, on_duty: Callable[[], bool] = lambda: True) -> Event:
    """Sweep in the background, while on duty, until the event that this gives back is set, or the process ends."""
    stop, started = Event(), clock.read()

    def run() -> None:
        while not stop.wait(settings.sweep_seconds):
            try:
                if on_duty():
                    sweep(database, settings, started)
            except Unavailable as error:
                log.warning("jobs could not be labelled: %s", error.sentence)
            except Exception:  # whatever it is, the next jobs are to be labelled
                log.exception("jobs could not be labelled")

    Thread(target=run, name="sweeper", daemon=True).start()
    return stop
