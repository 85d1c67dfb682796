"""Bodies that speak of the order of what waits: moves, edits, pauses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field

from .commands import LONGEST_CODE, LONGEST_WHO, WHO, ByPerson, Command, Note
from .values import VISIBLE, Name, Params, visible_or_none

FIRST, LAST = "first", "last"
"""Where a job may be moved beside before another one."""


class MoveJob(ByPerson):
    """Ask for a job that waits to be moved in the order (`movejob`)."""

    ulid: Name
    to: Annotated[
        Name,
        Field(
            title="before which job, or to which end",
            description="first, last, or the ulid of a job that waits, to go before",
            examples=[FIRST],
        ),
    ]


class EditJob(ByPerson):
    """Ask for a job that waits to be changed (`editjob`); what is left out stays as it is."""

    ulid: Name
    required_params: Annotated[
        Params | None, Field(title="in the place of all that it has", description="an object")
    ] = None
    optional_params: Annotated[
        Params | None, Field(title="in the place of all that it has", description="an object")
    ] = None
    instance: Annotated[
        str | None,
        AfterValidator(visible_or_none),
        Field(
            title="which device of the same kind",
            description="a text that is not blank",
            json_schema_extra={"pattern": VISIBLE},
        ),
    ] = None

    @property
    def bounds(self) -> Mapping[str, int]:
        """Return how long each name may be."""
        return {} if self.instance is None else {"instance": LONGEST_CODE}


class PauseQueue(ByPerson):
    """Pause the queue of a site (`pausequeue`)."""

    note: Note

    @property
    def bounds(self) -> Mapping[str, int]:
        """Return how long each name may be."""
        return {"site": LONGEST_CODE} | dict.fromkeys(WHO, LONGEST_WHO)


class ResumeQueue(ByPerson):
    """Let the queue of a site go on (`resumequeue`)."""


class ShowQueue(Command):
    """Ask for what is to happen at a site, in its order (`getqueue`)."""
