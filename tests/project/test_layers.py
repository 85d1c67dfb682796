"""Modules import only downwards, so that data flows one way."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import jobs_server

PACKAGE = Path(jobs_server.__file__).parent

ORDER = (
    *("errors", "clock", "catalogue", "strict_json", "filesystems", "setting_checks", "config", "lifecycle", "turns"),
    *("sqlite_file", "sqlite", "postgresql", "revisions", "db", "storage"),
    *("profiles", "sky", "coordinates", "words"),
    *("models", "actors", "fields", "commands"),
    *("queries", "lives", "board", "search", "reports", "insights", "changes"),
    *("reservations", "bookings", "statements", "site_tokens", "idempotency", "lockouts", "admission"),
    "standing",
    *("jobs", "labels", "answers", "logs", "archive", "retention"),
    *(
        "presence",
        "silences",
        "shared_presence",
        "listener",
        "wire",
        "hangup",
        "past",
        "waiters",
        "lookers",
        "feed",
        "polling",
        "stream",
    ),
    *("backups", "sweeper", "caretaker"),
    *(
        "bodies",
        "refusals",
        "cors",
        "door",
        "auth",
        "limits",
        "remote_calendar",
        "described",
        "public",
        "health",
        "metrics",
        "alerts",
    ),
    *("api", "calendar", "live", "openapi", "web"),
    *("cli", "__init__", "serving", "restore", "moving", "patient", "mending", "doctor_postgresql", "doctor"),
    *("gunicorn_conf", "__main__"),
)
"""A module may import only from modules before it."""

APART = {"client": set[str](), "durations": {"client", "catalogue"}, "simulator": {"client", "durations", "catalogue"}}
"""The site's side: only these may be imported by it, and only the command line starts it."""

WIRED = {("__init__", "serving"), ("cli", "serving"), ("cli", "restore"), ("cli", "patient"), ("cli", "doctor")}
WIRED |= {("cli", "moving")}
"""The factory sets up serving, which makes an app with the factory; `flask serve` begins to serve, and
`flask restore` and `flask doctor` prepare a database."""


def modules() -> list[str]:
    names = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in PACKAGE.rglob("*.py")}
    return sorted(names - {"migrations"})


def imports_of(module: str) -> set[str]:
    path = PACKAGE / f"{module}.py"
    files = [path] if path.exists() else sorted((PACKAGE / module).rglob("*.py"))
    found: set[str] = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            found |= imported_modules(node, depth=len(file.relative_to(PACKAGE).parts))
    return {name for name in found if name in modules()} - {module}


def imported_modules(node: ast.AST, depth: int) -> set[str]:
    if isinstance(node, ast.ImportFrom) and node.level == depth:
        return {node.module.split(".")[0]} if node.module else {alias.name for alias in node.names}
    if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("jobs_server"):
        return {*(node.module or "").split(".")[1:2]} or {alias.name for alias in node.names}
    return set()


def test_every_module_has_its_place() -> None:
    assert set(modules()) == set(ORDER) | set(APART)


@pytest.mark.parametrize("module", ORDER)
def test_a_module_imports_only_from_above(module: str) -> None:
    before = set(ORDER[: ORDER.index(module)]) | (set(APART) if module == "cli" else set())
    wired = {other for importer, other in WIRED if importer == module}
    assert imports_of(module) <= before | wired


@pytest.mark.parametrize("module", sorted(APART))
def test_the_sites_side_knows_nothing_of_the_server(module: str) -> None:
    assert imports_of(module) <= APART[module]


def test_only_one_place_may_open_a_sqlite_file() -> None:
    holders = [path.name for path in PACKAGE.rglob("*.py") if "sqlite3" in imported_names(path)]
    assert holders == ["sqlite_file.py"]


def imported_names(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").split(".")[0])
    return {name.replace("pysqlite3", "sqlite3") for name in names}
