"""What happens at a site, as this PC's own database tells it."""

from __future__ import annotations

import json

import click

from ..jobs import events, wire
from ..jobs.events import EventOfJob
from ..live import sse
from ..live.disconnect import Client
from ..live.feed import Feed
from . import terminal
from .installation import database, settings

_PAGE = 500  # events read at once
_INTERRUPTIBLE_SECONDS = 1.0  # Windows hears no Ctrl-C while it waits


def follow(site: str, as_json: bool) -> None:
    """Print each event of a site that comes from now on. Raises Unavailable."""
    with database().reading() as connection:
        seen = events.last(connection, site)
    click.echo(f"Watching {site}; Ctrl-C ends.", err=True)
    with Feed(database(), settings(), sse.render).waiting(site, Client("flask jobs watch", "")) as subscriber:
        while True:
            with database().reading() as connection:
                news, more = events.after(connection, seen, _PAGE, site)
            for change in news:
                seen = change.event.seq
                click.echo(line(change, as_json))
            if not more:
                subscriber.wait(_INTERRUPTIBLE_SECONDS)


def line(change: EventOfJob, as_json: bool) -> str:
    """Write one event, for people or for programs; its job is as of the event, as in the stream."""
    if not as_json:
        return terminal.event_line(change.event, change.job)
    return json.dumps({"job": wire.job_object(change.job), "event": wire.event_object(change.event, change.before)})
