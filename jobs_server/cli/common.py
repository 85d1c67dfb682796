"""What the command groups share: how refusals are shown, and the options that most of them take."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import click

from .. import program
from ..errors import JobsError
from .installation import database, settings

AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])


class Number(click.FloatRange):
    """A number within a range: `nan` is in none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read the number."""
        found = super().convert(value, param, ctx)
        if not math.isfinite(found):
            self.fail(f"{value!r} is no finite number.", param, ctx)
        return found


class CommandGroup(click.Group):
    """Show a refusal as the sentence it is."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except JobsError as error:
            raise click.ClickException(error.sentence.removeprefix("Error: ")) from None


def site_option(function: AnyFunction) -> AnyFunction:
    """Let a command be told a site."""
    text = "Site code, such as wmd; may be left out when JOBS_SITES names just one."
    return click.option("--site", help=text)(function)


def user_option(function: AnyFunction) -> AnyFunction:
    """Let a command be told who asks."""
    return click.option("--user", default=person_here, show_default="you", help="Who asks.")(function)


def json_option(function: AnyFunction) -> AnyFunction:
    """Let a command print for programs."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")(function)


def person_here() -> str:
    """Return the name by which the person at this PC is signed in to it."""
    import getpass

    return getpass.getuser()


def needed_site(site: str | None) -> str:
    """Take the site that is named, or the only one there is; refuse one that JOBS_SITES does not know."""
    sites = settings().sites
    if site is None and len(sites) != 1:
        raise click.UsageError(f"name the site, such as --site {sites[0] if sites else 'wmd'}")
    if site is not None and sites and site not in sites:
        raise click.UsageError(f"there is no site {site}; JOBS_SITES names {', '.join(sites)}")
    return site or sites[0]


def say_held(sentence: str, site: str) -> None:
    """Print how a site is held, and how many jobs it has begun or may begin all the same."""
    from ..jobs import queries  # Not every command reads jobs.

    with database().reading() as connection:
        in_hand = queries.count_in_hand(connection, site)
    click.echo(f"{sentence}.")
    if in_hand:
        click.echo(
            f"The site has {in_hand} unfinished job{'s' * (in_hand > 1)}: see `{program.command('jobs list')}`.",
            err=True,
        )
