"""Request bodies: the one place where a body is checked.

A body is parsed once, into a frozen command; all its faults are reported together. The wire's names stand here as
aliases; how a field is called in a sentence to a person is the wire's name too.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, TypeVar, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

from ..clock import in_utc
from ..errors import BadRequest, Fault, shown
from . import strict_json
from .lifecycle import STARTED, Queue, is_stop
from .times import TimeOrNone, time_field
from .values import (
    NO_ESTIMATE,
    VISIBLE,
    WITHOUT_NUL,
    AlternateQueue,
    ClaimId,
    Estimate,
    Name,
    Params,
    Status,
    WhoAsks,
    is_named,
    or_default,
    visible,
    visible_or_none,
    whole,
    without_nul,
)

HOUR_MS = 60 * 60 * 1000
DAY_MS = 24 * HOUR_MS
PAGE, MAX_PAGE = 100, 1000
"""How many jobs a page of the list holds, unless said, and at most."""
MAX_LIFE_SECONDS = 7 * 24 * 60 * 60
MAX_HOLD_SECONDS = 24 * 60 * 60
MOST_HOURS_AHEAD = 36
"""How far ahead the time may be until which a new job is held back."""
MAX_WAIT_SECONDS = 60
LONGEST_CODE = 64
"""How many characters the code of a site, a device, an instance or an action may have."""
LONGEST_WHO = 255
"""How many characters an id of a person may have, as in OpenID Connect (Core 1.0, section 2), and a name."""
WHO = ("user_name", "user_id")
"""The keys that say who asks."""


class Command(BaseModel):
    """Hold a checked request body. Unknown keys are ignored: user interfaces send more than is needed."""

    model_config: ClassVar[ConfigDict] = ConfigDict(strict=True, frozen=True, extra="ignore", validate_by_name=True)

    site: Annotated[Name, Field(title="code of the site, such as wmd")]

    @property
    def bounds(self) -> Mapping[str, int]:
        """Return how long each name may be, in characters, where something begins; older rows may have longer ones."""
        return {}


class SubmitJob(Command):
    """Ask for a job to be queued (`newjob`). The fields' order is the order in which missing ones are named."""

    device: Annotated[Name, Field(title="kind of device, such as camera")]
    instance: Annotated[Name, Field(title="which one, as the site calls it")]
    action: Annotated[Name, Field(title="what it is to do")]
    user_name: Annotated[WhoAsks, Field(title="who asks, for people to read; blank: a token's name, or somebody")]
    user_id: Annotated[WhoAsks, Field(title="who asks, the same in every request; blank: whose token it is, or nobody")]
    required_params: Annotated[Params, Field(title="what the action needs; handed on as it is")]
    optional_params: Annotated[Params, Field(title="what may go with it; handed on as it is")]
    expires_in_seconds: Annotated[
        int | float | None,
        Field(
            title="how long it may wait to be handed over",
            alias="expiresInSeconds",
            gt=0,
            le=MAX_LIFE_SECONDS,
            description="a number of seconds, at most 7 days",
        ),
    ] = None
    not_before_seconds: Annotated[
        int | float,
        or_default(0, int | float),
        Field(
            title="how long it is held back first",
            alias="notBeforeSeconds",
            ge=0,
            le=MAX_HOLD_SECONDS,
            description=f"a number of seconds from 0 to {MAX_HOLD_SECONDS}",
        ),
    ] = 0
    not_before_ms: Annotated[
        TimeOrNone, time_field("notBefore", f"not handed over earlier; at most {MOST_HOURS_AHEAD} hours ahead")
    ] = None
    goes_next: Annotated[
        bool,
        or_default(False, bool),
        Field(
            title="go before what waits, behind stop commands and earlier jobs that do",
            alias="next",
            description="true or false",
        ),
    ] = False

    def hold_ms(self, now_ms: int) -> int:
        """Return for how long it is held back when it comes now: the longer of what was said."""
        held_ms = round(self.not_before_seconds * 1000)
        return held_ms if self.not_before_ms is None else max(held_ms, self.not_before_ms - now_ms)

    @property
    def bounds(self) -> Mapping[str, int]:
        """Return how long each name may be; a stop passes for a site or a device of any name."""
        if is_stop(self.action, self.required_params):
            return {}
        return dict.fromkeys(("site", "device", "instance", "action"), LONGEST_CODE) | dict.fromkeys(WHO, LONGEST_WHO)


class SubmitSignedIn(SubmitJob):
    """Ask for a job to be queued, with a token that says who asks: names need not be said."""

    user_name: WhoAsks = ""
    user_id: WhoAsks = ""


