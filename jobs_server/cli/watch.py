"""`flask jobs watch`: what happens at a site, as it happens.

Either from this PC's own database, without a server, or over HTTP, without anything of the server's.
"""

from __future__ import annotations

import click

from .common import json_option, needed_site, site_option


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
            from .watch_database import follow

            follow(site, as_json)
        else:
            from .watch_service import follow as follow_service

            follow_service(url, site, as_json)
    except KeyboardInterrupt:
        pass
