"""What is asked elsewhere is waited for so long in all, however slowly the answer comes.

The time-outs of HTTP libraries are for each read: a server that sends a byte now and then is waited for without end,
and so is a resolver of names. So the call is made beside, and left to itself when its time is over.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Answer = TypeVar("Answer")

_MOST_LEFT = 32
"""So many calls may be left to themselves at once; they end when their servers do, or close the connection."""
_left = threading.BoundedSemaphore(_MOST_LEFT)


def within(seconds: float, call: Callable[[], Answer], give_up: Callable[[], None] = lambda: None) -> Answer:
    """Return what a call returns, or raise what it raises, and TimeoutError when that takes too long.

    `give_up` is called then, to end the call soon: the call goes on beside until it does.
    """
    if not _left.acquire(blocking=False):
        raise TimeoutError(f"{_MOST_LEFT} questions of before are still without an answer")
    outcome: Future[Answer] = Future()
    threading.Thread(target=_answer, args=(outcome, call), name="question", daemon=True).start()
    try:
        return outcome.result(max(0.0, seconds))
    except TimeoutError as error:
        if outcome.done():
            raise  # it is the call's own
        give_up()
        raise TimeoutError("it did not answer in time") from error


def _answer(outcome: Future[Answer], call: Callable[[], Answer]) -> None:
    try:
        outcome.set_result(call())
    except BaseException as error:
        outcome.set_exception(error)
    finally:
        _left.release()
