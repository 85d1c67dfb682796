"""Settings: one frozen, typed object, read once from the environment and `instance/config.toml`.

The table below is the only list of settings; help texts, `flask settings` and the README's table come from it.
"""

from __future__ import annotations

import os
import re
import sys
import tomllib
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

from .. import program
from ..errors import ConfigError
from .checks import (
    PREFIX,
    check_address,
    check_issuer,
    check_minimum,
    check_network,
    check_origin,
    parse_url,
    variable,
    without_secrets,
)

if TYPE_CHECKING:
    from pydantic import ValidationError
    from sqlalchemy.engine import URL

__all__ = ["CONFIG_FILE", "PREFIX", "Loaded", "Settings", "load", "names", "shown", "split", "variable"]

TEST_PREFIX = "JOBS_TEST_"
"""Variables that begin so are switches of the test suite, no settings of the service."""
CONFIG_FILE = "config.toml"

_SQLITE_FILE = "sqlite:///"
_MORE_THAN_A_FILE = re.compile(r"[?%\r\n\t\v\f]")  # in a URL: options, what is escaped, what is no URL
_WHOLE, _NUMBER = re.compile(r"\d{1,9}", re.ASCII), re.compile(r"\d{1,9}(\.\d{1,9})?", re.ASCII)
_PACKAGE = __package__.partition(".")[0]
_SECRETS = ("oidc_client_secret", "alert_url")
"""Settings that are never shown; the address of the alerts is all that one needs to send there."""


