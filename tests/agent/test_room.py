"""What the site agent loads, and what it does without."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("astropy", "flask", "numpy", "PIL", "pydantic", "sqlalchemy")


def test_devices_are_loaded_without_the_server_and_without_pixels() -> None:
    """A frame brings numpy, a direction astropy; neither is needed to stop a mount."""
    script = f"import sys, jobs_server.agent.devices.opening; print([each for each in {HEAVY} if each in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
