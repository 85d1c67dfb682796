"""A connection to PostgreSQL on which nothing is waited for without end.

PostgreSQL's own time-outs end what PostgreSQL does. They are no help where it, or the network, says nothing at all: a
path that keeps TCP alive and passes nothing would hold a thread for ever.
"""

from __future__ import annotations

import time
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen

NO_ANSWER = "no answer in time"

Returned = TypeVar("Returned")


class NoAnswer(psycopg.OperationalError):
    """The other side did not answer in time; the connection is closed, since its answer may still come."""


class Connection(psycopg.Connection[Any]):
    """Wait for each answer as a whole for so long at most, however slowly its bytes come."""

    answer_seconds: float | None = None
    """How long the next answers may take; None: as long as they do."""

    def wait(self, gen: PQGen[Returned], *args: Any, **named: Any) -> Returned:
        """Wait for what a generator of psycopg's returns. Raises NoAnswer when that takes too long."""
        if self.answer_seconds is None:
            return super().wait(gen, *args, **named)
        try:
            return super().wait(_in_time(gen, time.monotonic() + self.answer_seconds), *args, **named)
        except NoAnswer:
            self.close()
            raise


def _in_time(gen: PQGen[Returned], deadline: float) -> PQGen[Returned]:
    """Run a generator of psycopg's until a deadline; psycopg looks by itself ten times a second."""
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            if time.monotonic() > deadline:
                raise NoAnswer(NO_ANSWER)
            wanted = gen.send(ready)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