def _setting(default: Any, help_text: str, *, unit: str = "", minimum: float | None = None) -> Any:
    return field(default=default, metadata={"help": help_text, "unit": unit, "minimum": minimum})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Hold what this installation is set to; made by `load`, never changed."""

    instance: str = _setting(
        "",
        "Folder for the database and config.toml. Empty: `instance` beside the checkout, or "
        "`var/jobs_server-instance` of the Python environment when installed.",
    )
    database_url: str = _setting(
        "", "Where jobs are kept, as a SQLAlchemy URL. Empty: `jobs.db` in the instance folder."
    )
    sites: tuple[str, ...] = _setting((), "The only site codes accepted, against typos. Empty: any.")
    allowed_origins: tuple[str, ...] = _setting(
        (),
        "Origins of web pages elsewhere that may call this service, such as `https://ui.example.org`;"
        " `*` for any, refused while no sign-in is set.",
    )
    trusted_hosts: tuple[str, ...] = _setting(
        (),
        "Names of this service beside localhost, the machine's own names and numbers (IP addresses);"
        " `.example.org` stands for all names below it.",
    )
    trusted_proxies: tuple[str, ...] = _setting(
        ("127.0.0.0/8", "::1"), "Addresses or networks of proxies whose `X-Forwarded-` headers are believed."
    )
    auth0_domain: str = _setting(
        "", "Sign-in through Auth0: the tenant's domain, such as `example.eu.auth0.com`. Empty: no sign-in."
    )
    auth0_audience: str = _setting("", "Auth0's identifier of this API, which access tokens must be made for.")
    oidc_issuer: str = _setting(
        "", "Sign-in through any other OpenID Connect issuer: its address, as it stands in its tokens."
    )
    oidc_audience: str = _setting("", "What that issuer's access tokens must be made for.")
    oidc_client_id: str = _setting(
        "", "This service's client id at the issuer (or Auth0), for sign-in on the pages. Empty: tokens alone."
    )
    oidc_client_secret: str = _setting("", "The secret that goes with the client id, where the issuer gave one.")
    roles_claim: tuple[str, ...] = _setting(
        ("https://photonranch.org/user_metadata", "roles"),
        "Where a token says its holder's roles: the claim, step by step.",
    )
    admin_roles: tuple[str, ...] = _setting(("admin",), "Roles whose holders are admins of this service.")
    session_hours: float = _setting(12.0, "How long a sign-in on the pages lasts.", unit="hours", minimum=0.1)
    site_tokens: Literal["off", "required"] = _setting(
        "off",
        "Whether the software of a site must show a token (`flask tokens`) for all that is the site's. Give each site's"
        " software its token before: one that shows none is refused, and old software takes that for an empty list,"
        " without a word; pages, an alert and `flask doctor` then say since when.",
    )
    open_roles: tuple[str, ...] = _setting(
        (),
        "Roles that jobs carry while no sign-in is set. Without `admin` the public site software leaves scripts, the"
        " roof and parking undone, in silence; with `admin` and `owner` together its sequencer leaves scripts undone"
        " too: set `admin` alone.",
    )
    calendar_url: str = _setting(
        "",
        "Address of a calendar elsewhere that says who has reserved a telescope, such as"
        " `https://calendar.example.org/calendar`. Empty: this service's own.",
    )
    anyone_may_stop: bool | None = _setting(
        None,
        "Whether a stop command passes although somebody else has reserved the telescope."
        " Empty: yes while no sign-in is set, no with sign-in.",
    )
    stop_scope: Literal["device", "site"] = _setting(
        "device", "What a stop command to one device covers: that device, or the whole site."
    )
    companion: Literal["off", "on"] = _setting(
        "off",
        "Whether this service stands in for the small services beside the jobs without which the public site software"
        " does not boot and the public UI draws nothing: config, status, live stream, logs.",
    )
    companion_from: tuple[str, ...] = _setting(
        (),
        "Addresses or networks from which configs, status and log lines are taken of the public site software, which"
        " sends no token. Empty: this machine and private networks; with `JOBS_SITE_TOKENS=required` nowhere.",
    )
    expires_in_seconds: int = _setting(
        15 * 60, "How long a job may wait to be handed over, unless it says so itself.", unit="seconds", minimum=1
    )
    start_within_seconds: int = _setting(
        4 * 60 * 60,
        "How long after it was handed over a job may still start through the fence.",
        unit="seconds",
        minimum=1,
    )
    lost_after_seconds: int = _setting(
        600, "How long past its own estimate a job started through the fence may be silent.", unit="seconds", minimum=1
    )
    silent_start_seconds: int = _setting(
        4 * 60 * 60, "How long such a job may be silent when it gave no estimate.", unit="seconds", minimum=1
    )
    sweep_seconds: float = _setting(
        5.0,
        "How often jobs that are too old or silent are labelled (they are never handed over anyway), and silent sites"
        " noted.",
        unit="seconds",
        minimum=0.1,
    )
    silent_after_seconds: float = _setting(
        30.0, "How long after the end of its last poll a site's software is called silent.", unit="seconds", minimum=1
    )
    new_jobs_per_second: int = _setting(
        20, "How many jobs one person may send a second; stop commands always pass. 0: any number.", minimum=0
    )
    reservations_per_minute: int = _setting(
        30, "How many changes of the calendar one person may make a minute. 0: any number.", minimum=0
    )
    sign_ins_per_minute: int = _setting(
        20, "How many attempts to sign in one address may make a minute. 0: any number.", minimum=0
    )
    max_waiting_jobs: int = _setting(
        1000, "How many jobs may wait at a site; stop commands are taken beyond it. 0: any number.", minimum=0
    )
    max_body_bytes: int = _setting(256 * 1024, "Largest request body.", unit="bytes", minimum=1024)
    host: str = _setting("127.0.0.1", "Address that `flask serve` listens on; `0.0.0.0` opens it to the LAN.")
    port: int = _setting(5000, "Port that `flask serve` listens on.", minimum=1)
    workers: int = _setting(
        0, "Server processes. 0: one for SQLite, which more do not serve faster; with PostgreSQL up to four.", minimum=0
    )
    threads: int = _setting(
        64,
        "Threads that the server runs. Live streams and waiting polls take one each, and at most all but 16; the pool"
        " of database connections is sized to them.",
        minimum=1,
    )
    metrics_from: tuple[str, ...] = _setting(
        ("127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fe80::/10"),
        "Networks from which `/metrics` may be read: this machine and private ones.",
    )
    alert_url: str = _setting(
        "", "Where alerts are posted, such as a topic of ntfy, Gotify's `/message` or a chat's webhook. Empty: nowhere."
    )
    own_alerts: Literal["on", "off"] = _setting(
        "on",
        "Whether people may have alerts of their own jobs sent to addresses that they name (ntfy, Gotify, a webhook):"
        " who is signed in, and without sign-in whoever sits at the server's PC.",
    )
    own_alert_networks: tuple[str, ...] = _setting(
        (),
        "Networks or addresses beside the internet to which such alerts may go, such as an ntfy on the LAN:"
        " `192.168.1.0/24`. Empty: the internet alone. Admins, and whoever sits at the PC, may name any address.",
    )
    database_connections: int = _setting(
        10,
        "How many connections to PostgreSQL one server process uses, beside the one by which it is told of changes"
        " and two for stops.",
        minimum=2,
    )
    database_timeout_seconds: float = _setting(
        5.0, "Longest wait for the database before a request is refused with 503.", unit="seconds", minimum=0.1
    )
    log_format: Literal["text", "json"] = _setting("text", "How log lines are written: for people, or as JSON objects.")
    log_level: Literal["debug", "info", "warning", "error"] = _setting(
        "info", "From which level on log lines are written; requests and changes of jobs are `info`."
    )
    disk_free_mb: int = _setting(
        500, "The service says that it is not ready when less is free where the jobs are kept.", unit="MB", minimum=0
    )
    ballast_mb: int = _setting(
        8,
        "Size of the file `ballast` beside a SQLite database, made at the start where the disk has room: when the disk"
        " is full, the file is deleted, for stops and what hands them over. 0: none.",
        unit="MB",
        minimum=0,
    )
    backup_folder: str = _setting("", "Folder for backups. Empty: `backups` in the instance folder.")
    keep_days: int = _setting(
        0,
        "How long jobs and their history are kept; older ones are deleted daily. 0: for ever.",
        unit="days",
        minimum=0,
    )
    archive_folder: str = _setting(
        "", "Folder to which jobs are written before they are deleted as too old. Empty: they are not."
    )
    preview_folder: str = _setting(
        "",
        "Folder for the pictures that sites send of jobs; several servers on one database share it. Empty: `previews`"
        " in the instance folder.",
    )
    preview_days: int = _setting(30, "How long pictures are kept.", unit="days", minimum=1)
    preview_mb: int = _setting(
        2000, "How much all pictures together may take; the oldest are deleted past it.", unit="MB", minimum=10
    )
    pictures_from: Literal["anybody", "signed-in"] = _setting(
        "anybody", "Who may look at pictures: anybody who may see the pages, or who is signed in."
    )
    backup_daily: bool = _setting(True, "Whether the server backs up its SQLite database by itself, after each noon.")

    def __post_init__(self) -> None:
        for setting in fields(self):
            check_minimum(setting.name, getattr(self, setting.name), setting.metadata["minimum"])
        check_issuer(self)
        for name in ("calendar_url", "alert_url"):
            check_address(name, getattr(self, name))
        for origin in self.allowed_origins:
            check_origin(origin, self.is_open)
        for name in ("trusted_proxies", "metrics_from", "companion_from", "own_alert_networks"):
            for network in getattr(self, name):
                check_network(name, network)
        for site in self.sites:
            if not site.strip():
                raise ConfigError(f"{PREFIX}SITES: a site code must not be blank")
        if self.pictures_from == "signed-in" and self.is_open:
            raise ConfigError(f"{PREFIX}PICTURES_FROM: nobody can be signed in while no sign-in is set; set one")
        if self.database_url and self.sqlite_file is None:
            parse_url(self.database_url)

    @property
    def is_open(self) -> bool:
        """Whether no sign-in is set, so that anyone on the network may command."""
        return not self.issuer

    @property
    def issuer(self) -> str:
        """Return the address of the issuer that signs people in, as tokens name it; blank while no sign-in is set."""
        return f"https://{self.auth0_domain}/" if self.auth0_domain else self.oidc_issuer

    @property
    def audience(self) -> str:
        """Return what access tokens must be made for."""
        return self.auth0_audience or self.oidc_audience

    @property
    def strangers_may_stop(self) -> bool:
        """Whether a stop command passes although somebody else has reserved the telescope."""
        return self.is_open if self.anyone_may_stop is None else self.anyone_may_stop

    @property
    def calendar_address(self) -> str:
        """Return the address of the calendar elsewhere as people and logs may see it."""
        return without_secrets(self.calendar_url)

    @property
    def url(self) -> URL:
        """Return the database's URL, the default filled in."""
        from sqlalchemy.engine import URL

        if self.database_url:
            return parse_url(self.database_url)
        return URL.create("sqlite", database=str(self.sqlite_file))

    @property
    def sqlite_file(self) -> Path | None:
        """Return SQLite's file, where the database is one and its URL says no more; reading it takes no SQLAlchemy."""
        if not self.database_url:
            return Path(self.instance) / "jobs.db"
        file = self.database_url.removeprefix(_SQLITE_FILE)
        is_plain = file not in (self.database_url, "", ":memory:") and not _MORE_THAN_A_FILE.search(file)
        return Path(file) if is_plain else None

    @property
    def previews(self) -> Path:
        """Return the folder for pictures, the default filled in."""
        return Path(self.preview_folder).expanduser() if self.preview_folder else Path(self.instance) / "previews"

    @property
    def backups(self) -> Path:
        """Return the folder for backups, the default filled in."""
        return Path(self.backup_folder).expanduser() if self.backup_folder else Path(self.instance) / "backups"


