"""What comes of a job at the pretend observatory: names of files, numbers, and pictures of its frames."""

from __future__ import annotations

import math
import random
from typing import Any

from ..client import ClaimedJob
from . import stars
from .instruments import Instruments
from .self_report import Picture, SelfReport

_ZENITH_FWHM_ARCSEC = 1.9
_ARCSEC_PER_PIXEL = 0.7
_MOST_FILES = 50


class Outcome:
    """Make up what comes of one job while it is carried out."""

    def __init__(
        self, run: ClaimedJob, instruments: Instruments, report: SelfReport | None, chance: random.Random
    ) -> None:
        self._run, self._instruments, self._report, self._chance = run, instruments, report, chance
        self._files: list[str] = []
        self._frames = 0

    def note(self, status: str, *, is_last: bool) -> None:
        """Note that a step was done; a frame that was read out becomes a file, and now and then a picture."""
        if (self._run.device, status[:7]) != ("camera", "READING"):
            return
        which = status.rpartition(" ")[2].partition("/")[0]
        self._frames = int(which) if which.isdigit() else 1
        name = f"{self._run.instance}-{self._run.ulid}-{self._frames:04}"
        if len(self._files) < _MOST_FILES:
            self._files.append(f"{name}.fits")
        if self._report is not None and self._report.wants_picture(self._run.ulid, is_last=is_last):
            data = stars.picture(*self._instruments.pointing(), self._fwhm_arcsec() / _ARCSEC_PER_PIXEL)
            self._report.add(Picture(self._run.ulid, f"{name}.png"[-200:], data))

    def tell(self) -> None:
        """Add to the job what came of it."""
        found: dict[str, Any] = {}
        ra, dec = (round(each, 5) for each in self._instruments.pointing())
        if self._frames:
            found = {"files": self._files, "frames": self._frames, "fwhm_arcsec": round(self._fwhm_arcsec(), 2)}
            found |= {"ra": ra, "dec": dec}
        elif self._run.device == "mount":
            found = {"ra": ra, "dec": dec}
        elif self._run.device == "focuser":
            found = {"position_um": round(self._instruments.pose("focuser", self._run.instance).focus, 1)}
        if found:
            self._run.add_result(**found)

    def _fwhm_arcsec(self) -> float:
        """Return the width of stars: wider near the horizon, and a little by chance."""
        sine = math.sin(math.radians(max(6.0, self._instruments.altitude())))
        return float(_ZENITH_FWHM_ARCSEC * (1 / sine) ** 0.6 * self._chance.uniform(0.95, 1.1))
