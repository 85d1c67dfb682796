"""`flask demo`: a server, a pretend observatory and a believable evening in one terminal, of which nothing stays."""

from __future__ import annotations

import os
import signal
import sys
import threading
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.text import Text

from ..client import SiteClient
from ..config import PREFIX
from ..errors import JobsError
from ..simulator import stars, weather
from ..simulator.instruments import Instruments
from ..simulator.observatory import Observatory, run
from . import demo_folders
from .common import Number
from .screen import Screen
from .serve import check_address

if TYPE_CHECKING:
    from flask import Flask

    from ..observatory.profiles import Profile

_PORTS = range(5000, 5020)
_SETTINGS: dict[str, object] = {"LOG_LEVEL": "warning", "BALLAST_MB": 0, "DISK_FREE_MB": 20}
_ENDS = ("SIGTERM", "SIGHUP", "SIGBREAK")


@click.command
@click.option("--host", default="127.0.0.1", show_default=True, help="0.0.0.0 opens it to the LAN, for a phone.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on.  [default: a free one from 5000 on]")
@click.option("--speed", type=Number(min=0, min_open=True), default=10.0, show_default=True, help="Times real.")
@click.option("--browser/--no-browser", default=True, help="Whether to open the pages in a browser.")
def demo(host: str, port: int | None, speed: float, browser: bool) -> None:
    """Show it all at once: a server, a pretend observatory and a believable evening.

    It needs no set-up, reads no setting, and keeps everything in a folder of its own, which goes when it ends: by
    Ctrl-C, or when the terminal is closed.
    """
    port = _free_port(host, port)
    for name in [each for each in os.environ if each.startswith(PREFIX)]:
        del os.environ[name]  # Nothing of an installation of this PC may be touched, nor its sign-in asked for.
    console = Console(highlight=False)
    with _ended_by_signals(), _folder() as folder:
        try:
            _run(folder, console, host, port, speed, opens=browser)
        except KeyboardInterrupt:
            console.print("Ending.")
        except JobsError as refusal:
            raise click.ClickException(refusal.sentence.removeprefix("Error: ")) from None
    console.print("Ended; nothing of it is left.")


@contextmanager
def _folder() -> Iterator[Path]:
    """Make a folder that goes after the block, and delete those of demos that were killed.

    Raises ClickException where none can be made.
    """
    try:
        demo_folders.delete_left()
        made = TemporaryDirectory(prefix=demo_folders.PREFIX, ignore_cleanup_errors=True)
    except OSError as error:
        reason = f"no folder for it can be made here: {error.strerror or error}"
        raise click.ClickException(f"{reason}; name one that can be written to in TMPDIR") from None
    with made as folder, demo_folders.held(Path(folder)):
        yield Path(folder)


def _free_port(host: str, asked: int | None) -> int:
    """Return the port that is asked for, or the first that is free. Raises ClickException when there is none."""
    if asked is not None:
        check_address(host, asked)
        return asked
    for port in _PORTS:
        try:
            check_address(host, port)
        except click.ClickException:
            if port == _PORTS[-1]:
                raise
        else:
            break
    if port != _PORTS[0]:
        click.echo(f"Port {_PORTS[0]} is taken by another program; port {port} is free.", err=True)
    return port


def _run(folder: Path, console: Console, host: str, port: int, speed: float, *, opens: bool) -> None:
    app, profile = _made(folder, console)
    with _serving(app, host, port):
        from ..auth.console_links import place
        from ..upkeep.startup import announce_address

        url = place(host, port)
        announce_address("demo", host, port)
        if opens:
            _open_browser(url)
        _say(console, f"The pretend observatory works {speed:g} times as fast as a real one. Ctrl-C ends all.")
        with Screen(console) as screen, SiteClient(url, profile.code, name="pretend observatory") as client:
            run(client, Observatory(screen, speed, instruments=_instruments(profile)), folder / "ledger.json")


def _made(folder: Path, console: Console) -> tuple[Flask, Profile]:
    """Make an app whose database has the evening in it."""
    _say(console, "Making an evening ...")
    from .. import create_app
    from ..admin.evening import Evening, profile
    from ..upkeep import startup

    app = create_app({**_SETTINGS, "INSTANCE": str(folder)})
    try:
        startup.prepare(app)
        evening = Evening(app, stars.picture, weather.at)
        evening.write()
    except BaseException:
        startup.finish(app)  # An open file cannot be deleted on every system.
        raise
    _say(
        console,
        f"It is evening at {evening.spot.name}: jobs, a plan that goes on, reservations and pictures are there.",
    )
    return app, profile(evening.spot)


@contextmanager
def _serving(app: Flask, host: str, port: int) -> Iterator[None]:
    """Serve an app beside the block, and end all that works for it after the block."""
    from ..front.bounds import bounds_of
    from ..front.flask_run import server_within
    from ..service import service_of
    from ..upkeep import startup

    service = service_of(app)
    server = server_within(app, bounds_of(service.settings, service.origins), host, port)
    thread = threading.Thread(target=server.serve_forever, name="demo server", daemon=True)
    try:
        startup.begin(app)
        thread.start()
        yield
    finally:
        service.feed.stop()
        if thread.is_alive():
            server.shutdown()
        server.server_close()
        startup.finish(app)


def _instruments(profile: Profile) -> Instruments:
    names = {kind: device.instances for kind, device in profile.devices.items()}
    place = profile.place
    filters = profile.device("camera").filters
    return Instruments(place, names, filters) if place else Instruments(names=names, filters=filters)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Have the signals that end a program end the block as Ctrl-C does, so that nothing is left behind."""
    before: dict[Any, Any] = {}
    for name in _ENDS:
        number = getattr(signal, name, None)
        if number is not None:
            before[number] = signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _open_browser(url: str) -> None:
    """Open a page in a browser with windows; one that runs in the terminal would take it from the demo."""
    has_windows = sys.platform in ("win32", "darwin") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    )
    if has_windows:
        threading.Thread(target=webbrowser.open, args=(url,), name="browser", daemon=True).start()


def _say(console: Console, text: str) -> None:
    console.print(Text(text), soft_wrap=True)
