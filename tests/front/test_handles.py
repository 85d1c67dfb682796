"""A process may have as many connections and files open as it takes."""

from __future__ import annotations

import subprocess
import sys

import pytest

LOOK = """
import resource
from jobs_server.upkeep import handles
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
handles.allow_enough()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such limit there")
@pytest.mark.parametrize(
    ("soft", "hard", "after"), [(256, 5000, "4096 5000"), (256, 1000, "1000 1000"), (4500, 5000, "4500 5000")]
)
def test_the_soft_limit_is_raised_as_far_as_is_allowed(soft: int, hard: int, after: str) -> None:
    look = [sys.executable, "-c", LOOK.format(soft=soft, hard=hard)]
    done = subprocess.run(look, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == after
