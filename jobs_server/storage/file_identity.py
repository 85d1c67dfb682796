"""Whether the file of a served database is still the one that was opened.

Connections that are open go on with a file that was deleted or replaced, and what they write is lost; a connection that
is made anew opens the other file, with the log of the first one, and damages it.
"""

from __future__ import annotations

import os
import stat

REPLACED = "its file was deleted or replaced under this server: put the file back, or restart the server"


class FileIdentity:
    """Know a file again by its device and inode."""

    def __init__(self, path: str | None) -> None:
        """Look at no file yet; a database in memory has none."""
        self._path = path
        self._known: tuple[int, int] | None = None

    def learn(self) -> None:
        """Take the file that is there now for the right one, unless one is known."""
        if self._path and self._known is None:
            found = os.stat(self._path)  # noqa: PTH116  each write asks, and a Path costs more
            self._known = found.st_dev, found.st_ino

    def has_changed(self) -> bool:
        """Whether another file, or none, is where the known one was; what cannot be looked at is no other file."""
        if self._known is None:
            return False
        try:
            found = os.stat(self._path or "")  # noqa: PTH116
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return (found.st_dev, found.st_ino) != self._known and stat.S_ISREG(found.st_mode)
