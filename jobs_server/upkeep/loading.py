"""How modules are imported and an app is made: with the garbage collector held back."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_OBJECTS = 100_000


@contextmanager
def collecting_seldom() -> Iterator[None]:
    """Let the garbage collector look seldom while modules are imported and an app is made.

    That makes hundreds of thousands of objects, of which nearly none is garbage: looked through as often as by default,
    they cost a tenth of the time.
    """
    before = gc.get_threshold()
    gc.set_threshold(_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


@contextmanager
def loading() -> Iterator[None]:
    """Let the garbage collector look seldom, and never again at what was made meanwhile."""
    with collecting_seldom():
        try:
            yield
        finally:
            gc.freeze()
