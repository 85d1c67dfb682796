"""Request bodies: the one place where a body is checked.

A body is parsed once, into a frozen command; all its faults are reported together. The wire's names stand here as
aliases; how a field is called in a sentence to a person is the wire's name too.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)
from pydantic_core import ErrorDetails, from_json

from .errors import BadRequest, Fault

DAY_MS = 24 * 60 * 60 * 1000
NO_ESTIMATE = -1
_LARGEST_SECONDS = 2**53  # the largest integer that every JSON reader keeps
_MAY_OVERFLOW = re.compile(rb"[eE]\+?\d{3}|\d{300}")  # only such numbers can be beyond a double


def _visible(text: str) -> str:
    if "\0" in text or not text.strip():
        raise ValueError
    return text


def _without_hash(text: str) -> str:
    if "#" in text:  # it separates status and ulid in statusId
        raise ValueError
    return text


def _whole_seconds(value: object) -> object:
    """Take what site software sends as an estimate: a number, a number in a string, or nothing."""
    if value is None or value == "":
        return NO_ESTIMATE
    if isinstance(value, bool):
        raise ValueError
    number = float(value) if isinstance(value, str) else value
    return math.ceil(number) if isinstance(number, float) else number  # infinite or NaN: OverflowError, ValueError


def _or_default(default: Any) -> BeforeValidator:
    return BeforeValidator(lambda value: default if value is None else value)


def _seconds_or_fault(value: object) -> object:
    try:
        return _whole_seconds(value)
    except OverflowError:
        raise ValueError from None


Name = Annotated[str, AfterValidator(_visible), Field(description="a text that is not blank")]
Params = Annotated[dict[str, Any], Field(description="an object")]
Status = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64),
    AfterValidator(_visible),
    AfterValidator(_without_hash),
    Field(description="a text of 1 to 64 characters without #"),
]
Estimate = Annotated[
    int,
    Field(ge=-_LARGEST_SECONDS, le=_LARGEST_SECONDS, description="a whole number of seconds, -1 for no estimate"),
    BeforeValidator(_seconds_or_fault),
]
AlternateQueue = Annotated[bool, _or_default(False), Field(alias="alternateQueue", description="true or false")]


class Command(BaseModel):
    """Hold a checked request body. Unknown keys are ignored: user interfaces send more than is needed."""

    model_config: ClassVar[ConfigDict] = ConfigDict(strict=True, frozen=True, extra="ignore", validate_by_name=True)

    site: Name


class SubmitJob(Command):
    """Ask for a job to be queued (`newjob`). The fields' order is the order in which missing ones are named."""

    device: Name
    instance: Name
    action: Name
    user_name: Name
    user_id: Name
    required_params: Params
    optional_params: Params


class ClaimJobs(Command):
    """Ask for the waiting jobs (`getnewjobs`)."""

    alternate_queue: AlternateQueue = False


class StartJob(Command):
    """Report that a job has begun (`startjob`)."""

    ulid: Name
    seconds_until_complete: Annotated[Estimate, Field(alias="secondsUntilComplete")] = NO_ESTIMATE
    alternate_queue: AlternateQueue = False


class UpdateStatus(Command):
    """Report what became of a job (`updatejobstatus`)."""

    ulid: Name
    status: Annotated[Status, Field(alias="newStatus")]
    seconds_until_complete: Annotated[Estimate, Field(alias="secondsUntilComplete")] = NO_ESTIMATE
    alternate_queue: AlternateQueue = False


class ListRecent(Command):
    """Ask for the jobs of the last while (`getrecentjobs`)."""

    time_range_ms: Annotated[
        int | float, _or_default(DAY_MS), Field(alias="timeRange", description="a number of milliseconds")
    ] = DAY_MS


AnyCommand = TypeVar("AnyCommand", bound=Command)


def parse(model: type[AnyCommand], body: bytes) -> AnyCommand:
    """Read a body as a command. Raises BadRequest with every fault found."""
    value = _read_json(body)
    if not isinstance(value, dict):
        raise BadRequest("Error: the body must be a JSON object")
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise _refusal(model, error) from None


def check_site(command: Command, sites: Sequence[str]) -> None:
    """Refuse a site code that is none of these; no codes, no check. Raises BadRequest."""
    if sites and command.site not in sites:
        sentence = f"site must be one of {', '.join(sites)}"
        raise BadRequest(f"Error: {sentence}, not {command.site}", [Fault("site", sentence)])


def _read_json(body: bytes) -> object:
    try:
        value = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise BadRequest(f"Error: the body is not JSON: {error}") from None
    if _MAY_OVERFLOW.search(body) and _holds_infinity(value):
        raise BadRequest("Error: the body is not JSON: a number is beyond what a double can hold")
    return value


def _holds_infinity(value: object) -> bool:
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, dict):
            todo.extend(item.values())
        elif isinstance(item, list):
            todo.extend(item)
        elif isinstance(item, float) and math.isinf(item):
            return True
    return False


def _refusal(model: type[Command], error: ValidationError) -> BadRequest:
    details = sorted(error.errors(include_url=False, include_context=False), key=lambda each: each["type"] != "missing")
    faults = {fault.key: fault for fault in (_fault(model, each) for each in details)}  # a union reports a key twice
    first = next(iter(faults.values()))
    return BadRequest(f"Error: {first.sentence}", list(faults.values()))


def _fault(model: type[Command], detail: ErrorDetails) -> Fault:
    key = str(detail["loc"][0])
    if detail["type"] == "missing":
        return Fault(key, f"missing required key {key}")
    wanted = next(field.description for name, field in model.model_fields.items() if key in (name, field.alias))
    return Fault(key, f"{key} must be {wanted}")
