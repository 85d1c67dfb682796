"""`flask plan import`: a plan out of the lists and sequences of planning programs."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from .. import clock
from ..domain import actors, commands
from ..domain.plan_commands import MOST_STEPS, NewPlan
from ..history import now
from ..jobs import plans
from ..observatory import catalogue, own_targets, profiles, sequence_entries, sequence_steps, sequences, targets
from ..observatory.abilities import Abilities
from ..observatory.sequence_entries import Exposure
from ..observatory.sequence_steps import Manner
from ..observatory.sequences import Sequence
from ..state import capabilities
from ..storage.statement import Connection
from . import plan_file, plan_screen, plan_send
from .common import json_option, needed_site, site_option, user_option
from .installation import database, plan_desk, settings

_SEQUENCES = "*.[eE][sS][qQ]"


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--exposure",
    "exposures",
    multiple=True,
    metavar="FILTER:SECONDS[:COUNT[:BINNING]]",
    help="What is taken at each target that brings nothing of its own; repeat as needed. :60 is without a filter.",
)
@click.option("--rounds", type=click.IntRange(1, MOST_STEPS), default=1, help="How often these are taken.")
@click.option("--focus", type=click.Choice(["no", "once", "each"]), default="no", help="Focus once, or each round.")
@click.option("--camera", help="Which camera; else the first that the site names, or the one used last.")
@click.option("--mount", help="Which mount; likewise.")
@click.option("--title", help="What the plan is called; else as the file says, or as the file is called.")
@click.option("--on-failure", type=click.Choice(["stop", "next"]), help="What follows a step that failed.")
@click.option("--not-before", metavar="TIME", help="Begin no earlier, such as 2026-11-24T20:15; by the site's clock.")
@click.option("--until", metavar="TIME", help="Begin no step from then on.")
@click.option("--timezone", metavar="ZONE", help="Whose clock is meant, such as Europe/Madrid; else that of site.toml.")
@click.option("--check", is_flag=True, help="Only say what it is and how long it takes; send nothing.")
@click.option("--partly", is_flag=True, help="Send what was understood, although something was not.")
@click.option("--sure", is_flag=True, help="Send it although a target is down, too low or near the sun.")
@click.option("--key", metavar="TEXT", help="Idempotency-Key: the same sent again with it makes no second plan.")
@site_option
@user_option
@json_option
def import_plan(
    files: tuple[Path, ...],
    exposures: tuple[str, ...],
    check: bool,
    partly: bool,
    sure: bool,
    key: str | None,
    site: str | None,
    user: str,
    as_json: bool,
    **options: Any,
) -> None:
    """Send what is in FILES as one plan: a list of targets, or a sequence with its exposures.

    Read are Ekos' .esl, with the .esq that it names beside it, and .esq alone, N.I.N.A.'s sequences and sets of
    targets, and the lists that `flask targets import` reads. What is not understood or not taken over is said.

    \b
    flask plan import night.esl --check
    flask plan import tonight.sol --exposure R:60:5 --exposure V:60:5 --focus once
    """
    code = needed_site(site)
    try:
        read = sequences.read(_contents(files), _Catalogue(code).known)
        for sentence in (*read.problems, *read.remarks):
            click.echo(sentence, err=True)
        body = _body(read, [_exposure(each) for each in exposures], code, options)
    except (ValueError, plan_file.WrongFile) as error:
        raise click.ClickException(f"{error}; nothing was sent") from None
    if read.problems and not partly and not check:
        raise click.ClickException("nothing was sent, since something is missing; with --partly the rest is sent")
    who = {"user_id": user, "user_name": user, "check": check}
    command = commands.checked(NewPlan, body | {"site": code} | who)
    commands.check_site(command, settings().sites)
    _send(command, commands.parse_key(key) or uuid.uuid4().hex, sure=sure, as_json=as_json)


class _Catalogue:
    """Names of targets: of the site's own list first, and of the catalogues."""

    def __init__(self, site: str) -> None:
        self._site, self._place, self._now_ms = site, _profile(site).place, clock.now_ms()

    def known(self, name: str) -> list[targets.Target]:
        """Return what has exactly this name."""
        with database().reading() as connection:
            own = own_targets.called(connection, self._site, name)
        return targets.named(
            name, self._now_ms, self._place, list(own_targets.as_targets(own, self._now_ms, self._place))
        )


