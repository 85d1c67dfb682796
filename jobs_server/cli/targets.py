"""`flask targets`: where a target is, and how it stands over a site; and each site's own list."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import click

from .. import clock
from ..errors import ConfigError, Unavailable
from ..observatory import own_targets, target_search
from ..observatory.abilities import Abilities
from ..observatory.coordinates import sexagesimal
from ..observatory.own_targets import OwnTarget
from ..observatory.profiles import Profile, load
from ..observatory.target_search import Asked, Found
from ..state import capabilities
from .common import CommandGroup, json_option, needed_site, person_here, site_option
from .installation import database, settings

_FIND = "find"


class TargetCommands(CommandGroup):
    """Take what is no command of the group as a name to be found: `flask targets m31`."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that is meant, and what is left of the line."""
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = [_FIND, *args]
        return super().resolve_command(ctx, args)


targets = TargetCommands("targets", help="Find targets by name, offline, and look after each site's own list of them.")


@targets.command(_FIND)
@click.argument("name", nargs=-1, required=True)
@click.option("--most", type=click.IntRange(1, 100), default=5, show_default=True, help="How many at most.")
@site_option
@json_option
def find(name: tuple[str, ...], most: int, site: str | None, as_json: bool) -> None:
    """Find a target by NAME, such as m31, NGC 7000, andromeda, Vega or jupiter, and say how it stands over the site.

    \b
    flask targets m31
    flask targets --site wmd north america
    """
    text = " ".join(name)
    abilities, own = _known(site, text)
    asked = Asked(abilities, clock.now_ms())
    found = target_search.search(text, asked, own, most)
    if as_json:
        click.echo(json.dumps([_plain(each) for each in found]))
    elif not found:
        raise click.ClickException(f"no target here is called {text!r}")
    else:
        click.echo("\n".join(line for each in found for line in _lines(each, asked)))


@targets.command("list")
@site_option
@json_option
def list_own(site: str | None, as_json: bool) -> None:
    """List a site's own targets."""
    with database().reading() as connection:
        rows = own_targets.listed(connection, needed_site(site))
    if as_json:
        click.echo(json.dumps([row._asdict() for row in rows]))
    for row in [] if as_json else rows:
        where = "" if row.ra_hours is None or row.dec_degrees is None else _where(row.ra_hours, row.dec_degrees)
        click.echo("  ".join(filter(None, (row.name, where, row.kind, row.note))))


@targets.command()
@click.argument("name")
@click.argument("ra", required=False)
@click.argument("dec", required=False)
@click.option("--note", default="", help="What it is for.")
@site_option
def add(name: str, ra: str | None, dec: str | None, note: str, site: str | None) -> None:
    """Put a target into a site's own list: NAME with RA (hours) and DEC (degrees), ICRS, or a NAME that is known.

    A declination below zero goes after two dashes: flask targets add --site wmd -- Field 5:35:17 -5:23:28
    """
    from ..observatory.coordinates import parse_within, within_a_turn

    try:
        hours = None if ra is None else within_a_turn(parse_within(ra, "h", 0, 24), "h")
        degrees = None if dec is None else parse_within(dec, "deg", -90, 90)
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    row = OwnTarget(name.strip(), "", hours, degrees, None, note, person_here(), clock.now_ms())
    _check_lengths(row)
    code = needed_site(site)
    with database().transaction() as connection:
        own_targets.save(connection, code, [own_targets.checked(row)])
    click.echo(f"{row.name} is in the list of {code}.")


@targets.command("import")
@click.argument("file", type=click.File("rb"))
@click.option("--dry-run", is_flag=True, help="Say what would come in, and change nothing.")
@site_option
def import_list(file: IO[bytes], dry_run: bool, site: str | None) -> None:
    """Put the targets of a list into a site's own list: FILE of a planning program, or - for standard input.

    Read are CSV (Telescopius' and plain), Stellarium's lists (.sol, .ol, JSON), SkySafari's .skylist, Ekos' .esl and
    .esq, and N.I.N.A.'s targets. What is not understood is said line by line.
    """
    from ..observatory import target_lists
    from ..observatory import targets as catalogue

    code, now_ms = needed_site(site), clock.now_ms()
    try:
        reading = target_lists.read(
            file.read(target_lists.MOST_BYTES + 1), lambda name: catalogue.named(name, now_ms, None)
        )
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    for problem in reading.problems:
        click.echo(problem, err=True)
    rows = [row._replace(by_name=person_here(), at_ms=now_ms) for row in reading.targets]
    if rows and not dry_run:
        with database().transaction() as connection:
            own_targets.save(connection, code, rows)
    done = "would come into" if dry_run else "are in"
    click.echo(f"{reading.form}: {len(rows)} targets {done} the list of {code}, {len(reading.problems)} remarks.")


