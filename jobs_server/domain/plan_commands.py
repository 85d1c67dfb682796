"""Bodies that speak of plans and templates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from ..errors import BadRequest, Fault, shown
from .commands import (
    LONGEST_CODE,
    LONGEST_WHO,
    MAX_HOLD_SECONDS,
    MAX_LIFE_SECONDS,
    WHO,
    ByPerson,
    Command,
    checked,
)
from .lifecycle import is_stop
from .times import TimeOrNone, time_field
from .values import VISIBLE, Name, Params, or_default, visible, whole

MOST_STEPS = 500
"""How many steps a plan may have, its repeats included."""
MOST_PLAN_BYTES = 2_000_000
"""How many bytes of JSON the parameters of a plan's steps may be together, its repeats included."""
MOST_BODY_BYTES = 1024 * 1024
"""How large a body may be that holds a plan."""
MOST_PLANS = 200
"""How many ended plans are listed at most."""

Title = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200),
    AfterValidator(visible),
    Field(description="a text of 1 to 200 characters", json_schema_extra={"pattern": VISIBLE}),
]
OnFailure = Annotated[
    Literal["stop", "next"],
    Field(
        title="whether a step that failed pauses the plan, or the next one follows",
        alias="onFailure",
        description="stop or next",
    ),
]
_CODE = {"type": "string", "pattern": VISIBLE, "maxLength": LONGEST_CODE}
_STEP_IS: dict[str, Any] = {
    "type": "object",
    "properties": {
        **dict.fromkeys(("device", "instance", "action"), _CODE),
        **{name: {"anyOf": [{"type": "object"}, {"type": "null"}]} for name in ("required_params", "optional_params")},
        "expiresInSeconds": {"type": ["number", "null"], "exclusiveMinimum": 0, "maximum": MAX_LIFE_SECONDS},
        "notBeforeSeconds": {"type": ["number", "null"], "minimum": 0, "maximum": MAX_HOLD_SECONDS},
        "id": {"type": ["integer", "null"], "minimum": 1, "maximum": 2**63 - 1, "description": "for editplan"},
    },
}
_EXAMPLE = [
    {"device": "mount", "instance": "mount1", "action": "go", "required_params": {"ra": 5.59, "dec": -5.4}},
    {"device": "camera", "instance": "camera_1_1", "action": "expose", "required_params": {"time": 60}},
]
_AN_ID = "01KPR8Z4J6Q3T5V7X9Y0A1B2C4"
_STEPS_ARE = f"a list of 1 to {MOST_STEPS} steps, each an object with device, instance, action and its parameters"
Steps = Annotated[
    list[Any],
    Field(
        title="what is to be done, one after the other",
        description=_STEPS_ARE,
        min_length=1,
        max_length=MOST_STEPS,
        json_schema_extra={"items": _STEP_IS | {"required": ["device", "instance", "action"]}},
        examples=[_EXAMPLE],
    ),
]
Repeat = Annotated[
    Annotated[int, Field(ge=1, le=MOST_STEPS)],
    BeforeValidator(whole),
    or_default(1, Annotated[int, Field(ge=1, le=MOST_STEPS)]),
    Field(
        title="how often the steps are done, one round after the other",
        description=f"a whole number from 1 to {MOST_STEPS}; steps times repeat are at most {MOST_STEPS}",
    ),
]
_Id = Annotated[
    Annotated[int, Field(ge=1, le=2**63 - 1)] | None,
    BeforeValidator(whole),
    Field(description="the id of a step of this plan, a whole number"),
]


_Code = Annotated[
    str,
    StringConstraints(max_length=LONGEST_CODE),
    AfterValidator(visible),
    Field(description=f"a text of 1 to {LONGEST_CODE} characters"),
]


