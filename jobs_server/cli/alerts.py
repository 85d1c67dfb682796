"""`flask alerts`: does an alert arrive."""

from __future__ import annotations

import click

from .installation import settings

alerts = click.Group("alerts", help="Try out the alerts that JOBS_ALERT_URL gets.")


@alerts.command("test")
def alerts_test() -> None:
    """Send one alert to JOBS_ALERT_URL, and say whether it was taken."""
    from ..upkeep.alerts import post

    url = settings().alert_url
    if not url:
        raise click.ClickException("no address is set: JOBS_ALERT_URL=https://ntfy.example.org/my-observatory")
    post(url, "This is a test: alerts of the observatory's jobs_server arrive here.")
    click.echo("It was taken. Does it show where you look?")
