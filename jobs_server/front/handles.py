"""How many connections and files the system lets this process have open."""

from __future__ import annotations

import sys

_ENOUGH = 4096  # connections, and what SQLite and long answers need beside them


def allow_enough() -> None:
    """Raise the system's soft limit of open files, often 1,024, as far as is needed and allowed."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(_ENOUGH, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
