"""What one app is made of: the factory makes it once, and a view asks for it with `service()`.

Everything below the views takes what it needs as arguments.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from flask import Flask, current_app

from .config import Settings
from .history.plan_times import PlanTimes
from .jobs.desk import Desk
from .jobs.limits import Limits
from .jobs.plan_desk import PlanDesk
from .jobs.remote_calendar import RemoteCalendar
from .live.feed import Feed
from .observatory.profiles import ProfilesFile
from .state.devices import DeviceStates
from .state.previews import Previews
from .state.storing import Storing
from .storage.database import Database
from .storage.notifications import Listener
from .storage.statement import Connection

if TYPE_CHECKING:
    from .api.metrics import Metrics
    from .auth.gate import Gate
    from .live.sockets import Sockets
    from .state.companion import Companion
    from .upkeep.checks import Health
    from .upkeep.maintenance import DailyWork
    from .upkeep.request_ids import Listener as AnswerListener

EXTENSION = "jobs_server"
"""Where an app keeps its `Service`, among its extensions."""


@dataclass(frozen=True, kw_only=True)
class Service:
    """Hold the parts of one app."""

    settings: Settings
    origins: Mapping[str, str]
    """By name of a setting, where its value came from."""
    database: Database
    listener: Listener | None
    """Hears the other servers on the same PostgreSQL; none on SQLite."""
    feed: Feed
    limits: Limits
    calendar: RemoteCalendar | None
    """The calendar elsewhere, where one is set."""
    desk: Desk
    plans: PlanDesk
    plan_times: PlanTimes
    profiles: ProfilesFile
    devices: DeviceStates
    """What sites say of their devices."""
    storing: Storing
    previews: Previews
    companion: Companion | None
    """What is kept for the public clients; none where the companion is off, and then nothing of it is loaded."""
    sockets: Sockets | None
    """The WebSockets of the public UI's pages; none where the companion is off."""
    gate: Gate
    sign_in: Any
    """Authlib's client at the issuer; None where people do not sign in on the pages."""
    daily_work: DailyWork
    health: Health
    metrics: Metrics
    answer_listeners: list[AnswerListener]
    """Called for each answer that leaves."""

    @property
    def is_on_duty(self) -> bool:
        """Whether this server is to do what only one of several on one database should."""
        return self.listener is None or self.listener.on_duty


def service_of(app: Flask) -> Service:
    """Return the service of an app."""
    return cast(Service, app.extensions[EXTENSION])


def service() -> Service:
    """Return the service of the running app."""
    return service_of(current_app)


def transaction(site: str | None = None) -> AbstractContextManager[Connection]:
    """Open one write unit on the running app's database; see `Database.transaction`."""
    return service().database.transaction(site)


def reading(*, urgent: bool = False) -> AbstractContextManager[Connection]:
    """Open the running app's database for reading; see `Database.reading`."""
    return service().database.reading(urgent=urgent)