class ByPerson(Command):
    """Speak as a person, who is believed while no sign-in is set; a blank is the same as no word."""

    user_id: WhoAsks = "anonymous"
    user_name: WhoAsks = "somebody"

    @model_validator(mode="before")
    @classmethod
    def _without_blank_names(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {key: each for key, each in value.items() if key not in WHO or each is None or is_named(each)}


class OnAQueue(Command):
    """Speak of one of the two queues."""

    alternate_queue: AlternateQueue = False

    @property
    def queue(self) -> Queue:
        """Return the queue that is spoken of."""
        return Queue.ALTERNATE if self.alternate_queue else Queue.PRIMARY


class ClaimJobs(OnAQueue):
    """Ask for the waiting jobs (`getnewjobs`)."""

    claim_id: ClaimId = None
    limit: Annotated[
        Annotated[int, Field(ge=1, le=2**31 - 1)] | None,
        BeforeValidator(whole),
        Field(title="hand over at most so many", description="a whole number, 1 or more"),
    ] = None
    wait_seconds: Annotated[
        int | float,
        or_default(0, int | float),
        AfterValidator(lambda seconds: min(max(seconds, 0), MAX_WAIT_SECONDS)),
        Field(
            title="wait for a job so long",
            alias="waitSeconds",
            description="a number of seconds; at most 60 are waited",
        ),
    ] = 0
    stops_only: Annotated[
        bool,
        or_default(False, bool),
        Field(
            title="hand over stop commands alone, and wait for them alone; the answer says `X-Stops-Only`",
            alias="stopsOnly",
            description="true or false",
        ),
    ] = False
    only: Annotated[
        str | None,
        AfterValidator(visible_or_none),
        Field(
            title="hand over this job alone, if it may be handed over and no stop command waits before it",
            description="the ulid of a job",
            json_schema_extra={"pattern": VISIBLE},
        ),
    ] = None


class ListWaiting(OnAQueue):
    """Ask for what a poll would be handed over now, in its order; none of it is handed over (`getwaitingjobs`)."""

    limit: Annotated[
        Annotated[int, Field(ge=1, le=MAX_PAGE)],
        BeforeValidator(whole),
        or_default(PAGE, Annotated[int, Field(ge=1, le=MAX_PAGE)]),
        Field(title="list at most so many", description=f"a whole number from 1 to {MAX_PAGE}"),
    ] = PAGE


class StartJob(OnAQueue):
    """Report that a job has begun (`startjob`); with a claim id, ask whether it still may."""

    status: ClassVar[str] = STARTED
    message: ClassVar[None] = None
    result: ClassVar[None] = None

    ulid: Name
    seconds_until_complete: Annotated[Estimate, Field(alias="secondsUntilComplete")] = NO_ESTIMATE
    claim_id: ClaimId = None


class UpdateStatus(OnAQueue):
    """Report what became of a job (`updatejobstatus`)."""

    ulid: Name
    status: Annotated[Status, Field(alias="newStatus")]
    seconds_until_complete: Annotated[Estimate, Field(alias="secondsUntilComplete")] = NO_ESTIMATE
    message: Annotated[
        str | None,
        StringConstraints(max_length=500),
        AfterValidator(without_nul),
        Field(
            title="a line for the history",
            description="a text of at most 500 characters",
            json_schema_extra={"pattern": WITHOUT_NUL},
        ),
    ] = None
    result: Annotated[
        dict[str, Any] | None,
        Field(
            title="what came of the job, key by key: files, frames, fwhm_arcsec, ra, dec, anything else",
            description="an object of at most 16 KiB",
        ),
    ] = None


class CancelJob(ByPerson):
    """Ask for one job to be canceled (`canceljob`)."""

    ulid: Name


Note = Annotated[
    str,
    StringConstraints(max_length=500),
    AfterValidator(visible),
    Field(
        description="a text of 1 to 500 characters that says why",
        examples=["The mirror is being washed."],
        json_schema_extra={"pattern": VISIBLE},
    ),
]


class LockOut(ByPerson):
    """Lock a telescope out (`lockout`)."""

    @property
    def bounds(self) -> Mapping[str, int]:
        """Return how long each name may be."""
        return {"site": LONGEST_CODE} | dict.fromkeys(WHO, LONGEST_WHO)

    note: Note


class LiftLockout(ByPerson):
    """Lift the lock-out of a telescope (`liftlockout`), and say what becomes of the jobs that waited."""

    cancel_waiting: Annotated[
        bool, or_default(True, bool), Field(alias="cancelWaiting", description="true or false")
    ] = True


class ShowLockout(Command):
    """Ask whether a telescope is locked out (`getlockout`)."""


class ShowJob(OnAQueue):
    """Ask for one job, as it stands on one of the two queues, and its history (`getjob`)."""

    ulid: Name


class FollowSite(Command):
    """Ask for what happens at a site (`stream`)."""

    last_event_id: Annotated[
        str | None,
        Field(alias="lastEventId", description="a position, as the header `Last-Event-ID`, which goes before it"),
    ] = None


class ListRecent(Command):
    """Ask for the jobs of the last while (`getrecentjobs`), or for one page of them."""

    given_range_ms: Annotated[int | float | None, Field(alias="timeRange", description="a number of milliseconds")] = (
        None
    )
    given_limit: Annotated[
        Annotated[int, Field(ge=1, le=MAX_PAGE)] | None,
        BeforeValidator(whole),
        Field(alias="limit", description=f"a whole number from 1 to {MAX_PAGE}"),
    ] = None
    before: Annotated[
        str | None,
        AfterValidator(visible_or_none),
        Field(description="the ulid of a job", json_schema_extra={"pattern": VISIBLE}),
    ] = None

    @property
    def is_page(self) -> bool:
        """Whether one page is asked for, and not the whole list."""
        return self.given_limit is not None or self.before is not None

    @property
    def limit(self) -> int:
        """Return how many jobs a page holds at most."""
        return self.given_limit or PAGE

    @property
    def time_range_ms(self) -> int | float:
        """Return how far back to look: a day, or without end when one leafs through the pages."""
        if self.given_range_ms is not None:
            return self.given_range_ms
        return math.inf if self.is_page else DAY_MS


AnyCommand = TypeVar("AnyCommand", bound=Command)


def parse(model: type[AnyCommand], body: bytes) -> AnyCommand:
    """Read a body as a command. Raises BadRequest with every fault found."""
    try:
        value = strict_json.read_object(body, "the body")
    except ValueError as error:
        raise not_json(error) from None
    return checked(model, value)


def not_json(error: ValueError, before: str = "") -> BadRequest:
    """Return the refusal of a body that is no JSON object, with the key at fault where one is known."""
    sentence = f"Error: {before}{error}"
    if isinstance(error, strict_json.WrongNumber) and error.key:
        return BadRequest(sentence, [Fault(error.key, f"{error.key} is {error.wrong}")])
    return BadRequest(sentence)


def checked(model: type[AnyCommand], value: Mapping[str, Any]) -> AnyCommand:
    """Read plain values as a command. Raises BadRequest with every fault found."""
    try:
        command = model.model_validate(value)
    except ValidationError as error:
        raise _refusal(model, error) from None
    if faults := [_too_long(model, name, most) for name, most in command.bounds.items() if _len(command, name) > most]:
        raise BadRequest(f"Error: {faults[0].sentence}", faults)
    return command


def _len(command: Command, name: str) -> int:
    return len(getattr(command, name))


def _too_long(model: type[Command], name: str, most: int) -> Fault:
    key = model.model_fields[name].alias or name
    return Fault(key, f"{key} must be a text of at most {most} characters")


def parse_query(model: type[AnyCommand], values: Mapping[str, str]) -> AnyCommand:
    """Read an address's query as a command. Raises BadRequest with every fault found."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise _refusal(model, error) from None


def check_site(command: Command, sites: Sequence[str]) -> None:
    """Refuse a site code that is none of these; no codes, no check. Raises BadRequest."""
    if sites and command.site not in sites:
        sentence = f"site must be one of {', '.join(sites)}"
        raise BadRequest(f"Error: {sentence}, not {shown(command.site)}", [Fault("site", sentence)])


def check_not_before(command: SubmitJob, now_ms: int) -> None:
    """Refuse a new job that is to be held back until too far ahead. Raises BadRequest."""
    latest_ms = now_ms + MOST_HOURS_AHEAD * HOUR_MS
    if command.not_before_ms is not None and command.not_before_ms > latest_ms:
        sentence = (
            f"notBefore must be at most {MOST_HOURS_AHEAD} hours ahead, which is {in_utc(latest_ms)};"
            " a plan may begin later"
        )
        raise BadRequest(f"Error: {sentence}", [Fault("notBefore", sentence)])


def _refusal(model: type[Command], error: ValidationError) -> BadRequest:
    details = sorted(error.errors(include_url=False, include_context=False), key=lambda each: each["type"] != "missing")
    faults = {fault.key: fault for fault in (_fault(model, each) for each in details)}  # A union names a key twice.
    first = next(iter(faults.values()))
    return BadRequest(f"Error: {first.sentence}", list(faults.values()))


def _fault(model: type[BaseModel], detail: ErrorDetails, before: str = "") -> Fault:
    key, *inner = detail["loc"]
    field = next((field for name, field in model.model_fields.items() if key in (name, field.alias)), None)
    if field and len(inner) > 1 and isinstance(inner[0], int) and (each := _listed(field.annotation)):
        inside: ErrorDetails = {**detail, "loc": tuple(inner[1:])}
        return _fault(each, inside, f"{before}{key}[{inner[0]}].")
    named = f"{before}{key}"
    if detail["type"] == "missing":
        return Fault(named, f"missing required key {named}")
    return Fault(named, f"{named} must be {field.description if field else 'something else'}")


def _listed(kind: Any) -> type[BaseModel] | None:
    """Return of which bodies a field is a list; None where it is none."""
    inner = get_args(kind)[:1] if get_origin(kind) is list else ()
    return next((each for each in inner if isinstance(each, type) and issubclass(each, BaseModel)), None)


def parse_key(header: str | None) -> str | None:
    """Read the header `Idempotency-Key`: 1 to 255 visible characters. Raises BadRequest."""
    if header is None:
        return None
    key = header.strip(" \t")  # blanks around a header's value are none of it
    if not re.fullmatch(r"[\x21-\x7e]{1,255}", key):
        raise BadRequest("Error: Idempotency-Key must be 1 to 255 visible ASCII characters")
    return key
