"""The shape of plans and templates as they go out, for the API's description; `plan_views` and `plan_wire` write it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from .schemas import Public, TimeMs, Ulid

_Seconds = Annotated[float, Field(description="by the catalogue, and this site's own past where there is enough of it")]


class PlanStep(Public):
    """One step of a plan."""

    id: Annotated[
        int | None, Field(description="by which `editplan` names it; missing where a plan was only checked")
    ] = None
    step: Annotated[int, Field(description="its place, from 1")]
    device: str
    instance: str
    action: str
    required_params: dict[str, Any]
    optional_params: dict[str, Any]
    not_before_seconds: Annotated[float | None, Field(alias="notBeforeSeconds")] = None
    expires_in_seconds: Annotated[float | None, Field(alias="expiresInSeconds")] = None
    ulid: Annotated[Ulid | None, Field(description="its job; missing until it is released")] = None
    status: Annotated[str | None, Field(description="how its job stands")] = None
    estimated_seconds: _Seconds


class PlanInShort(Public):
    """A plan without its steps."""

    id: Annotated[Ulid | None, Field(description="missing where a plan was only checked")] = None
    site: str
    title: str
    user_id: str
    user_name: str
    state: Annotated[
        Literal["waiting", "running", "paused", "done", "canceled", "stopped"],
        Field(description="waiting: no step was released yet"),
    ]
    step: Annotated[int, Field(description="how many steps were released")]
    of: Annotated[int, Field(description="how many there are, repeats included")]
    on_failure: Annotated[Literal["stop", "next"], Field(alias="onFailure")]
    repeat: int
    not_before: Annotated[str | None, Field(alias="notBefore", description="ISO 8601, UTC")]
    until: Annotated[str | None, Field(description="ISO 8601, UTC")]
    created_ms: TimeMs
    changed_ms: TimeMs
    ended_ms: TimeMs | None = None
    revision: Annotated[int, Field(description="counts the edits by people")]
    reason: Annotated[str | None, Field(description="in words, why it is paused or was ended")] = None
    waits_for: Annotated[str | None, Field(alias="waitsFor", description="in words, while it runs")] = None
    ulid: Annotated[Ulid | None, Field(description="the job of the last step that was released")] = None


class Plan(PlanInShort):
    """A plan with its steps."""

    estimated_seconds: _Seconds
    left_seconds: Annotated[float, Field(description="how much of that is not over")]
    estimated_end_ms: TimeMs | None = None
    cautions: Annotated[
        list[str] | None, Field(description="in words, what may keep it from its end, as far as that is known")
    ] = None
    steps: list[PlanStep]


class KeptBy(Public):
    """Who saved it."""

    id: str
    name: str


class Template(Public):
    """A plan or a command to use again."""

    site: str
    name: str
    of_site: Annotated[bool, Field(alias="ofSite", description="whether it is everybody's at the site")]
    plan: Annotated[dict[str, Any] | None, Field(description="as newplan takes it")] = None
    command: Annotated[dict[str, Any] | None, Field(description="as newjob takes it")] = None
    by: KeptBy
    saved_ms: TimeMs
