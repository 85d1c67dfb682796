"""Why the next step of a plan may not be released now: each release asks anew, as if the step were just sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from ..clock import BOOT_BITS, Now, age_ms
from ..config import Settings
from ..domain.commands import SubmitJob
from ..errors import LockedOut, Unauthorized, shown
from ..storage.statement import Connection
from . import admission, lockouts, pauses, reservations
from .plan_rows import PlanRow
from .reservations import Held


class Targets(Protocol):
    """Look after the targets of plans."""

    def followed(self, command: SubmitJob, now_ms: int) -> SubmitJob:
        """Return a step's command with where its target stands when it may begin."""

    def hindrance(self, connection: Connection, command: SubmitJob, now_ms: int) -> str | None:
        """Return in words why a step's target cannot be had now, by its altitude or the sun; None when it can."""


@dataclass(frozen=True, kw_only=True)
class Releasing:
    """What a release asks of beside the database."""

    settings: Settings
    is_at_once: Callable[[str], bool] = lambda _site: False
    """Whether the steps of a site's plans are all released at once, since its software reports no ends."""
    targets: Targets | None = None
    """None: of targets nothing is known."""


class Timed(Protocol):
    """What says when it begins, and when that was said, by both clocks."""

    @property
    def not_before_ms(self) -> int | None: ...
    @property
    def created_ms(self) -> int: ...
    @property
    def created_boot_ms(self) -> int: ...


def ms_until_begin(plan: Timed, now: Now) -> int:
    """Return in how many ms the first step of a plan may be released; 0 or less when it may be now.

    The clock that is behind decides, so that a clock set forward begins nothing early.
    """
    if plan.not_before_ms is None:
        return 0
    by_wall_ms = plan.not_before_ms - now.wall_ms
    passed_ms = now.boot_ms - plan.created_boot_ms
    if 0 <= passed_ms < 1 << BOOT_BITS:
        return max(by_wall_ms, plan.not_before_ms - plan.created_ms - passed_ms)
    return by_wall_ms


def is_over(plan: PlanRow, now: Now) -> bool:
    """Whether the time of a plan is over by the clock that says so first."""
    if plan.until_ms is None:
        return False
    return (
        now.wall_ms >= plan.until_ms
        or age_ms(now, Now(plan.created_ms, plan.created_boot_ms)) >= plan.until_ms - plan.created_ms
    )


def of_release(
    connection: Connection,
    plan: PlanRow,
    command: SubmitJob,
    met: admission.Met,
    held: Sequence[Held] | None,
    now: Now,
    releasing: Releasing,
) -> str | None:
    """Return in words why a step, given as its command, must not be released now; None when it may be.

    `held`: who holds the telescope as a calendar elsewhere says; none: this server's own calendar is looked into.
    """
    if is_over(plan, now):
        return f"its time was over at {_utc(plan.until_ms or 0)}"
    return (
        _of_site(connection, plan, met, held, now)
        or _of_queue(connection, plan, met, releasing)
        or (None if releasing.targets is None else releasing.targets.hindrance(connection, command, now.wall_ms))
    )


def _of_site(
    connection: Connection, plan: PlanRow, met: admission.Met, held: Sequence[Held] | None, now: Now
) -> str | None:
    try:
        if met.lockout is not None:
            lockouts.refuse(connection, plan.site)
        if held is None and met.reserved is not None:
            held = reservations.holders(connection, plan.site, now)
        reservations.refuse_others(list(held or ()), plan.site, plan.owner)
    except (LockedOut, Unauthorized) as refusal:
        return refusal.sentence.removeprefix("Error: ")
    return None


def _of_queue(connection: Connection, plan: PlanRow, met: admission.Met, releasing: Releasing) -> str | None:
    if paused := queue_paused(connection, plan.site):
        return paused
    if met.full is not None:
        return f"{releasing.settings.max_waiting_jobs} jobs wait at {shown(plan.site)} already, as many as may"
    return None


def queue_paused(connection: Connection, site: str) -> str | None:
    """Return in words that the queue of a site is paused; None when it is not."""
    paused = pauses.in_force(connection, site)
    return None if paused is None else pauses.sentence(paused)


def _utc(time_ms: int) -> str:
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"
