"""The folder into which all processes of one server count, which prometheus_client has to know before any does."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

SHARED = "PROMETHEUS_MULTIPROC_DIR"
"""Names the folder to prometheus_client, which looks for it when it is imported."""
_COUNTS = "jobs-server-counts-"


def count_together() -> None:
    """Have the processes of the server that this one is about to become count together, in a folder of their own."""
    if SHARED not in os.environ:
        os.environ[SHARED] = tempfile.mkdtemp(prefix=_COUNTS)
    values: Any = sys.modules.get("prometheus_client.values")
    if values is not None:  # `flask` may have made an app to find the command by.
        values.ValueClass = values.get_value_class()


def forget_counts() -> None:
    """Delete the folder that was made to count together, when all have ended."""
    folder = Path(os.environ.get(SHARED, ""))
    if folder.name.startswith(_COUNTS):
        shutil.rmtree(folder, ignore_errors=True)
