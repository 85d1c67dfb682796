"""`flask jobs watch`: what happens at a site, as it happens."""

from __future__ import annotations

import json
from typing import Any

import click

from ..client import JobChange, PresenceChange, SiteClient, SiteClientError
from ..jobs import events as changes
from ..jobs import queries, rows, wire
from ..live import feed, sse
from ..live.disconnect import Client
from . import terminal
from .common import json_option, needed_site, site_option
from .installation import database, settings

_INTERRUPTIBLE_SECONDS = 1.0  # Windows hears no Ctrl-C while it waits


@click.command
@site_option
@click.option(
    "--url", help="Follow a service elsewhere, such as http://192.168.1.5:5000; without it, this PC's own jobs."
)
@json_option
def watch(site: str | None, url: str | None, as_json: bool) -> None:
    """Print what happens at a site as it happens, until Ctrl-C."""
    site = needed_site(site)
    try:
        if url is None:
            _watch_here(site, as_json)
        else:
            _watch_there(url, site, as_json)
    except KeyboardInterrupt:
        pass
    except SiteClientError as error:
        raise click.ClickException(str(error)) from None


def _watch_here(site: str, as_json: bool) -> None:
    with database().reading() as connection:
        seen = changes.last(connection, site)
    click.echo(f"Watching {site}; Ctrl-C ends.", err=True)
    with feed.Feed(database(), settings(), sse.render).waiting(site, Client("flask jobs watch", "")) as waiter:
        while True:
            with database().reading() as connection:
                happened = queries.events_after(connection, site, seen)
            for event, row in happened:
                seen = event.seq
                click.echo(json.dumps(_change(event, row)) if as_json else terminal.event_line(event, row))
            waiter.wait(_INTERRUPTIBLE_SECONDS)


def _watch_there(url: str, site: str, as_json: bool) -> None:
    click.echo(f"Watching {site} at {url}; Ctrl-C ends.", err=True)
    with SiteClient(url, site, name="flask jobs watch") as client:
        for change in client.follow():
            if isinstance(change, JobChange):
                wired = dict(change.job.wire)
                told = {"event": wired.pop("event"), "job": wired}
                click.echo(json.dumps(told) if as_json else terminal.change_line(change))
            elif isinstance(change, PresenceChange):
                click.echo(f"The site's software is {change.state}.", err=True)
            else:
                click.echo(f"Something may have been missed: {change.reason}.", err=True)


def _change(event: rows.EventRow, row: rows.JobRow) -> dict[str, Any]:
    return {"job": wire.job_object(row), "event": wire.event_object(event)}
