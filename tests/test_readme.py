"""What the README shows for site software does what it says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from jobs_server.client import SiteClient

from .support import servers
from .support.waiting import until

WHO: dict[str, Any] = {"user_name": "Vera", "user_id": "auth0|vera"}


def snippet(heading: str) -> str:
    """Cut the code below a heading out of the README."""
    text = (servers.ROOT / "README.md").read_text(encoding="utf-8")
    return text.split(f"## {heading}\n", 1)[1].split("```python\n", 1)[1].split("```", 1)[0]


def test_site_software_in_ten_lines(tmp_path: Path) -> None:
    program = tmp_path / "site.py"
    program.write_text(snippet("Site software in ten lines"), encoding="utf-8")
    assert len([line for line in program.read_text(encoding="utf-8").splitlines() if line]) <= 10
    with servers.running("gunicorn", tmp_path / "instance") as server, SiteClient(server.url, "wmd") as client:
        done, stopped, wrong = (
            client.submit("camera", "c1", "expose", {"time": seconds}, **WHO) for seconds in (0, "3600", "empty")
        )
        command = [sys.executable, str(program), server.url]
        process = subprocess.Popen(command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(servers.ROOT)})
        try:
            until(lambda: client.get(done).status == "COMPLETE")
            until(lambda: client.get(stopped).status == "EXPOSING")
            client.cancel(stopped, **WHO)
            until(lambda: client.get(stopped).status == "CANCELED")
            until(lambda: client.get(wrong).status == "FAILED")
        finally:
            process.kill()
            process.wait()
