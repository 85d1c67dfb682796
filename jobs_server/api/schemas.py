"""The shape of what goes out, for the API's description; `wire` writes it."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

Ulid = Annotated[str, Field(pattern="^[0-9A-HJKMNP-TV-Z]{26}$", description="sorts by the time of acceptance")]
TimeMs = Annotated[int, Field(ge=0, description="milliseconds since 1970 UTC")]


class Public(BaseModel):
    """Hold what is documented; nothing else goes out."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid",
        populate_by_name=True,
        defer_build=True,  # The description of the API alone needs them.
    )


class StepOfPlan(Public):
    """Which step of which plan a job is."""

    id: Annotated[Ulid, Field(description="that of the plan")]
    step: Annotated[int, Field(description="its place in the plan, from 1")]
    of: Annotated[int, Field(description="how many steps the plan had when this one was released")]
    title: str


class Job(Public):
    """A job, as every route shows it."""

    site: str
    ulid: Ulid
    status_id: Annotated[str, Field(alias="statusId", pattern="#", description="status#ulid, such as UNREAD#01J...")]
    replica_status_id: Annotated[
        str, Field(alias="replicaStatusId", pattern="#", description="the same, for the alternate queue")
    ]
    user_name: str
    user_id: str
    user_roles: Annotated[list[str], Field(description="roles of whoever asked; never taken from the body")]
    timestamp_ms: Annotated[TimeMs, Field(description="when the job was accepted")]
    device: Annotated[str, Field(alias="deviceType")]
    instance: Annotated[str, Field(alias="deviceInstance")]
    action: str
    required_params: Annotated[dict[str, Any], Field(description="as they were sent, every number as it was written")]
    optional_params: dict[str, Any]
    seconds_until_complete: Annotated[
        int | None,
        Field(alias="secondsUntilComplete", description="the site's estimate, -1 for none; missing before its report"),
    ] = None
    cancel_requested: Annotated[
        Literal[True] | None, Field(alias="cancelRequested", description="there when somebody asked to end the job")
    ] = None
    plan: Annotated[StepOfPlan | None, Field(description="there when the job is a step of a plan")] = None


class By(Public):
    """Who did it."""

    id: str
    name: str
    known: Annotated[str, Field(description="how the service knows: said so itself, by a token, the site, the server")]


class Event(Public):
    """One step of a job's history."""

    timestamp_ms: TimeMs
    before: Annotated[str | None, Field(alias="from")]
    after: Annotated[str, Field(alias="to")]
    by: By
    alternate_queue: Annotated[bool, Field(alias="alternateQueue")]
    seconds_until_complete: Annotated[int | None, Field(alias="secondsUntilComplete")] = None
    message: str | None = None
    mark: Annotated[str | None, Field(description="what is special, such as `cancel requested`")] = None
    result: Annotated[dict[str, Any] | None, Field(description="what came of the job, by this report alone")] = None
    edit: Annotated[
        dict[str, Any] | None,
        Field(description="what an edit changed of a job that waited: `from` and `to`, by `required_params` and so on"),
    ] = None


class JobWithHistory(Job):
    """A job and all that happened to it, oldest first."""

    history: list[Event]
    result: Annotated[
        dict[str, Any] | None,
        Field(description="what came of the job by all reports, of each key the last word; missing while none said"),
    ] = None
    expires_in_seconds: Annotated[
        float | None,
        Field(alias="expiresInSeconds", description="its own time to live, where that is not the usual one"),
    ] = None
    not_before_seconds: Annotated[
        float | None, Field(alias="notBeforeSeconds", description="how long it was held back, where it was")
    ] = None


class Presence(Public):
    """Whether the software that polls a queue is there."""

    state: Annotated[Literal["online", "silent", "unknown"], Field(description="unknown: not listened long enough")]
    last_poll_ms: Annotated[int | None, Field(alias="lastPoll_ms", description="milliseconds since 1970 UTC")]
    silent_since_ms: Annotated[int | None, Field(alias="silentSince_ms")]
    waiting: Annotated[bool, Field(description="whether a poll waits at this moment")]
    client: Annotated[str, Field(description="the software that polls, by its User-Agent")]


class SitePresence(Presence):
    """Whether a site's software is there."""

    site: str
    now_ms: TimeMs
    alternate_queue: Annotated[
        Presence | None, Field(alias="alternateQueue", description="the same for that queue, once it is polled")
    ] = None


class Reported(Public):
    """What a site said of its devices was heard."""

    site: str
    at_ms: Annotated[TimeMs, Field(description="when the server heard it, in milliseconds since 1970 UTC")]


class SiteDevices(Public):
    """The devices of a site, as the site last said."""

    site: str
    now_ms: TimeMs
    devices: Annotated[
        dict[str, dict[str, Any]],
        Field(description="by type/instance what the site said, with `at_ms`: when the server heard it"),
    ]


class SiteCapabilities(Public):
    """What a site has and can do."""

    site: str
    at_ms: Annotated[int | None, Field(description="since when it is so; null while the site has not said")]
    devices: dict[str, dict[str, Any]]