class PlanStep(Command):
    """One step of a plan, checked as a new job is; its site is the plan's."""

    site: Annotated[Name, Field(title="that of the plan, where it is said")] = ""
    id: _Id = None
    device: Annotated[_Code, Field(title="kind of device, such as camera")]
    instance: Annotated[_Code, Field(title="which one, as the site calls it")]
    action: Annotated[_Code, Field(title="what it is to do")]
    required_params: Annotated[Params, or_default({}, dict[str, Any]), Field(default_factory=dict)]
    optional_params: Annotated[Params, or_default({}, dict[str, Any]), Field(default_factory=dict)]
    expires_in_seconds: Annotated[
        int | float | None,
        Field(
            title="how long it may wait to be handed over, once it was released",
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
            title="how long it is held back first, once it was released",
            alias="notBeforeSeconds",
            ge=0,
            le=MAX_HOLD_SECONDS,
            description=f"a number of seconds from 0 to {MAX_HOLD_SECONDS}",
        ),
    ] = 0


_ALL_STEPS = TypeAdapter(list[PlanStep])


class _OfPerson(ByPerson):
    @property
    def bounds(self) -> Mapping[str, int]:
        """Return how long each name may be."""
        return {"site": LONGEST_CODE} | dict.fromkeys(WHO, LONGEST_WHO)


class NewPlan(_OfPerson):
    """Ask for a list of commands to be carried out as one thing (`newplan`)."""

    title: Title = "Plan"
    steps: Steps
    on_failure: OnFailure = "stop"
    repeat: Repeat = 1
    not_before_ms: Annotated[TimeOrNone, time_field("notBefore", "no step is released earlier")] = None
    until_ms: Annotated[TimeOrNone, time_field("until", "no step is released or begins from then on")] = None
    check: Annotated[
        bool,
        or_default(False, bool),
        Field(title="only say what would be answered, and keep nothing", description="true or false"),
    ] = False


class OfPlan(_OfPerson):
    """Speak of one plan."""

    id: Annotated[Name, Field(title="the id of the plan", examples=[_AN_ID])]


class CancelPlan(OfPlan):
    """Cancel a plan (`cancelplan`): no more of its steps is released, and its job is canceled as by `canceljob`."""


class PausePlan(OfPlan):
    """Release no more steps of a plan for now (`pauseplan`); what was released goes on."""

    note: Annotated[
        str,
        StringConstraints(max_length=500),
        AfterValidator(lambda text: text if "\0" not in text else _refuse()),
        or_default("", str),
        Field(title="why", description="a text of at most 500 characters"),
    ] = ""


class ResumePlan(OfPlan):
    """Let a paused plan go on with its next step (`resumeplan`), or first with the step by which it paused."""

    again: Annotated[
        bool,
        or_default(False, bool),
        Field(
            title="release the last step once more, where it did not end well, as a new job",
            description="true or false",
        ),
    ] = False


class EditPlan(OfPlan):
    """Change what of a plan was not released yet (`editplan`): what is not named stays.

    `steps` are all steps still to be released, in their order: `{"id": 12}` keeps a step as it is, with more keys it
    is changed, without an id it is new, and a step that is not in the list is left out.
    """

    steps: Annotated[
        list[Any] | None,
        Field(
            description=f"a list of at most {MOST_STEPS} steps, each an object with an id, or with device, instance and"
            " action",
            max_length=MOST_STEPS,
            json_schema_extra={"items": _STEP_IS},
        ),
    ] = None
    title: Title | None = None
    on_failure: Annotated[Literal["stop", "next"] | None, Field(alias="onFailure", description="stop or next")] = None
    not_before_ms: Annotated[TimeOrNone, time_field("notBefore", "no step is released earlier; null: at once")] = None
    until_ms: Annotated[TimeOrNone, time_field("until", "no step is released or begins from then on; null: no end")] = (
        None
    )
    revision: Annotated[
        int | None,
        BeforeValidator(whole),
        Field(
            title="as the plan was read: when somebody has edited it since, nothing is changed",
            description="a whole number",
        ),
    ] = None


class ShowPlan(Command):
    """Ask for one plan with its steps (`getplan`)."""

    id: Annotated[Name, Field(title="the id of the plan", examples=[_AN_ID])]


class ListPlans(Command):
    """Ask for the plans of a site (`getplans`): those that have not ended, and the last that have."""

    limit: Annotated[
        Annotated[int, Field(ge=0, le=MOST_PLANS)],
        BeforeValidator(whole),
        or_default(20, Annotated[int, Field(ge=0, le=MOST_PLANS)]),
        Field(title="so many that have ended", description=f"a whole number from 0 to {MOST_PLANS}"),
    ] = 20


