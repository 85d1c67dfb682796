"""What the calendar's clients send: the public calendar service's bodies, checked in one place."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from .. import clock
from ..domain import strict_json
from ..domain.commands import LONGEST_CODE, LONGEST_WHO, Command, checked, not_json
from ..domain.values import WITHOUT_NUL, Name, WhoAsks, as_next_midnight, is_named, without_nul
from ..errors import BadRequest, Fault
from .reservations import REALTIME, ReservationRow

NO_PROJECT = "none"
"""In the place of a project's id: the reservation is for no project."""
SHORTEST_MS = 1000
LONGEST_MS = 24 * 60 * 60 * 1000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_AN_ID = "2c9a6f0e-6d5b-4f7e-9d38-0b1c55a1a7de"


def time_ms(text: object) -> int:
    """Read a time in ISO 8601 as milliseconds since 1970 UTC; without a zone it is UTC.

    Raises ValueError, also outside the years 1970 to 9000: what lies beyond 9999 in UTC could not be written again.
    """
    whole = any_time_ms(text)
    if not 0 <= whole < clock.END_MS:
        raise ValueError
    return whole


def any_time_ms(text: object) -> int:
    """Read a time in ISO 8601 of any year as milliseconds since 1970 UTC. Raises ValueError."""
    if not isinstance(text, str):
        raise ValueError
    midnight, days = as_next_midnight(text.strip())
    read = datetime.fromisoformat(midnight)
    read = read.replace(tzinfo=UTC) if read.tzinfo is None else read
    since = read - _EPOCH + timedelta(days=days)
    return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000


def _time_or_fault(text: object) -> int:
    try:
        return time_ms(text)
    except OverflowError:
        raise ValueError from None


_DATE, _CLOCK = r"(19[7-9]\d|2\d{3})-(0[1-9]|1[0-2])-([0-2]\d|3[01])", r"([01]\d|2[0-3]):[0-5]\d"
_TIME = (  # of ISO 8601, what people and programs write
    rf"^{_DATE}T({_CLOCK}(:[0-5]\d(\.\d{{1,6}})?)?|24:00(:00(\.0{{1,6}})?)?)(Z|[+-]{_CLOCK})?$"
)

Time = Annotated[
    int,
    BeforeValidator(_time_or_fault),
    Field(
        description="a time in ISO 8601, such as 2026-11-24T20:15:00Z; without a zone it is UTC; years 1970 to 9000",
        examples=["2026-11-24T20:15:00Z"],
        json_schema_extra={"type": "string", "pattern": _TIME},
    ),
]
Text = Annotated[
    str,
    StringConstraints(max_length=500),
    AfterValidator(without_nul),
    Field(description="a text of at most 500 characters", json_schema_extra={"pattern": WITHOUT_NUL}),
]
Creator = Annotated[WhoAsks, Field(alias="creator_id", title="whose it is; believed while no sign-in is set")]
CreatorName = Annotated[WhoAsks, Field(alias="creator", title="the same, for people to read")]


def _without_blank_creator(value: Any) -> Any:
    """Leave out a creator that is blank: the same as one that is not said."""
    if not isinstance(value, dict):
        return value
    who = ("creator_id", "creator")
    return {key: each for key, each in value.items() if key not in who or each is None or is_named(each)}


def _nothing_said(schema: dict[str, Any]) -> None:
    """Write that null stands for what is not said."""
    for key, field in schema["properties"].items():
        if key not in schema["required"]:
            outside = {name: field.pop(name) for name in ("title", "description", "default") if name in field}
            schema["properties"][key] = {"anyOf": [field, {"type": "null"}], **outside}


