"""Site software as small as can be, to be killed: it writes down what it begins and what it has done."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from jobs_server.client import ClaimedJob, SiteClient


def main(url: str, site: str, folder: Path, max_age_seconds: float) -> None:
    """Carry out jobs for ever, of which all that waits is claimed at once."""

    def write(word: str, job: ClaimedJob) -> None:
        with (folder / "diary").open("a", encoding="utf-8") as diary:
            diary.write(f"{word} {job.ulid}\n")

    client = SiteClient(url, site, patience_seconds=1)
    options: dict[str, Any] = {"max_age_seconds": max_age_seconds, "poll_seconds": 0.05, "stops_apart": False}
    for job in client.claims(folder / "claims.json", **options):
        with job:
            write("begun", job)
            job.wait(job.required_params["time"])
            write("done", job)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), float(sys.argv[4]))
