"""`flask simulate`: a pretend observatory that carries jobs out, to see the service work within a minute."""

from __future__ import annotations

import logging
import random
import threading
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.text import Text

from ..client import Job, SiteClient, SiteClientError
from ..errors import on_one_line
from ..simulator.instruments import FILTERS, PLACE, Instruments
from ..simulator.observatory import Observatory, run, run_as_of_old
from . import installation
from .common import Number

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


class Screen:
    """Print what the observatory does: a line for each thing, and on a terminal a bar for each job that runs."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),  # names come from outside
            BarColumn(),
            TextColumn("{task.fields[status]}", markup=False),
            TextColumn("{task.fields[left]}", markup=False),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        self._said: dict[str, str] = {}
        self._lock = threading.Lock()
        self._warnings = _Warnings(self)

    def __enter__(self) -> Screen:
        logging.getLogger("jobs_server.client").addHandler(self._warnings)
        self._bars.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._bars.stop()
        logging.getLogger("jobs_server.client").removeHandler(self._warnings)

    def say(self, text: str) -> None:
        """Print something that belongs to no job."""
        self._console.print(Text(on_one_line(text), "dim"), soft_wrap=True)

    def begin(self, job: Job, seconds: float) -> None:
        """Print that a job begins, and how long it will take."""
        self._line(job, f"begins, about {seconds:.0f} s", "cyan")
        with self._lock:
            name = on_one_line(f"{job.device} {job.instance} {job.action}")
            self._tasks[job.ulid] = self._bars.add_task(name, total=seconds or 1.0, status="", left="")

    def go_on(self, job: Job, status: str, seconds_left: float) -> None:
        """Print how far a job is."""
        with self._lock:
            news = self._said.get(job.ulid) != status
            self._said[job.ulid] = status
            if (task := self._tasks.get(job.ulid)) is not None:
                total = next(each.total or 1.0 for each in self._bars.tasks if each.id == task)
                self._bars.update(
                    task, completed=total - seconds_left, status=on_one_line(status), left=f"{seconds_left:.0f} s"
                )
        if news:
            self._line(job, f"{status}, {seconds_left:.0f} s left")

    def end(self, job: Job, status: str, message: str | None) -> None:
        """Print how a job ended."""
        with self._lock:
            self._said.pop(job.ulid, None)
            if (task := self._tasks.pop(job.ulid, None)) is not None:
                self._bars.remove_task(task)
        style = {"COMPLETE": "green", "CANCELED": "yellow"}.get(status, "red")
        self._line(job, f"{status}: {message}" if message else status, style)

    def _line(self, job: Job, text: str, style: str = "") -> None:
        what = on_one_line(f"{job.ulid}  {job.device} {job.instance} {job.action}: ")
        self._console.print(Text(what) + Text(on_one_line(text), style), soft_wrap=True)


class _Warnings(logging.Handler):
    """Show what the client has to say of the network between the lines of the play."""

    def __init__(self, screen: Screen) -> None:
        super().__init__(logging.WARNING)
        self._screen = screen

    def emit(self, record: logging.LogRecord) -> None:
        """Print a warning."""
        self._screen.say(record.getMessage())