class Reserve(Command):
    """Ask for a reservation (`newevent`), or for one to become this (`modifyevent`)."""

    model_config: ClassVar[ConfigDict] = ConfigDict(json_schema_extra=_nothing_said)

    event_id: Annotated[Name | None, Field(title="an id of the client's own; else one is made")] = None
    start_ms: Annotated[Time, Field(alias="start", title="when it begins")]
    end_ms: Annotated[
        Time, Field(alias="end", title="when it ends, at most 24 hours later", examples=["2026-11-24T22:15:00Z"])
    ]
    user_id: Creator = "anonymous"
    user_name: CreatorName = "somebody"
    title: Text = ""
    reservation_type: Annotated[
        Name,
        StringConstraints(max_length=64),
        Field(title=f"{REALTIME}: at the controls, those of two people never overlap; or a type of one's own"),
    ] = REALTIME
    resource_id: Annotated[Text, Field(alias="resourceId", title="what is reserved; the site, unless said")] = ""
    project_id: Text = NO_PROJECT
    note: Annotated[Text, Field(alias="reservation_note", title="a note for others")] = ""
    origin: Annotated[Text, Field(title="the program that made it")] = "ptr"
    project_priority: Annotated[
        Text,
        StringConstraints(max_length=64),
        Field(title="how urgent its project is, as the public UI says: standard, time_critical, low_priority"),
    ] = ""

    @model_validator(mode="before")
    @classmethod
    def _without_nothing(cls, value: Any) -> Any:
        """Leave out null, which stands for what is not said, as a blank creator does."""
        value = _without_blank_creator(value)
        return {key: each for key, each in value.items() if each is not None} if isinstance(value, dict) else value

    @property
    def bounds(self) -> Mapping[str, int]:
        """Return how long each name may be."""
        return {"site": LONGEST_CODE} | dict.fromkeys(("user_id", "user_name"), LONGEST_WHO)

    def row(self, user_id: str, user_name: str) -> ReservationRow:
        """Return the reservation as it is kept, for this person; its id is blank when it brings none.

        Raises BadRequest when it ends before it begins, or is too short or too long.
        """
        if self.end_ms <= self.start_ms:
            raise _refusal("end", "end must be after start")
        if self.end_ms - self.start_ms < SHORTEST_MS:
            raise _refusal("end", "end must be at least a second after start")
        if self.end_ms - self.start_ms > LONGEST_MS:
            raise _refusal("end", "end must be at most 24 hours after start")
        return ReservationRow(
            event_id=self.event_id or "",
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
            project_priority=self.project_priority,
        )


class EventId(BaseModel):
    """Which event is meant."""

    event_id: Name


class ChangeEvent(BaseModel):
    """Ask for a reservation to be changed (`modifyevent`); `parse_change` reads it."""

    original: Annotated[
        EventId,
        Field(alias="originalEvent", title="the event as it was", examples=[{"event_id": _AN_ID}]),
    ]
    modified: Annotated[
        Reserve,
        Field(
            alias="modifiedEvent",
            title="the event as it shall be; whose it is stays",
            examples=[{"site": "wmd", "start": "2026-11-24T21:00:00Z", "end": "2026-11-24T23:00:00Z"}],
        ),
    ]


class Unreserve(Command):
    """Ask for a reservation to be deleted (`delete`); its site need not be said."""

    site: Name = "?"
    event_id: Annotated[Name, Field(examples=[_AN_ID])]
    user_id: Creator = "anonymous"
    user_name: CreatorName = "somebody"

    _without_blanks = model_validator(mode="before")(_without_blank_creator)


class BetweenTimes(Command):
    """Ask for the reservations of a span of time (`siteevents`)."""

    start_ms: Annotated[Time, Field(alias="start")]
    end_ms: Annotated[Time, Field(alias="end", examples=["2026-11-25T20:15:00Z"])]


class AtTime(Command):
    """Ask for the reservations of a moment (`get-event-at-time`)."""

    time_ms: Annotated[Time, Field(alias="time")]


class UserAtTime(AtTime):
    """Ask how a person stands to the reservations of a moment."""

    user_id: Annotated[Name, Field(title="of whom it is asked", examples=["auth0|vera"])]


def refuse_past(wanted: ReservationRow, now: clock.Now) -> None:
    """Raise BadRequest when a reservation that somebody makes by hand is over before it is made."""
    if wanted.end_ms <= now.wall_ms:
        times = (wanted.start_ms, wanted.end_ms, now.wall_ms)
        start, end, at = (f"{datetime.fromtimestamp(each / 1000, UTC):%Y-%m-%d %H:%M}" for each in times)
        raise _refusal("end", f"{start} to {end} UTC is over, since it is {at} UTC; choose a time that is to come")


def parse_change(body: bytes) -> Reserve:
    """Read the body of `modifyevent`: the event as it was, which gives its id, and as it shall be.

    Raises BadRequest with every fault found.
    """
    try:
        value = strict_json.read(body)
    except ValueError as error:
        raise not_json(error, "the body is not JSON: ") from None
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
