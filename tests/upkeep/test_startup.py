"""When serving begins, the database is prepared, or the start refused with one sentence."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import segno
from alembic import command
from alembic.script import ScriptDirectory
from flask import Flask
from sqlalchemy import create_engine, make_url

from jobs_server import create_app
from jobs_server.errors import ConfigError, StartRefused
from jobs_server.service import service_of
from jobs_server.storage import migrations
from jobs_server.storage.flask_extension import db
from jobs_server.storage.sqlite_driver import driver
from jobs_server.upkeep import startup

from ..conftest import inside
from ..support import databases, servers

TABLES = "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE tbl_name != 'alembic_version' ORDER BY name"


ANNOUNCED = {"flask": "flask run", "serve": "flask serve", "serve-waitress": "flask serve"}


def file_app_at(folder: Path, **settings: object) -> Flask:
    return create_app({"TESTING": True} | databases.at(folder) | settings)


def select(app: Flask, sql: str) -> list[tuple[Any, ...]]:
    with service_of(app).database.engine.connect() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(sql)]


def execute(app: Flask, sql: str) -> None:
    with service_of(app).database.engine.begin() as connection:
        connection.exec_driver_sql(sql)


def close(app: Flask) -> None:
    service_of(app).database.close()


def move_to(app: Flask, revision: str) -> None:
    """Run the migrations up or down to a revision."""
    with app.app_context():
        config = migrations.alembic_config(service_of(app).database)
        step = command.downgrade if revision == "base" else command.upgrade
        step(config, revision)


def test_making_the_app_writes_nothing(tmp_path: Path) -> None:
    create_app({"INSTANCE": str(tmp_path / "instance")})
    assert not (tmp_path / "instance").exists()


def test_an_empty_folder_becomes_a_database(tmp_path: Path) -> None:
    app = file_app_at(tmp_path / "new" / "instance")
    startup.prepare(app)
    assert inside(app).sends()
    close(app)


def test_preparing_again_keeps_what_is_there(file_app: Flask) -> None:
    job = inside(file_app).sends()
    startup.prepare(file_app)
    assert inside(file_app).polls() == [job]


@pytest.mark.sqlite("its schema, and its file")
def test_the_migrations_make_exactly_the_declared_tables(file_app: Flask, tmp_path: Path) -> None:
    with file_app.app_context():
        command.check(migrations.alembic_config(service_of(file_app).database))
    engine = create_engine(f"sqlite:///{tmp_path}/declared.db", module=driver)
    with engine.begin() as connection:
        db.metadata.create_all(connection)
        declared = [tuple(row) for row in connection.exec_driver_sql(TABLES)]
    engine.dispose()
    assert [_plain(row) for row in select(file_app, TABLES)] == [_plain(row) for row in declared]


def _plain(row: tuple[Any, ...]) -> tuple[str, ...]:
    return tuple(" ".join(str(cell).split()) for cell in row)


@pytest.mark.sqlite("its schema")
def test_down_to_base_and_up_again_works_on_data(file_app: Flask) -> None:
    observatory = inside(file_app)
    observatory.reports(observatory.sends(), "COMPLETE")
    move_to(file_app, "base")
    assert [row[1] for row in select(file_app, TABLES) if row[0] == "table"] == ["sqlite_sequence"]
    startup.prepare(file_app)
    assert observatory.lists() == []
    assert observatory.sends()


def test_two_that_start_together_prepare_it_once(tmp_path: Path) -> None:
    script = (
        "import sys; from jobs_server import create_app; from jobs_server.upkeep import startup; app = create_app();"
        "sys.stdin.read(1); startup.prepare(app); print('prepared')"
    )
    environment = servers.environment(tmp_path / "instance")
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    starters = [
        subprocess.Popen([sys.executable, "-c", script], cwd=servers.ROOT, env=environment, text=True, **pipes)
        for _ in range(4)
    ]
    for starter in starters:
        assert starter.stdin
        starter.stdin.write("x")
        starter.stdin.flush()
    outputs = [starter.communicate(timeout=60) for starter in starters]
    assert [out for out, _ in outputs] == ["prepared\n"] * 4, outputs


def test_migrations_are_found_by_the_names_of_their_files() -> None:
    scripts = ScriptDirectory(str(migrations.MIGRATIONS)).walk_revisions()
    assert migrations.known() == tuple(script.revision for script in scripts)[::-1]


def test_a_server_loads_nothing_that_it_does_not_need(tmp_path: Path) -> None:
    app = file_app_at(tmp_path)
    startup.prepare(app)  # so that there is nothing to migrate
    close(app)
    script = (
        "import sys, wsgi; print({'alembic', 'authlib', 'httpx', 'joserfc', 'requests', 'rich'} & set(sys.modules))"
    )
    environment = servers.environment(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=servers.ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout == "set()\n", done.stderr


def test_a_database_ahead_of_the_code_is_refused_untouched(file_app: Flask) -> None:
    execute(file_app, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StartRefused, match=r"written by a newer version .* \(migration 9999\)"):
        startup.prepare(file_app)
    assert select(file_app, "SELECT version_num FROM alembic_version") == [("9999",)]


@pytest.mark.sqlite("its schema")
def test_somebody_elses_database_is_refused_untouched(tmp_path: Path) -> None:
    app = file_app_at(tmp_path)
    execute(app, "CREATE TABLE recipes (title TEXT)")
    with pytest.raises(StartRefused, match="recipes"):
        startup.prepare(app)
    assert [row[1] for row in select(app, TABLES)] == ["recipes"]
    close(app)


@pytest.mark.sqlite("its file")
def test_a_file_that_is_no_database_is_refused_untouched(tmp_path: Path) -> None:
    (tmp_path / "jobs.db").write_text("Dear diary, " * 1000, encoding="utf-8")
    with pytest.raises(StartRefused, match="no database"):
        startup.prepare(file_app_at(tmp_path))
    assert (tmp_path / "jobs.db").read_text(encoding="utf-8").startswith("Dear diary")


@pytest.mark.sqlite("its file")
def test_a_database_that_cannot_be_written_is_refused(file_app: Flask, tmp_path: Path) -> None:
    path = tmp_path / "instance" / "jobs.db"
    app = file_app_at(tmp_path, DATABASE_URL=f"sqlite:///file:{path}?mode=ro&uri=true")
    with pytest.raises(StartRefused, match="may only be read"):
        startup.prepare(app)
    close(app)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    app = file_app_at(tmp_path, DATABASE_URL=f"sqlite:///{tmp_path}/missing/jobs.db")
    with pytest.raises(StartRefused, match="cannot be opened"):
        startup.prepare(app)


def test_an_instance_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StartRefused, match="JOBS_INSTANCE"):
        startup.prepare(file_app_at(tmp_path / "file" / "instance"))


def test_another_kind_of_database_is_refused(tmp_path: Path) -> None:
    for url in ("mysql://jobs:opensesame@127.0.0.1/jobs", "postgresql+asyncpg://jobs:opensesame@127.0.0.1/jobs"):
        with pytest.raises(ConfigError, match="SQLite or PostgreSQL") as refused:
            file_app_at(tmp_path, DATABASE_URL=url)
        assert "opensesame" not in refused.value.message


@pytest.mark.sqlite("its file")
@pytest.mark.parametrize("kind", sorted(servers.COMMANDS))
def test_a_refused_start_is_one_sentence_and_an_end(kind: str, tmp_path: Path) -> None:
    (tmp_path / "jobs.db").write_text("Dear diary, " * 1000, encoding="utf-8")
    arguments = [part.format(port=servers.free_port()) for part in servers.COMMANDS[kind]]
    environment = os.environ | {"JOBS_INSTANCE": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, *arguments],
        cwd=servers.ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 3
    sentences = [line for line in ended.stderr.splitlines() if line.startswith("Error: ")]
    assert len(sentences) == 1
    assert "its file is no database" in sentences[0]
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("kind", sorted(servers.COMMANDS))
def test_the_start_says_where_the_data_is_and_who_may_command(kind: str, tmp_path: Path) -> None:
    with servers.running(kind, tmp_path / "instance") as server:
        said = server.log.read_text(encoding="utf-8")
        for address in re.findall(r"pages are at (\S+)", said):
            page = httpx.get(address, trust_env=False, follow_redirects=True)
            assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    url = make_url(databases.of(tmp_path / "instance") or f"sqlite:///{tmp_path / 'instance' / 'jobs.db'}")
    where = f"PostgreSQL, database {url.database} at {url.host}" if url.host else url.database
    assert f"Jobs are kept in {where}." in said
    assert "No sign-in is set: whoever can reach this port may command the telescope." in said
    if kind in ANNOUNCED:
        assert f"The pages are at http://127.0.0.1:{server.port}/ " in said
        assert f"http://127.0.0.1:{server.port}/jobs" in said
        assert f"{ANNOUNCED[kind]} --host 0.0.0.0" in said
        assert "this PC's numbers; name any other in JOBS_TRUSTED_HOSTS." in said


@pytest.mark.parametrize(("host", "is_said"), [("127.0.0.1", False), ("192.0.2.7", True), ("0.0.0.0", True)])
def test_the_start_says_on_a_network_what_needs_a_proxy(
    host: str, is_said: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    startup.announce_address("serve", host, 5000)
    assert ("slow clients of very many addresses, need a proxy" in capsys.readouterr().err) == is_said


class _Terminal(io.StringIO):
    """A terminal of an encoding."""

    def __init__(self, encoding: str) -> None:
        super().__init__()
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return True


def _dark(said: str) -> list[list[int]]:
    """Return the modules of a QR code that stands in a text as half blocks: 1 where it is dark."""
    above_below = {" ": (1, 1), "\u2580": (0, 1), "\u2584": (1, 0), "\u2588": (0, 0)}
    lines = [
        line for line in re.sub(r"\x1b\[[0-9;]*m", "", said).splitlines() if line and set(line) <= set(above_below)
    ]
    return [[above_below[mark][half] for mark in line] for line in lines for half in (0, 1)]


def test_on_a_lan_a_terminal_shows_the_pages_address_as_a_qr_code_for_phones(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = _Terminal("utf-8")
    monkeypatch.setattr("sys.stderr", terminal)
    startup.announce_address("run", "192.0.2.7", 5000)
    code = [list(row) for row in segno.make("http://192.0.2.7:5000/", micro=False).matrix]
    shown = _dark(terminal.getvalue())
    border = (len(shown[0]) - len(code)) // 2
    assert border == 4
    assert [row[border:-border] for row in shown[border : border + len(code)]] == code


@pytest.mark.parametrize(
    ("host", "encoding"), [("127.0.0.1", "utf-8"), ("192.0.2.7", "cp1252"), ("192.0.2.7", "ascii")]
)
def test_no_qr_code_is_shown_of_this_pc_alone_or_where_it_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch, host: str, encoding: str
) -> None:
    terminal = _Terminal(encoding)
    monkeypatch.setattr("sys.stderr", terminal)
    startup.announce_address("run", host, 5000)
    assert f"http://{host}:5000/" in terminal.getvalue()
    assert "phone" not in terminal.getvalue()


def test_a_log_gets_no_qr_code(capsys: pytest.CaptureFixture[str]) -> None:
    startup.announce_address("run", "192.0.2.7", 5000)
    assert "phone" not in capsys.readouterr().err


@pytest.mark.sqlite("its file")
def test_commands_run_on_a_broken_database(tmp_path: Path) -> None:
    (tmp_path / "jobs.db").write_text("Dear diary, " * 1000, encoding="utf-8")
    app = file_app_at(tmp_path)
    assert app.test_cli_runner().invoke(args=["settings"]).exit_code == 0
    listed = app.test_cli_runner().invoke(args=["jobs", "list", "--site", "wmd"])
    assert listed.exit_code == 1
    assert "its file is no database" in listed.output
