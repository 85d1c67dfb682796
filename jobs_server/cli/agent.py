"""`flask agent`: find a site's devices, try them out, and carry the site's jobs out on them."""

from __future__ import annotations

import dataclasses
import gc
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .. import program
from ..errors import on_one_line
from .common import CommandGroup, Number
from .installation import settings
from .screen import Screen

if TYPE_CHECKING:
    from ..agent.checking import Checked
    from ..agent.devices.interfaces import Place
    from ..agent.observatory import Observatory
    from ..agent.site_file import SiteFile

AnyCommand = TypeVar("AnyCommand", bound=Callable[..., object])

DEFAULT_URL = "http://127.0.0.1:5000"
_WIDTH = 160
"""How wide a table is that no terminal shows."""
_NEEDED = ("astropy", "httpcore", "numpy", "PIL")
_LOGGERS = ("jobs_server.client", "jobs_server.agent")

agent = CommandGroup(
    "agent", help="Find a site's devices behind INDI and Alpaca, try them out, and carry jobs out on them."
)


def config_option(function: AnyCommand) -> AnyCommand:
    """Let a command be told the site's file."""
    kind = click.Path(dir_okay=False, path_type=Path)
    return click.option("--config", type=kind, default=Path("agent.toml"), show_default=True, help="The site's file.")(
        function
    )


@agent.command()
@click.argument("servers", nargs=-1, metavar="[SERVER]...")
@config_option
@click.option("--site", help="Site code.  [default: the one that JOBS_SITES names, else wmd]")
@click.option("--url", default=DEFAULT_URL, show_default=True, help="Where the service is; nothing is asked of it now.")
@click.option("--latitude", type=Number(-90, 90), help="Degrees, north is positive.")
@click.option("--longitude", type=Number(-180, 360), help="Degrees, east is positive.")
@click.option("--elevation", type=Number(-500, 9000), default=0.0, help="Metres.")
@click.option("--network/--no-network", default=True, help="Whether to ask the network for Alpaca servers.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
def find(
    servers: tuple[str, ...],
    config: Path,
    site: str | None,
    url: str,
    latitude: float | None,
    longitude: float | None,
    elevation: float,
    network: bool,
    force: bool,
) -> None:
    """Look for devices, and write a first agent.toml.

    The network is asked for Alpaca servers, and each SERVER for its devices: indi://HOST (port 7624) or
    alpaca://HOST:PORT. INDI servers do not make themselves known: name them.

    \b
    flask agent find indi://127.0.0.1 --latitude 47.7 --longitude 12.0 --elevation 1838
    """
    _check_extra()
    if config.exists() and not force:
        raise click.ClickException(f"{config} is there already; --force writes over it")
    from ..agent import finding

    try:
        asked = [finding.server(each) for each in servers]
    except finding.WrongServer as error:
        raise click.BadParameter(str(error), param_hint="SERVER") from None
    site = site or (settings().sites[0] if len(settings().sites) == 1 else "wmd")
    place = _place(site, latitude, longitude, elevation)
    with _telling() as tell:
        devices = finding.named(finding.look(asked, tell, network=network))
    if not devices:
        raise click.ClickException("no device was found; name a server, such as indi://127.0.0.1")
    _write(config, finding.text(devices, url=url, site=site, place=place))
    for device in devices:
        click.echo(on_one_line(f"{device.kind} {device.name}: {device.found.name or device.found.driver}"))
    click.echo(f"Written to {config}. Look it over, then: {program.command('agent check')}")
    if place is None:
        click.echo("Where the telescope stands is not known: write latitude_degrees and longitude_degrees into it.")


@agent.command()
@config_option
@click.option("--seconds", type=Number(0, 600), default=40.0, show_default=True, help="How long devices may take.")
def check(config: Path, seconds: float) -> None:
    """Connect to all devices, and print what each can do and what it lacks.

    Ends with 1 when a device is missing, or a mount knows no place or a wrong time. Nothing moves.
    """
    _check_extra()
    site_file = _read(config)
    from ..agent import checking
    from ..agent.observatory import Observatory

    observatory = Observatory(site_file)
    observatory.start()
    try:
        with _counting(observatory) as tell:
            rows = checking.check(observatory, seconds, tell)
    finally:
        observatory.close()
    _print_checked(rows)
    wrong = [row for row in rows if row.faults]
    if wrong:
        names = ", ".join(row.key for row in wrong)
        raise click.ClickException(f"{len(wrong)} of {len(rows)} devices cannot do their work: {names}")


@agent.command()
@config_option
@click.option("--url", help="Where the service is.  [default: as the file says]")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for what is in the site's hands.  [default: beside the file, with its name]",
)
def run(config: Path, url: str | None, folder: Path | None) -> None:
    """Take the site's jobs and carry them out on its devices, until Ctrl-C.

    What moves is halted then, unless the file says on_exit = "leave". A second Ctrl-C ends at once.
    """
    _check_extra()
    site_file = _read(config)
    if url is not None:
        site_file = dataclasses.replace(site_file, url=url.rstrip("/"))
    from ..agent import sky
    from ..agent.run import Agent, run_until_signal
    from ..client import SiteClientError

    sky.warm()  # The first slew need not wait for it then.
    console = Console(highlight=False)
    names = ", ".join(each.name for each in site_file.devices.values())
    console.print(
        Text(on_one_line(f"Carrying out the jobs of {site_file.site} from {site_file.url}, on {names}; Ctrl-C ends.")),
        soft_wrap=True,
    )
    try:
        with _shown(console) as display:
            made = Agent(site_file, folder or config.with_suffix(""), display=display)
            left = run_until_signal(made)
    except SiteClientError as error:
        raise click.ClickException(str(error)) from None
    gc.freeze()  # The program ends now: a last look through all that astropy loaded can take a second.
    if left:
        raise click.ClickException("; ".join(left))
    console.print("Ended.")


