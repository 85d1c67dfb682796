"""Every refusal this service can give, one class each.

The docstring's first line is the problem's title; the message is one plain sentence that a person can act on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import click


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one key of a body, or with the body itself when there is no key."""

    key: str | None
    sentence: str


_LONGEST_SHOWN = 100


def shown(text: str, longest: int = _LONGEST_SHOWN) -> str:
    """Make a text from outside fit for a sentence: on one line and not too long."""
    line = on_one_line(text[: longest + 1])
    return line if len(line) <= longest else f"{line[:longest]}..."


def on_one_line(text: str) -> str:
    """Make a text from outside harmless on a terminal: what is no visible character becomes a space."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else " " for character in text)


class JobsError(Exception):
    """The request was refused."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "refused"
    retry_after_seconds: ClassVar[int | None] = None

    def __init__(self, sentence: str, faults: Sequence[Fault] = ()) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.faults = tuple(faults)

    @property
    def title(self) -> str:
        """Return the kind of refusal in words, the same for every instance (RFC 9457, section 3.1.3)."""
        return (self.__doc__ or "").splitlines()[0].rstrip(".")


class BadRequest(JobsError):
    """The request's body is not what this route needs."""

    status, code = 400, "bad-request"


class Unauthorized(JobsError):
    """Nobody knows who asks, or somebody else holds the telescope."""

    status, code = 401, "unauthorized"


class Forbidden(JobsError):
    """This may not be done by whoever asks, or not from there."""

    status, code = 403, "forbidden"


class NotFound(JobsError):
    """There is no such job or reservation."""

    status, code = 404, "not-found"


class Conflict(JobsError):
    """The job is past the point where this can be done, or what is there already stands in the way."""

    status, code = 409, "conflict"


class KeyReused(JobsError):
    """The idempotency key came before with another command."""

    status, code = 422, "key-reused"


class LockedOut(JobsError):
    """The telescope is locked out."""

    status, code = 423, "locked-out"


class QueuePaused(JobsError):
    """The queue of the site is paused."""

    status, code = 423, "queue-paused"


class TooMany(JobsError):
    """There are too many requests, or too many jobs wait."""

    status, code, retry_after_seconds = 429, "too-many", 1

    def __init__(self, sentence: str, *, retry_after_seconds: int = 1) -> None:
        super().__init__(sentence)
        self.retry_after_seconds = retry_after_seconds  # type: ignore[misc]


class Unavailable(JobsError):
    """The database is busy, full or broken; nothing was changed."""

    status, code, retry_after_seconds = 503, "unavailable", 2


class DatabaseUnavailable(Unavailable):
    """The database is busy, full or broken; nothing was changed.

    What cannot be had is the database itself, and no calendar or issuer elsewhere.
    """


class Crowded(JobsError):
    """As many clients wait for news already as may at once."""

    status, code, retry_after_seconds = 503, "crowded", 5


class StartRefused(click.ClickException):
    """The service cannot start as it is set up; the message is one sentence that says what to do.

    A Click exception, so that `flask` prints the sentence and no traceback.
    """

    exit_code = 3
    """Gunicorn's code for a worker that must not be started again (WORKER_BOOT_ERROR)."""


class ConfigError(StartRefused):
    """A setting is wrong or unknown."""


class TaskFailed(click.ClickException):
    """A task such as a backup could not be done; the message is one sentence that says why."""
