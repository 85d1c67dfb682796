"""Where the migrations are, and which there are in this version.

They are told by their files' names: Alembic takes a quarter of a second and ten megabytes, which no start should pay
that has nothing to migrate.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
MIGRATIONS = next(
    (path for path in (_PACKAGE / "migrations", _PACKAGE.parent / "migrations") if path.is_dir()),
    _PACKAGE / "migrations",
)
"""The migrations: inside the package when installed, beside it in a checkout."""


@cache
def known() -> tuple[str, ...]:
    """List the revisions, oldest first; a file is named by its revision and what it does, as in `0003_lockouts.py`."""
    files = (MIGRATIONS / "versions").glob("[0-9]*_*.py")
    return tuple(sorted(file.name.partition("_")[0] for file in files))


def newest() -> str:
    """Give the revision that a database of this version has."""
    return known()[-1]
