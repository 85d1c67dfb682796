"""A feed with times, bounds or a rendering of the test's own, in the place of the one that an app has."""

from __future__ import annotations

from dataclasses import replace

from flask import Flask

from jobs_server.live import sse
from jobs_server.live.backlog import Render
from jobs_server.live.feed import Feed
from jobs_server.live.subscribers import ChannelBounds
from jobs_server.live.tuning import FeedTimes
from jobs_server.service import EXTENSION, service_of


def put_in(
    app: Flask,
    times: FeedTimes | None = None,
    bounds: ChannelBounds | None = None,
    render: Render = sse.render,
    silent_after_seconds: float | None = None,
) -> Feed:
    """Put another feed into an app that nobody watches yet, and return it."""
    service = service_of(app)
    settings = service.settings
    if silent_after_seconds is not None:
        settings = replace(settings, silent_after_seconds=silent_after_seconds)
    made = Feed(service.database, settings, render, times, bounds)
    made.follow_commits()
    app.extensions[EXTENSION] = replace(service, feed=made)
    return made
