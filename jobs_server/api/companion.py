"""The companion: the small services beside the jobs, without which the public site software and UI do not work.

Nothing of it is loaded unless `JOBS_COMPANION=on`. Its wire is that of the public services: trailing slashes are
answered without a redirect, no Content-Type is looked at, and under `/api` every refusal is JSON.
"""

from __future__ import annotations

from flask import Flask

from . import companion_calendar, companion_config, companion_datastream, companion_logs, companion_status

PARTS = (companion_config.bp, companion_status.bp, companion_datastream.bp, companion_logs.bp, companion_calendar.bp)


def register(app: Flask) -> None:
    """Add the companion's routes to an app."""
    for blueprint in PARTS:
        app.register_blueprint(blueprint)
