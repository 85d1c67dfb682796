"""The rooms of the program keep their order, and the front step stays clear."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import jobs_server
from tests.support import servers

PACKAGE = Path(jobs_server.__file__).parent


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "setup.cfg"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def test_rooms_import_only_rooms_below_them_and_in_no_circle() -> None:
    done = lint(servers.ROOT)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout


def test_at_most_ten_files_stand_outside_the_rooms() -> None:
    assert len(list(PACKAGE.glob("*.py"))) <= 10


def test_what_an_app_is_made_of_is_kept_in_one_place() -> None:
    places = [path for path in PACKAGE.rglob("*.py") if "app.extensions[" in path.read_text(encoding="utf-8")]
    assert len(places) <= 3
