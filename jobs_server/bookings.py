"""What the calendar's clients send: the public calendar service's bodies, checked in one place."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from . import strict_json
from .commands import Command, checked
from .errors import BadRequest, Fault
from .fields import Name
from .reservations import REALTIME, ReservationRow

LONGEST_MS = 24 * 60 * 60 * 1000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def time_ms(text: object) -> int:
    """Read a time in ISO 8601 as milliseconds since 1970 UTC; without a zone it is UTC. Raises ValueError."""
    if not isinstance(text, str):
        raise ValueError
    read = datetime.fromisoformat(text.strip())
    read = read.replace(tzinfo=UTC) if read.tzinfo is None else read
    since = read - _EPOCH
    whole = (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000
    if whole < 0:
        raise ValueError
    return whole


def _time_or_fault(text: object) -> int:
    try:
        return time_ms(text)
    except OverflowError:
        raise ValueError from None


Time = Annotated[
    int,
    BeforeValidator(_time_or_fault),
    Field(
        description="a time in ISO 8601, such as 2026-11-24T20:15:00Z",
        json_schema_extra={"type": "string", "format": "date-time", "example": "2026-11-24T20:15:00Z"},
    ),
]
Text = Annotated[str, StringConstraints(max_length=500), Field(description="a text of at most 500 characters")]


class Reserve(Command):
    """Ask for a reservation (`newevent`), or for one to become this (`modifyevent`)."""

    event_id: Name = ""
    start_ms: Annotated[Time, Field(alias="start")]
    end_ms: Annotated[Time, Field(alias="end")]
    user_id: Annotated[Name, Field(alias="creator_id")] = "anonymous"
    user_name: Annotated[Name, Field(alias="creator")] = "somebody"
    title: Text = ""
    reservation_type: Annotated[Name, StringConstraints(max_length=64)] = REALTIME
    resource_id: Annotated[Text, Field(alias="resourceId")] = ""
    project_id: Text = "none"
    note: Annotated[Text, Field(alias="reservation_note")] = ""
    origin: Text = "ptr"

    @model_validator(mode="before")
    @classmethod
    def _without_nothing(cls, value: Any) -> Any:
        """Take null for what is not said."""
        return {key: each for key, each in value.items() if each is not None} if isinstance(value, dict) else value

    def row(self, user_id: str, user_name: str) -> ReservationRow:
        """Give the reservation as it is kept, for this person. Raises BadRequest when it ends before it begins."""
        if self.end_ms <= self.start_ms:
            raise _refusal("end", "end must be after start")
        if self.end_ms - self.start_ms > LONGEST_MS:
            raise _refusal("end", "end must be at most 24 hours after start")
        return ReservationRow(
            event_id=self.event_id or str(uuid.uuid4()),
            site=self.site,
            start_ms=self.start_ms,
            end_ms=self.end_ms,
            creator_id=user_id,
            creator=user_name,
            title=self.title or user_name,
            reservation_type=self.reservation_type,
            resource_id=self.resource_id or self.site,
            project_id=self.project_id,
            note=self.note,
            origin=self.origin,
            last_modified_ms=0,
        )


class Unreserve(Command):
    """Ask for a reservation to be deleted (`delete`); its site need not be said."""

    site: Name = "?"
    event_id: Name
    user_id: Annotated[Name, Field(alias="creator_id")] = "anonymous"
    user_name: Annotated[Name, Field(alias="creator")] = "somebody"


class BetweenTimes(Command):
    """Ask for the reservations of a span of time (`siteevents`)."""

    start_ms: Annotated[Time, Field(alias="start")]
    end_ms: Annotated[Time, Field(alias="end")]


class AtTime(Command):
    """Ask for the reservations of a moment (`get-event-at-time`)."""

    time_ms: Annotated[Time, Field(alias="time")]


class UserAtTime(AtTime):
    """Ask how a person stands to the reservations of a moment."""

    user_id: Name


def parse_change(body: bytes) -> Reserve:
    """Read the body of `modifyevent`: the event as it was, which gives its id, and as it shall be.

    Raises BadRequest with every fault found.
    """
    try:
        value = strict_json.read(body)
    except ValueError as error:
        raise BadRequest(f"Error: the body is not JSON: {error}") from None
    before, after = (_object(value, key) for key in ("originalEvent", "modifiedEvent"))
    if "event_id" not in before:
        raise _refusal("originalEvent", "originalEvent must have an event_id")
    return checked(Reserve, {**after, "event_id": before["event_id"]})


def _object(value: object, key: str) -> Mapping[str, Any]:
    found = value.get(key) if isinstance(value, dict) else None
    if not isinstance(found, dict):
        raise _refusal(key, f"{key} must be an object, an event")
    return found


def _refusal(key: str, sentence: str) -> BadRequest:
    return BadRequest(f"Error: {sentence}", [Fault(key, sentence)])
