"""`flask companion`: first configs for the public site software and UI."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .. import clock
from ..errors import shown
from .common import CommandGroup, person_here
from .installation import database, settings

if TYPE_CHECKING:
    from ..observatory.profiles import Profile

companion = CommandGroup("companion", help="Configs for the public site software and UI.")


@companion.command()
@click.option("--site", help="Site code; unless said, each site that site.toml describes.")
@click.option("--wema", help="Name of the wema, where a program of its own runs for it. Unless said, the site itself.")
@click.option("--replace", is_flag=True, help="Put them in the place of configs that are there.")
@click.option("--print", "only_print", is_flag=True, help="Only print them.")
def seed(site: str | None, wema: str | None, replace: bool, only_print: bool) -> None:
    """Draw first configs from site.toml, without which the public site software does not boot.

    They hold the least with which the public UI draws all its panels. Change and restore them on the page Site.
    """
    from ..observatory.first_configs import first_configs
    from ..state import site_configs

    for profile in _profiles(site):
        for name, config in first_configs(profile, wema or profile.code, clock.now_ms()).items():
            if only_print:
                click.echo(json.dumps({name: config}, indent=2, ensure_ascii=False))
                continue
            with database().reading() as connection:
                is_there = site_configs.of_site(connection, name) is not None
            if is_there and not replace:
                click.echo(f"{shown(name)} has a config already, which stays; --replace puts this one in its place.")
                continue
            by = f"{person_here()} at this PC, from site.toml"
            site_configs.put(database(), name, site_configs.written(config), by, clock.now_ms())
            click.echo(f"{shown(name)} has a config now.")
    if settings().companion == "off" and not only_print:
        click.echo("A server that was started with JOBS_COMPANION=on serves them; here it is not set.", err=True)


def _profiles(site: str | None) -> list[Profile]:
    from ..observatory import profiles

    known = profiles.load(Path(settings().instance))
    if site is None:
        if not known:
            raise click.ClickException("site.toml describes no site; write it by hand, or on the page Site")
        return list(known.values())
    if site not in known:
        raise click.ClickException(f"site.toml does not describe {shown(site)}; write it by hand, or on the page Site")
    return [known[site]]
