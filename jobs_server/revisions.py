"""Where the migrations are, and which is the newest of this version."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from alembic.script import ScriptDirectory

_PACKAGE = Path(__file__).parent
MIGRATIONS = next(
    (path for path in (_PACKAGE / "migrations", _PACKAGE.parent / "migrations") if path.is_dir()),
    _PACKAGE / "migrations",
)
"""The migrations: inside the package when installed, beside it in a checkout."""


@cache
def newest() -> str | None:
    """Give the revision that a database of this version has."""
    return ScriptDirectory(str(MIGRATIONS)).get_current_head()