@dataclass(frozen=True, slots=True)
class Loaded:
    """Hold settings and, by name, where each value came from."""

    settings: Settings
    origins: Mapping[str, str]


def load(
    instance: Path, overrides: Mapping[str, object] | None = None, environ: Mapping[str, str] | None = None
) -> Loaded:
    """Read the settings: overrides (upper-case names) before the environment before `config.toml` before defaults.

    `instance` is the folder used unless `JOBS_INSTANCE` or an override names another.
    Raises ConfigError, naming the setting, when one is wrong or unknown.
    """
    environ = os.environ if environ is None else environ
    given = _from_environment(environ) | _from_overrides(overrides or {})
    folder = Path(str(given["instance"][0])).expanduser() if given.get("instance", ("",))[0] else instance
    folder = folder.absolute()
    given = _from_file(folder / CONFIG_FILE) | given
    values = {name: _coerce(name, value, origin) for name, (value, origin) in given.items()}
    values |= {"database_url": _under(instance, str(values.get("database_url", "")))}
    origins = {setting.name: "default" for setting in fields(Settings)} | {n: o for n, (_, o) in given.items()}
    return Loaded(Settings(**(values | {"instance": str(folder)})), origins)


def _under(folder: Path, database_url: str) -> str:
    """Write out which file of SQLite a relative path names: one below a folder, whoever opens it and from where."""
    file, mark, query = database_url.removeprefix(_SQLITE_FILE).partition("?")
    is_relative = file not in (database_url, "", ":memory:") and not Path(file).is_absolute()
    if not is_relative or file.startswith("file:"):
        return database_url
    return f"{_SQLITE_FILE}{(folder.absolute() / file).as_posix()}{mark}{query}"


