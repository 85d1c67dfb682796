"""What a route takes and gives, noted at the route: the API's description is made of these notes and of the models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from pydantic import BaseModel

from ..errors import JobsError

AnyView = TypeVar("AnyView", bound=Callable[..., Any])
_ATTRIBUTE = "described"


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """Hold what a route takes and gives."""

    gives: Any
    """The type of a good answer, as JSON; a text of this media type when `media` is another."""
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    headers: tuple[str, ...] = ()
    """Request headers that mean something here, by name; `openapi.HEADERS` describes them."""
    answer_headers: tuple[str, ...] = ()
    """Headers that a good answer may have, by name; `openapi.ANSWER_HEADERS` describes them."""
    refusals: tuple[type[JobsError], ...] = ()
    """Refusals of this route's own, beside those that any route can give."""
    media: str = "application/json"
    bytes_of: tuple[str, ...] = ()
    """Media types of which the body may be one, where it is no JSON."""


def describe(
    *,
    gives: Any,
    body: type[BaseModel] | None = None,
    query: type[BaseModel] | None = None,
    headers: tuple[str, ...] = (),
    answer_headers: tuple[str, ...] = (),
    refusals: tuple[type[JobsError], ...] = (),
    media: str = "application/json",
    bytes_of: tuple[str, ...] = (),
) -> Callable[[AnyView], AnyView]:
    """Note what a route takes and gives; the view itself is left as it is."""
    described = Described(
        gives=gives,
        body=body,
        query=query,
        headers=headers,
        answer_headers=answer_headers,
        refusals=refusals,
        media=media,
        bytes_of=bytes_of,
    )

    def mark(view: AnyView) -> AnyView:
        setattr(view, _ATTRIBUTE, described)
        return view

    return mark


def of(view: Callable[..., Any]) -> Described | None:
    """Return what was noted of a view; none when nothing was."""
    return cast("Described | None", getattr(view, _ATTRIBUTE, None))
