"""The agent as a process of its own, to be killed; devices of tests are quicker than real ones."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from jobs_server.agent import site_file
from jobs_server.agent.run import Agent, run_until_signal

from .site import TIMES

if __name__ == "__main__":
    file = site_file.read(Path(sys.argv[1]))
    agent = Agent(file, Path(sys.argv[2]), times=replace(TIMES, wait_seconds=1.0))
    print("\n".join(run_until_signal(agent)))