Degrees = Annotated[float | None, Field(description="degrees; null where the site's place is not known")]


class Target(Public):
    """Something to point at, as it stands over the site now and tonight."""

    name: str
    other_names: list[str]
    kind: str
    ra_hours: Annotated[float, Field(ge=0, lt=24, description="ICRS; of what moves, now")]
    dec_degrees: Annotated[float, Field(ge=-90, le=90)]
    magnitude: float | None = None
    alt_degrees: Degrees
    highest_degrees: Annotated[float | None, Field(description="while it is dark tonight")]
    highest_ms: int | None
    hours_up_in_the_dark: Annotated[
        float | None, Field(description="above the site's limit while there is tonight's least light")
    ]
    moon_distance_degrees: Degrees
    moves: Annotated[bool, Field(description="it is of the solar system, and stands elsewhere tomorrow")]
    cautions: Annotated[list[str], Field(description="what is to be said before a telescope points there now")]


class SavedTargets(Public):
    """How many targets were put into a site's own list."""

    site: str
    saved: int


class DeletedTarget(Public):
    """Which target was taken off a site's own list."""

    site: str
    deleted: str


class Preview(Public):
    """A picture of what came of a job."""

    ulid: Ulid
    name: str
    url: Annotated[str, Field(description="where the picture is, below the address of the service")]
    at_ms: TimeMs
    width: int
    height: int
    bytes: int


class Lockout(Public):
    """A lock-out: nothing but stop commands reaches the telescope until it is lifted."""

    site: str
    since_ms: TimeMs
    note: Annotated[str, Field(description="why")]
    by: By
    lifted_ms: Annotated[int | None, Field(description="milliseconds since 1970 UTC; missing while it is in force")] = (
        None
    )
    lifted_by: Annotated[By | None, Field(alias="liftedBy")] = None


class Lockouts(Public):
    """The lock-out in force at a site, and those before it."""

    site: str
    lockout: Annotated[Lockout | None, Field(description="the one in force; null for none")]
    history: Annotated[list[Lockout], Field(description="newest first")]


class QueuePause(Public):
    """A pause: stop commands alone are handed over and begin until the queue is resumed."""

    site: str
    since_ms: TimeMs
    note: Annotated[str, Field(description="why")]
    by: By
    resumed_ms: Annotated[int | None, Field(description="milliseconds since 1970 UTC; missing while it lasts")] = None
    resumed_by: Annotated[By | None, Field(alias="resumedBy")] = None


class QueuedJob(Public):
    """A job of the queue, without its parameters, and when it is expected to happen."""

    ulid: Ulid
    status_id: Annotated[str, Field(alias="statusId", pattern="#")]
    device: Annotated[str, Field(alias="deviceType")]
    instance: Annotated[str, Field(alias="deviceInstance")]
    action: str
    user_name: str
    user_id: str
    state: Literal["running", "at the site", "waiting", "held"]
    begins_ms: Annotated[int | None, Field(description="when it began or is expected to; null where nobody knows")]
    ends_ms: Annotated[int | None, Field(description="when it is expected to end; null where nobody knows")]
    not_before_ms: Annotated[
        int | None, Field(alias="notBefore_ms", description="when it may be handed over, where that is to come")
    ] = None
    expires_ms: Annotated[int | None, Field(description="when it has waited too long; missing once handed over")] = None


class SiteQueue(Public):
    """What is to happen at a site, in its order."""

    site: str
    now_ms: TimeMs
    pause: Annotated[QueuePause | None, Field(description="the pause in force; null for none")]
    waiting: Annotated[int, Field(description="how many jobs wait, also those that are not listed")]
    jobs: Annotated[list[QueuedJob], Field(description="at most 200 that wait, and what the site has")]


class LiftedLockout(Public):
    """A lock-out that was lifted."""

    lockout: Lockout
    canceled: Annotated[int, Field(description="how many waiting jobs were canceled with it")]


class Reservation(Public):
    """A time for which somebody has reserved a telescope, under the public calendar service's names."""

    event_id: str
    start: Annotated[str, Field(description="ISO 8601, UTC, to the second")]
    end: str
    creator: str
    creator_id: str
    site: str
    title: str
    reservation_type: Annotated[str, Field(description="realtime: at the controls")]
    resource_id: Annotated[str, Field(alias="resourceId")]
    project_id: str
    reservation_note: str
    origin: str
    last_modified: str
    project_priority: Annotated[str, Field(description="how urgent its project is, where that was said")] = ""


class Reserved(Public):
    """A reservation that was made."""

    new_calendar_event: Reservation


class Fault(Public):
    """What is wrong with one key of a body."""

    key: str | None
    detail: str


class Problem(Public):
    """A refusal as RFC 9457 problem details, when `Accept: application/problem+json` asks for it."""

    type: str
    title: str
    status: int
    detail: Annotated[str, Field(description="one sentence, the same as the plain text")]
    code: str
    errors: list[Fault]