def _contents(files: Iterable[Path]) -> dict[str, bytes]:
    """Return the files by their paths, with the sequences that lie beside a list of Ekos."""
    found = dict.fromkeys(file.absolute() for file in files)
    for file in list(found):
        if file.suffix.lower() == ".esl":
            beside = sorted(file.parent.glob(_SEQUENCES))
            found |= dict.fromkeys(each for each in beside if _is_named(each, file))
    return {str(file): file.read_bytes() for file in found}


def _is_named(sequence: Path, in_list: Path) -> bool:
    return sequence.name.casefold() in in_list.read_bytes().decode("utf-8", "replace").casefold()


def _exposure(text: str) -> Exposure:
    """Read what is to be taken at each target. Raises ValueError."""
    parts = [part.strip() for part in text.split(":")]
    if not 2 <= len(parts) <= 4:
        raise ValueError(f"--exposure {text!r} is none: write FILTER:SECONDS:COUNT:BINNING, such as R:60:5")
    name, seconds, count, binning = (*parts, "", "")[:4]
    return Exposure(
        sequence_entries.seconds_of(seconds),
        sequence_entries.count_of(count or "1"),
        name,
        sequence_entries.binning_of(*binning.partition(",")[::2]),
    )


def _body(read: Sequence, exposures: list[Exposure], code: str, options: dict[str, Any]) -> dict[str, Any]:
    """Return a plan as `newplan` takes it. Raises ValueError and WrongFile."""
    zone, name = plan_send.zone_of(options["timezone"], code)
    body: dict[str, Any] = {"title": (options["title"] or read.title or "Plan")[:200]}
    times = {"notBefore": ("not_before", read.begins), "until": ("until", read.ends)}
    for alias, (key, of_file) in times.items():
        if options[key] or of_file:
            body[alias] = plan_send.time_of(key, options[key] or of_file, zone, name, after=body.get("notBefore"))
    body |= {"onFailure": options["on_failure"]} if options["on_failure"] else {}
    begins = body.get("notBefore")
    at_ms = max(clock.now_ms(), round(datetime.fromisoformat(begins).timestamp() * 1000) if begins else 0)
    with database().reading() as connection:
        known = _known(connection, code)
        manner = Manner(
            site=known,
            camera=options["camera"] or _instance(connection, known, "camera"),
            mount=options["mount"] or _instance(connection, known, "mount"),
            at_ms=at_ms,
            rounds=options["rounds"],
            focus="" if options["focus"] == "no" else options["focus"],
            most=MOST_STEPS,
        )
    common = [step for each in exposures for step in sequence_steps.exposure_steps(each, "", manner)]
    return body | {"steps": sequence_steps.steps_of(read.entries, manner.with_common(common))}


def _known(connection: Connection, code: str) -> Abilities:
    said = capabilities.of_site(connection, code)
    return Abilities(_profile(code), said.devices if said else {})


def _profile(code: str) -> profiles.Profile:
    return profiles.load(Path(settings().instance)).get(code) or profiles.Profile(code=code)


def _instance(connection: Connection, known: Abilities, device: str) -> str:
    if own := known.instances(device):
        return own[0]
    example = catalogue.devices()[device]["instances"]["example"]
    return now.last_instance(connection, known.profile.code, device) or str(example)


def _send(command: NewPlan, key: str, *, sure: bool, as_json: bool) -> None:
    """Say how long the plan takes and what is down as it goes on, have that acknowledged, and send it."""
    desk, actor = plan_desk(), actors.console(command.user_id, command.user_name, settings().open_roles)
    cautions = plan_screen.sky_cautions(*plans.drafted(command, actor, clock.read()))
    for sentence in cautions:
        click.echo(f"Caution: {sentence}.", err=True)
    if command.check:
        row, steps = desk.check(command, actor)
    else:
        if cautions and not sure:
            _ask()
        row, steps = desk.new(command, actor, key)
    plan_screen.show(row, steps, as_json=as_json)


def _ask() -> None:
    if not sys.stdin.isatty():
        raise click.ClickException("nothing is sent; with --sure it is sent all the same")
    click.confirm("Send it all the same?", abort=True, err=True)
