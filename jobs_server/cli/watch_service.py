"""What happens at a site, as a service tells it over HTTP."""

from __future__ import annotations

import json

import click

from ..client import JobChange, PresenceChange, SiteClient, SiteClientError
from . import terminal


def follow(url: str, site: str, as_json: bool) -> None:
    """Print each event of a site that comes from now on. Raises ClickException when the service refuses."""
    click.echo(f"Watching {site} at {url}; Ctrl-C ends.", err=True)
    try:
        with SiteClient(url, site, name="flask jobs watch") as client:
            for change in client.follow():
                if isinstance(change, JobChange):
                    click.echo(line(change, as_json))
                elif isinstance(change, PresenceChange):
                    click.echo(f"The site's software is {change.state}.", err=True)
                else:
                    click.echo(f"Something may have been missed: {change.reason}.", err=True)
    except SiteClientError as error:
        raise click.ClickException(str(error)) from None


def line(change: JobChange, as_json: bool) -> str:
    """Write one event, for people or for programs; its job is as of the event."""
    if not as_json:
        return terminal.change_line(change)
    wired = dict(change.job.wire)
    return json.dumps({"event": wired.pop("event"), "job": wired})
