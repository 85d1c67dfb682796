"""`flask doctor`: is all well, and if not, what is to be done."""

from __future__ import annotations

import json
import sys

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..errors import TaskFailed
from .installation import database, loaded

_MARKS = {"good": Text("ok", "green"), "note": Text("note", "yellow"), "bad": Text("BAD", "bold red")}


@click.command
@click.option("--fix", is_flag=True, help="Mend what is safe to mend, and say what was done.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def doctor(fix: bool, as_json: bool) -> None:
    """Look this installation over and explain what is wrong.

    Settings, SQLite, disk, permissions, tables, integrity, clock, indexes, backups, the server and its sites, sign-in
    and calendar. Changes nothing unless told to with --fix. Ends with 1 when something is bad and was not mended.
    """
    from ..admin.doctor import look_over
    from ..admin.installation import Installation
    from ..upkeep.findings import Finding, Grade

    def mended(finding: Finding) -> tuple[Finding, str]:
        if not fix or finding.fix is None or finding.grade is Grade.GOOD:
            return finding, ""
        try:
            return Finding(finding.about, Grade.GOOD, finding.sentence), finding.fix()
        except TaskFailed as failure:
            return finding, f"could not be mended: {failure.message}"

    findings = list(map(mended, look_over(Installation(loaded(), database()))))
    if as_json:
        rows = [
            {"about": each.about, "grade": each.grade.value, "sentence": each.sentence, "done": done}
            for each, done in findings
        ]
        click.echo(json.dumps(rows, indent=2))
    else:
        _print([(each.grade.value, each.about, each.sentence, done, each.fix is not None) for each, done in findings])
    sys.exit(any(each.grade is Grade.BAD for each, _ in findings))


def _print(rows: list[tuple[str, str, str, str, bool]]) -> None:
    table = Table.grid(padding=(0, 2))
    for grade, about, sentence, done, can_mend in rows:
        says = Text(sentence[:1].upper() + sentence[1:])
        if done:
            says.append(f"\nMended: {done}" if grade == "good" else f"\n{done}", "cyan")
        elif can_mend and grade != "good":
            says.append("\n--fix does this.", "cyan")
        table.add_row(_MARKS[grade], Text(about, "bold"), says)
    Console(highlight=False).print(table)
