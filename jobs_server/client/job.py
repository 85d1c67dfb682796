"""A job as the service shows it, typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import BadReply

NO_ESTIMATE = -1
_STOP_ACTIONS = frozenset({"stop", "cancel", "cancel_all_commands"})
_EVERYTHING = "all"
_CANCEL_REQUESTED = "cancel requested"  # the service's mark of such a change
_BY_A_STOP = "canceled by "  # the service's message with this mark, when a stop asked


@dataclass(frozen=True, slots=True)
class HistoryEvent:
    """One change of a job: when (ms since 1970 UTC), from which status to which, by whom."""

    timestamp_ms: int
    before: str | None
    after: str
    by: str
    alternate_queue: bool = False
    seconds_until_complete: int | None = None
    message: str | None = None
    mark: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """One command for the telescope, as it stands on one of the two queues. `wire` is the whole of it, as it came."""

    site: str
    ulid: str
    status: str
    device: str
    instance: str
    action: str
    required_params: dict[str, Any]
    optional_params: dict[str, Any]
    user_name: str
    user_id: str
    user_roles: tuple[str, ...]
    timestamp_ms: int
    seconds_until_complete: int | None = None
    cancel_requested: bool = False
    history: tuple[HistoryEvent, ...] = ()
    expires_in_seconds: float | None = None
    """Its own time to live, where that is not the usual one (known from `get` alone)."""
    not_before_seconds: float = 0.0
    """How long it was held back (known from `get` alone)."""
    result: Mapping[str, Any] | None = None
    """What came of it, as far as the site has said (known from `get` and the stream)."""
    wire: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def is_stop(self) -> bool:
        """Whether this is a stop command: nothing may be done before a stop."""
        word = _plain(self.action)
        if word == "run":
            return _plain(str(self.required_params.get("script"))) == "stopscript"
        return word in _STOP_ACTIONS

    def covers(self, other: Job) -> bool:
        """Whether this stop command ends another job: an earlier one of its own device, or any for the site."""
        if not self.is_stop or other.is_stop or other.ulid >= self.ulid:
            return False
        if _plain(self.action) == "cancel_all_commands" or _EVERYTHING in (_plain(self.device), _plain(self.instance)):
            return True
        return (self.device, self.instance) == (other.device, other.instance)

    def __str__(self) -> str:
        return f"{self.action} {self.device} {self.instance} {self.ulid}"


def stopped_ms(job: Job) -> int | None:
    """Return when a stop last asked to end a job, by its history; None when none did."""
    asked = [event for event in job.history if event.mark == _CANCEL_REQUESTED]
    stopped = [event.timestamp_ms for event in asked if (event.message or "").startswith(_BY_A_STOP)]
    return max(stopped, default=None)


def read_job(value: object, *, alternate_queue: bool = False) -> Job:
    """Return the job that a value of the wire is. Raises BadReply when the value is none."""
    try:
        return _job(value, alternate_queue=alternate_queue)  # type: ignore[arg-type]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadReply(f"the service sent something that is no job: {error!r}") from None


def _job(value: Mapping[str, Any], *, alternate_queue: bool) -> Job:
    history = map(read_event, value.get("history", ()))
    return Job(
        site=value["site"],
        ulid=value["ulid"],
        status=value["replicaStatusId" if alternate_queue else "statusId"].rpartition("#")[0],
        device=value["deviceType"],
        instance=value["deviceInstance"],
        action=value["action"],
        required_params=dict(value["required_params"]),
        optional_params=dict(value["optional_params"]),
        user_name=value["user_name"],
        user_id=value["user_id"],
        user_roles=tuple(value.get("user_roles", ())),
        timestamp_ms=int(value["timestamp_ms"]),
        seconds_until_complete=value.get("secondsUntilComplete"),
        cancel_requested=bool(value.get("cancelRequested")),
        history=tuple(event for event in history if event.alternate_queue is alternate_queue),
        expires_in_seconds=value.get("expiresInSeconds"),
        not_before_seconds=value.get("notBeforeSeconds") or 0.0,
        result=value.get("result"),
        wire=value,
    )


def read_event(value: Mapping[str, Any]) -> HistoryEvent:
    """Return one change of a history."""
    return HistoryEvent(
        timestamp_ms=value["timestamp_ms"],
        before=value["from"],
        after=value["to"],
        by=value["by"]["name"],
        alternate_queue=bool(value.get("alternateQueue")),
        seconds_until_complete=value.get("secondsUntilComplete"),
        message=value.get("message"),
        mark=value.get("mark"),
    )


def _plain(word: str) -> str:
    return word.strip().casefold()
