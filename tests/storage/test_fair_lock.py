"""The order in which writers are let in, held against a model: two lines, and the urgent one first."""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import suppress
from typing import Any

from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.strategies import booleans

from jobs_server.storage.fair_lock import FairLock

PATIENCE_SECONDS = 60.0
BRIEF_SECONDS = 0.002


class Line(deque[Any]):
    """A line that counts who came."""

    came = 0

    def append(self, ticket: Any) -> None:
        super().append(ticket)
        self.came += 1


class Waiter(threading.Thread):
    """One writer that waits for the lock, and keeps it until it is told to let go."""

    def __init__(self, lock: FairLock, seconds: float, *, urgent: bool) -> None:
        super().__init__(daemon=True)
        self.lock, self.seconds, self.urgent = lock, seconds, urgent
        self.was_served = False
        self.decided = threading.Event()

    def run(self) -> None:
        self.was_served = self.lock.acquire(self.seconds, urgent=self.urgent)
        self.decided.set()


class Order(RuleBasedStateMachine):
    """Writers come, urgent or not, some of them with little time; whoever has the lock lets go of it."""

    @initialize()
    def begin(self) -> None:
        self.lock, self.lines = FairLock(), (Line(), Line())
        self.lock._waiting, self.lock._urgent = self.lines
        self.holder: Waiter | None = None
        self.urgent, self.others, self.brief = list[Waiter](), list[Waiter](), list[Waiter]()

    def come(self, seconds: float, *, urgent: bool) -> Waiter:
        waiter, before = Waiter(self.lock, seconds, urgent=urgent), self.lines[urgent].came
        waiter.start()
        while not (waiter.decided.is_set() or self.lines[urgent].came > before):
            time.sleep(0)  # until it stands in its line, or had the lock
        return waiter

    @rule(urgent=booleans())
    def a_writer_comes(self, urgent: bool) -> None:
        waiter = self.come(PATIENCE_SECONDS, urgent=urgent)
        if self.holder is None:
            assert waiter.decided.wait(PATIENCE_SECONDS)
            assert waiter.was_served, "the lock was free"
            self.holder = waiter
        else:
            (self.urgent if urgent else self.others).append(waiter)

    @precondition(lambda self: self.holder)
    @rule(urgent=booleans())
    def one_with_little_time_comes(self, urgent: bool) -> None:
        self.brief.append(self.come(BRIEF_SECONDS, urgent=urgent))

    @precondition(lambda self: self.brief)
    @rule()
    def those_with_little_time_have_left(self) -> None:
        for waiter in self.brief:
            waiter.join(PATIENCE_SECONDS)
            assert not waiter.was_served
        self.brief.clear()

    @precondition(lambda self: self.holder and not self.brief)
    @rule()
    def the_holder_lets_go(self) -> None:
        self.lock.release()
        line = self.urgent or self.others
        self.holder = line.pop(0) if line else None
        if self.holder is not None:
            assert self.holder.decided.wait(PATIENCE_SECONDS), "somebody else was served"
            assert self.holder.was_served

    @invariant()
    def nobody_else_was_served(self) -> None:
        assert not any(each.decided.is_set() for each in (*self.urgent, *self.others))

    def teardown(self) -> None:
        with suppress(AttributeError):
            self.those_with_little_time_have_left()
            while self.holder is not None:
                self.the_holder_lets_go()


TestOrder = Order.TestCase
TestOrder.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)


def test_urgent_ones_are_served_first_and_each_line_in_its_order() -> None:
    lock = FairLock()
    assert lock.acquire(1)
    come = [(False, 1), (True, 2), (False, 3), (True, 4)]
    served = list[int]()

    def wait(number: int, urgent: bool) -> None:
        assert lock.acquire(PATIENCE_SECONDS, urgent=urgent)
        served.append(number)
        lock.release()

    threads = []
    for count, (urgent, number) in enumerate(come, 1):
        threads.append(threading.Thread(target=wait, args=(number, urgent)))
        threads[-1].start()
        while len(lock._urgent) + len(lock._waiting) < count:
            pass
    lock.release()
    for thread in threads:
        thread.join()
    assert served == [2, 4, 1, 3]
