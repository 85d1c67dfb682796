"""Settings are typed, come from where they are said to come from, and are refused at start when wrong."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import FrozenInstanceError, fields
from pathlib import Path
from shutil import copytree
from typing import Any, Literal

import pytest
from pydantic import TypeAdapter

from jobs_server import config, create_app
from jobs_server.config import Settings
from jobs_server.errors import ConfigError
from jobs_server.service import service_of

from .conftest import inside
from .support.servers import ROOT


def load(tmp_path: Path, file: str = "", environ: dict[str, str] | None = None, **overrides: object) -> config.Loaded:
    (tmp_path / "config.toml").write_text(file, encoding="utf-8")
    return config.load(tmp_path, overrides, environ or {})


def test_defaults_need_nothing(tmp_path: Path) -> None:
    settings = load(tmp_path).settings
    assert settings.url.database == str(tmp_path / "jobs.db")
    assert settings.sites == ()


def test_create_app_goes_before_the_environment_before_the_file(tmp_path: Path) -> None:
    file = "threads = 1\nopen_roles = ['a']\nsites = ['x']"
    loaded = load(tmp_path, file, {"JOBS_THREADS": "2", "JOBS_OPEN_ROLES": "b, c"}, THREADS=3)
    assert (loaded.settings.threads, loaded.settings.open_roles, loaded.settings.sites) == (3, ("b", "c"), ("x",))
    assert loaded.origins["threads"] == "create_app"
    assert loaded.origins["open_roles"] == "environment JOBS_OPEN_ROLES"
    assert loaded.origins["sites"] == str(tmp_path / "config.toml")
    assert loaded.origins["stop_scope"] == "default"


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"JOBS_TREADS": "3"}, "JOBS_TREADS"),
        ({"JOBS_THREADS": "many"}, "JOBS_THREADS"),
        ({"JOBS_THREADS": "0"}, "JOBS_THREADS"),
        ({"JOBS_STOP_SCOPE": "galaxy"}, "JOBS_STOP_SCOPE"),
        ({"JOBS_DATABASE_TIMEOUT_SECONDS": "nan"}, "JOBS_DATABASE_TIMEOUT_SECONDS"),
        ({"JOBS_SWEEP_SECONDS": "inf"}, "JOBS_SWEEP_SECONDS is wrong: inf is more than 1000000000"),
        ({"JOBS_SESSION_HOURS": "1e308"}, r"JOBS_SESSION_HOURS is wrong: 1e\+308 is more than 1000000000"),
        ({"JOBS_DATABASE_URL": "nonsense"}, "JOBS_DATABASE_URL"),
        ({"JOBS_ALLOWED_ORIGINS": "https://ui.example.org/path"}, "JOBS_ALLOWED_ORIGINS"),
        ({"JOBS_ALLOWED_ORIGINS": "*"}, "JOBS_ALLOWED_ORIGINS"),
        ({"JOBS_TRUSTED_PROXIES": "the router"}, "JOBS_TRUSTED_PROXIES"),
        ({"JOBS_METRICS_FROM": "nonsense"}, "JOBS_METRICS_FROM: 'nonsense'"),
        ({"JOBS_METRICS_FROM": "127.0.0.1, 10.0.0.0/33"}, "JOBS_METRICS_FROM: '10.0.0.0/33'"),
        ({"JOBS_CALENDAR_URL": "calendar.example.org"}, "JOBS_CALENDAR_URL"),
        ({"JOBS_CALENDAR_URL": "https://[::1"}, "JOBS_CALENDAR_URL"),
        ({"JOBS_ALERT_URL": "not a url"}, "JOBS_ALERT_URL"),
        ({"JOBS_ALERT_URL": "ntfy.example.org/topic"}, "JOBS_ALERT_URL"),
        ({"JOBS_ALERT_URL": "https://ntfy.example.org:topic"}, "JOBS_ALERT_URL"),
        ({"JOBS_ALERT_URL": "https://ntfy.example.org/a topic"}, "JOBS_ALERT_URL"),
        ({"JOBS_AUTH0_DOMAIN": "example.eu.auth0.com"}, "JOBS_AUTH0_AUDIENCE"),
        ({"JOBS_OIDC_AUDIENCE": "jobs"}, "JOBS_OIDC_ISSUER"),
        ({"JOBS_AUTH0_DOMAIN": "https://example.eu.auth0.com", "JOBS_AUTH0_AUDIENCE": "jobs"}, "a bare name"),
        ({"JOBS_OIDC_ISSUER": "http://issuer.example", "JOBS_OIDC_AUDIENCE": "jobs"}, "must begin with https://"),
        ({"JOBS_OIDC_ISSUER": "http://192.168.1.5", "JOBS_OIDC_AUDIENCE": "jobs"}, "must begin with https://"),
        (
            {"JOBS_AUTH0_DOMAIN": "example.eu.auth0.com", "JOBS_AUTH0_AUDIENCE": "jobs"}
            | {"JOBS_OIDC_ISSUER": "https://issuer.example", "JOBS_OIDC_AUDIENCE": "jobs"},
            "not both",
        ),
    ],
)
def test_a_wrong_or_unknown_setting_is_refused_by_name(tmp_path: Path, environ: dict[str, str], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        load(tmp_path, environ=environ)


@pytest.mark.parametrize("issuer", ["http://localhost:9000", "http://127.0.0.1:9000", "https://issuer.example/realm"])
def test_an_issuer_is_asked_over_https_or_on_this_machine(tmp_path: Path, issuer: str) -> None:
    settings = load(tmp_path, environ={"JOBS_OIDC_ISSUER": issuer, "JOBS_OIDC_AUDIENCE": "jobs"}).settings
    assert (settings.issuer, settings.audience, settings.is_open) == (issuer, "jobs", False)
    assert settings.strangers_may_stop is False


def test_auth0s_issuer_is_its_domain_with_a_slash(tmp_path: Path) -> None:
    auth0 = {"JOBS_AUTH0_DOMAIN": "example.eu.auth0.com", "JOBS_AUTH0_AUDIENCE": "https://jobs.example.org"}
    settings = load(tmp_path, environ=auth0).settings
    assert (settings.issuer, settings.audience) == ("https://example.eu.auth0.com/", "https://jobs.example.org")


@pytest.mark.parametrize("file", ["treads = 3", "threads = 'many'", "threads = ", "instance = '/elsewhere'"])
def test_a_wrong_file_is_refused_by_name(tmp_path: Path, file: str) -> None:
    with pytest.raises(ConfigError, match=r"config\.toml"):
        load(tmp_path, file)


def test_create_app_refuses_a_key_that_is_neither_a_setting_nor_flasks() -> None:
    with pytest.raises(ConfigError, match="DATABASE_ULR"):
        create_app({"DATABASE_ULR": "sqlite://"})


def test_create_app_takes_flasks_own_keys() -> None:
    app = create_app({"TESTING": True, "SECRET_KEY": "quiet", "DATABASE_URL": "sqlite://"})
    assert app.testing
    assert app.config["SECRET_KEY"] == "quiet"


def test_settings_cannot_be_changed(tmp_path: Path) -> None:
    with pytest.raises(FrozenInstanceError):
        load(tmp_path).settings.threads = 5  # type: ignore[misc]


def test_jobs_instance_names_the_folder(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.toml").write_text("threads = 7", encoding="utf-8")
    loaded = load(tmp_path, "threads = 8", {"JOBS_INSTANCE": str(tmp_path / "other")})
    assert loaded.settings.threads == 7
    assert loaded.settings.url.database == str(tmp_path / "other" / "jobs.db")


def test_every_setting_says_what_it_does() -> None:
    assert all(field.metadata["help"].endswith(".") for field in fields(Settings))


def test_every_setting_stands_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = {line.split("|")[1].strip().strip("`") for line in readme.splitlines() if line.startswith("| `JOBS_")}
    assert rows == {config.variable(name) for name in config.names()}


def test_the_command_shows_values_and_where_they_came_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBS_DATABASE_URL", "postgresql+psycopg://jobs:opensesame@db.example.org/jobs")
    monkeypatch.setenv("JOBS_SITES", "wmd,mrc1")
    runner = create_app().test_cli_runner()
    shown = json.loads(runner.invoke(args=["settings", "--json"]).output)
    assert shown["sites"] == {"value": "wmd, mrc1", "from": "environment JOBS_SITES"}
    assert shown["database_url"]["value"] == "postgresql+psycopg://jobs:***@db.example.org/jobs"
    text = runner.invoke(args=["settings"]).output
    assert "JOBS_SITES = wmd, mrc1" in text
    assert "opensesame" not in text


def test_the_command_shows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = {"JOBS_OIDC_CLIENT_SECRET": "opensesame", "JOBS_ALERT_URL": "https://ntfy.example.org/opensesame"}
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    runner = create_app().test_cli_runner()
    as_json, text = (runner.invoke(args=["settings", *options]).output for options in (["--json"], []))
    assert {json.loads(as_json)[name]["value"] for name in ("oidc_client_secret", "alert_url")} == {"***"}
    assert all(f"{name} = ***" in text for name in secrets)
    assert "opensesame" not in as_json + text


def test_other_site_codes_are_refused_everywhere() -> None:
    app = create_app({"TESTING": True, "DATABASE_URL": "sqlite://", "SITES": ("wmd", "mrc1")})
    typo = inside(app, site="wmb")
    refusal = typo.asks()
    assert (refusal.status, refusal.text) == (400, "Error: site must be one of wmd, mrc1, not wmb")
    poll = typo.posts("getnewjobs", {"site": "wmb"})
    assert (poll.status, poll.text) == (400, "[]")
    assert inside(app).sends()["site"] == "wmd"


@pytest.mark.parametrize("kind", [str, int, float, bool, bool | None, tuple[str, ...], Literal["off", "required"]])
def test_what_is_read_at_once_is_what_pydantic_reads(kind: Any) -> None:
    given = (
        *("5", "007", "1.50", "5.", ".5", "-5", "+5", " 5", "1_0", "1e3", "5.0", "٣", "9" * 12, "true", "off", ""),
        *(5, 0, 2.0, True, None, ("a", "b"), (), ("a", 1), ["a"], "required", "Off", "nan", math.inf),
    )
    for value in given:
        if (plain := config._plain(kind, value)) is not None:
            read = TypeAdapter(kind).validate_python(value)
            assert (plain, type(plain)) == (read, type(read)), value


def test_usual_values_are_read_at_once() -> None:
    usual = [(str, ""), (int, "5000"), (float, "0.5"), (float, "5"), (tuple[str, ...], ("wmd",)), (bool, True)]
    assert all(config._plain(kind, value) is not None for kind, value in usual)


@pytest.mark.parametrize(
    "url",
    [
        *("sqlite:///jobs.db", "sqlite:////var/lib/jobs.db", "sqlite:///a b/./jobs.db ", "sqlite:///C:\\jobs.db"),
        *("sqlite:///a@b:c/d#e.db", "sqlite:///a%20b.db", "sqlite:///jobs.db?timeout=3", "sqlite://", "sqlite:///"),
        *("sqlite:///:memory:", "postgresql://jobs:x@127.0.0.1/jobs"),
    ],
)
def test_the_file_of_a_url_is_the_one_that_sqlalchemy_opens(tmp_path: Path, url: str) -> None:
    settings = load(tmp_path, DATABASE_URL=url).settings
    if settings.sqlite_file is not None:
        assert settings.url.get_backend_name() == "sqlite"
        assert settings.url.database is not None
        assert settings.sqlite_file == Path(settings.url.database)
    else:
        is_file = settings.url.get_backend_name() == "sqlite" and settings.url.database not in (None, "", ":memory:")
        assert not is_file or "?" in url or "%" in url


def test_a_relative_file_is_the_same_for_the_app_and_for_commands_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = create_app({"DATABASE_URL": "sqlite:///beside/relative.db"})
    monkeypatch.chdir(tmp_path)
    settings = config.load(
        config.instance_folder(), environ={"JOBS_DATABASE_URL": "sqlite:///beside/relative.db"}
    ).settings
    assert settings.sqlite_file == Path(app.instance_path) / "beside" / "relative.db"
    assert str(service_of(app).database.engine.url.database) == str(settings.sqlite_file) == settings.url.database


@pytest.mark.parametrize(
    "place",
    [
        *("checkout", "prefix/lib/python3.11/site-packages", "prefix/lib/python3.11/dist-packages"),
        *("other/lib/python3.11/site-packages", "other/Lib/site-packages", "other/Site-Packages"),
    ],
)
def test_without_an_app_the_folder_is_the_one_that_flask_gives(tmp_path: Path, place: str) -> None:
    package = tmp_path / place / "jobs_server"
    package.parent.mkdir(parents=True)
    copytree(
        ROOT / "jobs_server",
        package,
        ignore=lambda _folder, names: [n for n in names if "." not in n and n != "config"],
    )
    code = (
        f"import sys; sys.prefix = {str(tmp_path / 'prefix')!r}; sys.path.insert(0, {str(package.parent)!r})\n"
        "import flask; from jobs_server import config\n"
        "print(config.__file__, config.instance_folder(), flask.Flask('jobs_server').instance_path, sep='\\n')"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    file, ours, flasks = done.stdout.splitlines()
    assert Path(file).parent == package / "config"
    assert ours == flasks


def _rooms(_folder: str, names: list[str]) -> list[str]:
    """Return what is no file, but for the room of the settings."""
    return [name for name in names if "." not in name and name != "config"]


def test_beside_the_setting_and_in_the_guides_it_is_said_what_becomes_of_scripts_without_the_right_roles() -> None:
    help_text = next(field.metadata["help"] for field in fields(Settings) if field.name == "open_roles")
    readme, guide = (
        " ".join((ROOT / name).read_text(encoding="utf-8").split())
        for name in ("README.md", "docs/site-programmers-guide.md")
    )
    assert f"| `JOBS_OPEN_ROLES` | (empty) | {help_text} |" in readme
    for said in (help_text, guide):
        assert "Without `admin`" in said or "without `admin`" in said
        assert "in silence" in said
        assert "`admin` and `owner` together" in said
    assert "| Form of `user_roles` |" in readme.partition("## What differs from the original service")[2]