def instance_folder() -> Path:
    """Return the folder that is used unless a setting names another: the one that Flask gives the app."""
    place, prefix = Path(__file__).parents[2], Path(sys.prefix).absolute()
    if place.is_relative_to(prefix):
        return prefix / "var" / f"{_PACKAGE}-instance"
    if place.name.lower() != "site-packages":
        return place / "instance"
    from flask import Flask  # The package is another interpreter's: Flask finds its folder.

    return Path(Flask(_PACKAGE).instance_path)


def split(given: Mapping[str, object], flask_keys: Container[str]) -> tuple[dict[str, object], dict[str, object]]:
    """Part what `create_app` was given into Flask's own keys and settings of ours (with or without `JOBS_`)."""
    flask = {key: value for key, value in given.items() if key in flask_keys or key.startswith("SQLALCHEMY_")}
    ours = {key.removeprefix(PREFIX): value for key, value in given.items() if key not in flask}
    return flask, ours


def shown(settings: Settings, name: str) -> str:
    """Write one setting's value for people, secrets masked."""
    value = getattr(settings, name)
    if value is None:
        return ""
    if name in _SECRETS:
        return "***" if value else ""
    if name == "calendar_url":
        return settings.calendar_address
    if name == "database_url":
        return settings.url.render_as_string(hide_password=True)
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def names() -> tuple[str, ...]:
    """List the settings' names, in the order of the table."""
    return tuple(setting.name for setting in fields(Settings))


_Given = dict[str, tuple[object, str]]
_TYPES = get_type_hints(Settings)


def _from_environment(environ: Mapping[str, str]) -> _Given:
    found: _Given = {}
    for key, text in environ.items():
        if key.startswith(PREFIX) and not key.startswith(TEST_PREFIX):
            name = _known(key.removeprefix(PREFIX).lower(), key)
            found[name] = (_split(name, text), f"environment {key}")
    return found


def _from_overrides(overrides: Mapping[str, object]) -> _Given:
    return {_known(key.lower(), key): (value, "create_app") for key, value in overrides.items()}


def _from_file(path: Path) -> _Given:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
    if "instance" in table:
        raise ConfigError(
            f"{path}: instance cannot be set here, since it says where this file is; use {PREFIX}INSTANCE"
        )
    return {_known(key, f"{key} in {path}"): (value, str(path)) for key, value in table.items()}


def _known(name: str, called: str) -> str:
    if name not in _TYPES:
        raise ConfigError(f"{called} is no setting of this service; `{program.command('settings')}` lists them")
    return name


def _split(name: str, text: str) -> object:
    """Turn an environment variable's text into what the setting's type takes: lists are written with commas."""
    if _TYPES[name] == tuple[str, ...]:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    return text


def _coerce(name: str, value: object, origin: str) -> Any:
    if (plain := _plain(_TYPES[name], value)) is not None:
        return plain
    from pydantic import TypeAdapter, ValidationError  # It loads slowly, and most values are plain.

    try:
        return TypeAdapter(_TYPES[name]).validate_python(value)
    except ValidationError as error:
        reason = "; ".join(_sentences(error))
        raise ConfigError(f"{variable(name)} (from {origin}) is wrong: {reason}") from None


def _plain(kind: Any, value: object) -> object:
    """Read a value that needs no second look, as pydantic would; None: let pydantic see to it."""
    if isinstance(value, str):
        if kind is str or (get_origin(kind) is Literal and value in get_args(kind)):
            return value
        if kind is int and _WHOLE.fullmatch(value):
            return int(value)
        return float(value) if kind is float and _NUMBER.fullmatch(value) else None
    is_texts = isinstance(value, tuple) and all(isinstance(each, str) for each in value)
    return value if type(value) is kind or (is_texts and kind == tuple[str, ...]) else None


def _sentences(error: ValidationError) -> Iterable[str]:
    return (fault["msg"][0].lower() + fault["msg"][1:] for fault in error.errors(include_url=False))