@targets.command("export")
@click.argument("file", type=click.File("w", encoding="utf-8", lazy=True), default="-")
@click.option("--stellarium", is_flag=True, help="Write Stellarium's observing list (.sol) in place of CSV.")
@site_option
def export_list(file: IO[str], stellarium: bool, site: str | None) -> None:
    """Write a site's own list to FILE, or to standard output: CSV, or Stellarium's list."""
    from ..observatory import list_writers

    code = needed_site(site)
    with database().reading() as connection:
        rows = own_targets.listed(connection, code)
    written = datetime.now().astimezone()
    text = list_writers.to_stellarium(rows, code, written) if stellarium else list_writers.to_csv(rows)
    file.write(text.replace("\r\n", "\n"))


@targets.command()
@click.argument("name")
@site_option
def remove(name: str, site: str | None) -> None:
    """Take a target off a site's own list."""
    code = needed_site(site)
    with database().transaction() as connection:
        gone = own_targets.remove(connection, code, name)
    click.echo(f"{gone} is off the list of {code}.")


def _check_lengths(row: OwnTarget) -> None:
    if not row.name or len(row.name) > own_targets.LONGEST_NAME or len(row.note) > own_targets.LONGEST_NOTE:
        raise click.ClickException("a name has 1 to 100 characters, a note at most 500")


def _known(site: str | None, text: str) -> tuple[Abilities, Sequence[OwnTarget]]:
    """Return what is known of the site, and of its own list what may be meant; without a site, nothing."""
    try:
        profiles = load(Path(settings().instance))
    except ConfigError as error:
        click.echo(f"{error}; altitudes are not known", err=True)
        profiles = {}
    codes = settings().sites or tuple(profiles)
    code = needed_site(site) if site else codes[0] if len(codes) == 1 else ""
    profile = profiles.get(code) or Profile(code=code or "?")
    if not code:
        return Abilities(profile, {}), ()
    try:
        with database().reading() as connection:
            said = capabilities.of_site(connection, code)
            own = own_targets.like(connection, code, text)
    except (Unavailable, ConfigError) as error:
        click.echo(f"The own list of {code} is not known now: {error}", err=True)
        return Abilities(profile, {}), ()
    return Abilities(profile, said.devices if said else {}), own


def _lines(found: Found, asked: Asked) -> list[str]:
    """Write a target in three lines: what it is, where it is, and how it stands over the site."""
    target, seen = found.target, found.seen
    what = " ".join(filter(None, (target.kind, f"mag {target.magnitude:g}" if target.magnitude is not None else "")))
    first = ", ".join((target.name, *target.other_names)) + (f" ({what})" if what else "")
    lines = [first, "  " + _where(target.direction.ra_hours, target.direction.dec_degrees)]
    night = asked.night
    if seen is None or night is None:
        return [*lines, "  The site's place is not known: no altitude."]
    at = datetime.fromtimestamp(seen.highest_ms / 1000, UTC)
    lines.append(
        f"  altitude {seen.alt_degrees:.0f}° now, highest {seen.highest_degrees:.0f}° at {at:%H:%M} UTC,"
        f" {seen.hours_up_in_the_dark:.1f} h up in the dark,"
        f" moon {seen.moon_distance_degrees:.0f}° away and {night.moonlit_percent:.0f} % lit"
    )
    return [*lines, *(f"  Caution: {sentence}." for sentence in found.cautions)]


def _where(ra_hours: float, dec_degrees: float) -> str:
    return f"{sexagesimal(ra_hours, 'h')} {sexagesimal(dec_degrees, 'deg')}"


def _plain(found: Found) -> dict[str, object]:
    target: dict[str, object] = found.target._asdict()
    del target["direction"]
    seen: dict[str, object] = found.seen._asdict() if found.seen else {}
    return target | found.target.direction._asdict() | seen | {"cautions": found.cautions}
