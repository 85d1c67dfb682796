"""Programs that some tests need beside Python."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import NoReturn

import pytest


def needs(program: str) -> str:
    """Return the path of a program; where it is missing the test skips, or fails when JOBS_TEST_ALL=1."""
    beside_python = str(Path(sys.executable).parent)
    path = shutil.which(program) or shutil.which(program, path=f"{beside_python}:/usr/sbin:/sbin")
    if path is None:
        missing(f"{program} is not installed (Debian: apt install {program})")
    return path


def missing(reason: str) -> NoReturn:
    """Skip the test since something it needs is not there; fail it when JOBS_TEST_ALL=1."""
    if os.environ.get("JOBS_TEST_ALL") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