def _check_extra() -> None:
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise click.ClickException(
            f"the site agent needs {', '.join(missing)} too: pip install 'jobs-server[agent]' installs what it needs"
        )


def _read(config: Path) -> SiteFile:
    from ..agent import site_file

    try:
        return site_file.read(config)
    except site_file.SiteFileError as error:
        raise click.ClickException(str(error)) from None


def _place(site: str, latitude: float | None, longitude: float | None, elevation: float) -> Place | None:
    """Return where the site is: as told, else as site.toml of an installation here says, else as a person types it."""
    from ..agent.devices.interfaces import Place
    from ..observatory import profiles

    if (latitude is None) != (longitude is None):
        raise click.UsageError("--latitude and --longitude belong together")
    if latitude is not None and longitude is not None:
        return Place(latitude, longitude, elevation)
    profile = profiles.load(Path(settings().instance)).get(site)
    if profile is not None and profile.place is not None:
        return Place(profile.place.latitude_deg, profile.place.longitude_deg, profile.place.elevation_m)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return None
    if not click.confirm("Do you know where the telescope stands, in degrees?", default=True):
        return None
    return Place(
        click.prompt("Latitude, north is positive", type=Number(-90, 90)),
        click.prompt("Longitude, east is positive", type=Number(-180, 360)),
        click.prompt("Elevation in metres", type=Number(-500, 9000), default=0.0),
    )


def _write(config: Path, text: str) -> None:
    """Write a file whole or not at all."""
    new = config.with_name(f"{config.name}.new")
    try:
        config.parent.mkdir(parents=True, exist_ok=True)
        new.write_text(text, encoding="utf-8")
        new.replace(config)
    except OSError as error:
        raise click.ClickException(f"{config} cannot be written: {error}") from None


@contextmanager
def _telling() -> Iterator[Callable[[str], None]]:
    """Show what is asked: a line each, and on a terminal that it goes on."""
    console = Console(stderr=True, highlight=False)
    with console.status("Looking for devices"):
        yield lambda line: console.print(Text(on_one_line(line), "dim"), soft_wrap=True)


@contextmanager
def _counting(observatory: Observatory) -> Iterator[Callable[[int], None]]:
    """Show on a terminal how many devices are connected."""
    console, count = Console(stderr=True, highlight=False), len(observatory.devices)
    with console.status(f"Connecting {count} devices") as status:
        yield lambda ready: status.update(f"Connecting {count} devices: {ready} are there")


def _print_checked(rows: list[Checked]) -> None:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for heading in ("Device", "Driver", "Connected", "State", "Can", "Missing"):
        table.add_column(heading, overflow="fold", no_wrap=heading in ("Device", "State"))
    for row in rows:
        connected = Text("yes", "green") if row.connected else Text("no", "red")
        missing = Text("; ".join(map(on_one_line, row.faults)), "red")
        if row.notes:
            missing.append("; ".join(map(on_one_line, ("", *row.notes) if row.faults else row.notes)), "yellow")
        cells = (row.key, row.driver, connected, row.state, ", ".join(row.can), missing)
        table.add_row(*(each if isinstance(each, Text) else Text(on_one_line(each)) for each in cells))
    Console(width=None if sys.stdout.isatty() else _WIDTH).print(table)


@contextmanager
def _shown(console: Console) -> Iterator[Screen | None]:
    """Show jobs with bars on a terminal; elsewhere they go to the log, in the server's form."""
    if console.is_terminal:
        with Screen(console, *_LOGGERS) as screen:
            yield screen
        return
    from ..upkeep.log_lines import Lines, Objects

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Objects() if settings().log_format == "json" else Lines())
    ours = logging.getLogger("jobs_server")
    before = ours.level, ours.propagate
    ours.addHandler(handler)
    ours.setLevel(settings().log_level.upper())
    ours.propagate = False
    try:
        yield None
    finally:
        ours.removeHandler(handler)
        ours.setLevel(before[0])
        ours.propagate = before[1]
