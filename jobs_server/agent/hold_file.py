"""The hold of unsafe weather on disk: a restart does not lift it."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import asdict, dataclass
from pathlib import Path

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class KeptHold:
    """Why nothing begins, and what a person stopped meanwhile (`kind/name`), which is not moved again by itself."""

    why: str
    stopped: tuple[str, ...] = ()


class HoldFile:
    """A small JSON file that is there while the hold lasts."""

    def __init__(self, path: Path) -> None:
        """Take the file's path; its folder is there."""
        self._path = path

    def read(self) -> KeptHold | None:
        """Return the hold that an earlier run left; a file that cannot be read is a hold too."""
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
            return KeptHold(str(content["why"]), tuple(map(str, content["stopped"])))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("%s cannot be read, and counts as a hold: %s", self._path, error)
            return KeptHold("what an earlier run knew of the weather cannot be read")

    def write(self, hold: KeptHold) -> None:
        """Keep a hold; where the disk does not take it, the hold lasts for this run alone."""
        new = self._path.with_name(f"{self._path.name}.new")
        try:
            with new.open("w", encoding="utf-8") as file:
                json.dump(asdict(hold), file)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._path)
        except OSError as error:
            log.error("the hold of the weather cannot be kept: %s", error)  # noqa: TRY400

    def remove(self) -> None:
        """Forget the hold."""
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("%s cannot be removed: a restart holds again: %s", self._path, error)