class OfTemplates(_OfPerson):
    """Speak of the templates of a person, or of the site."""

    name: Annotated[Title, Field(examples=["M42 in three filters"])]
    of_site: Annotated[
        bool,
        or_default(False, bool),
        Field(title="for everybody at the site, and not for oneself", alias="ofSite", description="true or false"),
    ] = False


class SaveTemplate(OfTemplates):
    """Keep a plan or a command to use again, by its name (`savetemplate`); the same name is saved over."""

    model_config: ClassVar[ConfigDict] = ConfigDict(json_schema_extra={"minProperties": 3})

    plan: Annotated[
        dict[str, Any] | None,
        Field(
            description="an object as newplan takes, without site and who asks",
            examples=[{"title": "M42", "steps": _EXAMPLE, "repeat": 3}],
        ),
    ] = None
    command: Annotated[
        dict[str, Any] | None, Field(description="an object as newjob takes, without site and who asks")
    ] = None


class ListTemplates(ByPerson):
    """Ask for the templates of the site and one's own (`gettemplates`)."""


class DeleteTemplate(OfTemplates):
    """Delete a template (`deletetemplate`)."""


def _refuse() -> str:
    raise ValueError


def steps_of(site: str, given: Sequence[Any]) -> list[PlanStep]:
    """Check the steps of a plan for a site. Raises BadRequest that names the step by its number."""
    try:
        steps = _ALL_STEPS.validate_python(given)
    except ValidationError:
        steps = [_checked_alone(number, each) for number, each in enumerate(given, 1)]
    for number, (step, said) in enumerate(zip(steps, given, strict=True), 1):
        if said.get("notBefore") is not None:
            named = f"step {number} has notBefore, which is of a whole plan, or of a job sent alone"
            raise refused("steps", f"{named}; a step may be held by notBeforeSeconds, counted from its release")
        if step.site not in ("", site):
            named = f"step {number} is for {shown(step.site)}, and the plan for {shown(site)}"
            raise refused("steps", f"{named}: a plan is of one site")
        if is_stop(step.action, step.required_params):
            named = f"step {number} is a stop command ({shown(step.action)})"
            raise refused("steps", f"{named}, which cannot wait in a plan; send it alone")
    return steps


def _checked_alone(number: int, given: object) -> PlanStep:
    if not isinstance(given, dict):
        raise refused("steps", f"step {number} must be an object with device, instance and action")
    try:
        return checked(PlanStep, given)
    except BadRequest as error:
        raise refused("steps", f"step {number}: {error.sentence.removeprefix('Error: ')}") from None


def check_whole(steps: Sequence[PlanStep], repeat: int) -> None:
    """Refuse a plan that is too long with its repeats. Raises BadRequest."""
    total = len(steps) * repeat
    if total > MOST_STEPS:
        times = "" if repeat == 1 else f", {len(steps)} times {repeat},"
        raise refused("steps", f"a plan may have {MOST_STEPS} steps, and this one would have {total}{times}: part it")


def check_count(total: int) -> None:
    """Refuse a plan that would have too many steps once it was edited. Raises BadRequest."""
    if total > MOST_STEPS:
        raise refused("steps", f"a plan may have {MOST_STEPS} steps, and this one would have {total}")


def check_size(size: int) -> None:
    """Refuse a plan of which the parameters, its repeats included, are so many bytes of JSON. Raises BadRequest."""
    if size > MOST_PLAN_BYTES:
        raise refused("steps", f"the parameters of all steps may be {MOST_PLAN_BYTES} bytes of JSON, and are {size}")


def check_times(not_before_ms: int | None, until_ms: int | None, now_ms: int) -> None:
    """Refuse times between which nothing could be done. Raises BadRequest."""
    if until_ms is None:
        return
    if not_before_ms is not None and until_ms <= not_before_ms:
        raise refused("until", "until must be later than notBefore")
    if until_ms <= now_ms:
        raise refused("until", "until is over already: nothing could be done")


def refused(key: str, sentence: str) -> BadRequest:
    """Return the refusal of one key of a body."""
    return BadRequest(f"Error: {sentence}", [Fault(key, sentence)])
