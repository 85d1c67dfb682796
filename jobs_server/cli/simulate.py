"""`flask simulate`: a pretend observatory that carries jobs out, to see the service work within a minute."""

from __future__ import annotations

import random
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from ..client import SiteClient, SiteClientError
from ..simulator.instruments import FILTERS, PLACE, Instruments
from ..simulator.observatory import Observatory, run, run_as_of_old
from . import installation
from .common import Number
from .screen import Screen

DEFAULT_URL = "http://127.0.0.1:5000"


@click.command
@click.option("--site", help="Site code to play, such as wmd; may be left out when JOBS_SITES names just one.")
@click.option("--speed", type=Number(min=0, min_open=True), default=1.0, show_default=True, help="Times real.")
@click.option("--url", default=DEFAULT_URL, show_default=True, help="Where the service is.")
@click.option("--faults", type=Number(0, 1), default=0.0, show_default=True, help="Share of jobs that go wrong.")
@click.option("--legacy", is_flag=True, help="Poll as software of the original service does: no claims, no fence.")
@click.option(
    "--ledger",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File for what is in the site's hands.  [default: simulate-SITE.json in the instance folder]",
)
@click.option("--seed", type=int, help="Makes the faults the same each time.")
def simulate(
    site: str | None, speed: float, url: str, faults: float, legacy: bool, ledger: Path | None, seed: int | None
) -> None:
    """Play an observatory: take the jobs of a site and carry them out, until Ctrl-C.

    Exposures take their time and a readout, slews go by their angle, scripts by their frames. A stop or a cancel is
    obeyed at once. Of the jobs that go wrong half fail, and of the other half nothing more is heard. What real gear
    refuses fails with the reason: a filter that is not there, a target below the horizon, a slew while parked. Place,
    names and filters are those of site.toml. It says how its devices are, and sends pictures of made-up stars; with
    --legacy it does not.

    \b
    flask run
    flask simulate --site wmd --speed 20
    flask jobs send --site wmd camera camera_1_1 expose -p time=30 -p count=3
    """
    settings = installation.settings()
    if site is None and len(settings.sites) != 1:
        raise click.UsageError("name the site to play, such as --site wmd")
    site = site or settings.sites[0]
    console = Console(highlight=False)
    console.print(
        Text(f"Playing {site} for {url}, {speed:g} times as fast as a real one; Ctrl-C ends."), soft_wrap=True
    )
    with Screen(console) as screen, SiteClient(url, site, name="pretend observatory") as client:
        instruments = _instruments(Path(settings.instance), site)
        observatory = Observatory(screen, speed, faults, random.Random(seed), instruments)  # noqa: S311
        try:
            if legacy:
                run_as_of_old(client, observatory)
            else:
                run(client, observatory, ledger or Path(settings.instance) / f"simulate-{site}.json")
        except KeyboardInterrupt:
            screen.say("Ended.")
        except SiteClientError as error:
            raise click.ClickException(str(error)) from None


def _instruments(folder: Path, site: str) -> Instruments:
    """Return the devices of a site as its profile here lists them, else usual ones. Raises ConfigError."""
    if not (folder / "site.toml").exists():  # What reads it need not be loaded then.
        return Instruments()
    from ..observatory import profiles

    profile = profiles.load(folder).get(site) or profiles.Profile(code=site)
    names = {kind: device.instances for kind, device in profile.devices.items()}
    filters = profile.device("camera").filters or profile.device("filter_wheel").filters
    return Instruments(profile.place or PLACE, names, filters or FILTERS)
