"""What a setting's value must be, beyond its type; refused at start with a sentence that names the setting."""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from ..errors import ConfigError

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

PREFIX = "JOBS_"
ANY_ORIGIN = "*"
POSTGRESQL = "postgresql+psycopg"

_LARGEST = 1e9
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_ORIGIN = re.compile(r"https?://[^\s/?#@*]+", re.ASCII)


def variable(name: str) -> str:
    """Return the environment variable of a setting."""
    return PREFIX + name.upper()


def check_minimum(name: str, value: Any, minimum: float | None) -> None:
    """Refuse a number that is less than the setting allows, and one of seconds or hours that no clock can wait."""
    if minimum is not None and not value >= minimum:
        raise ConfigError(f"{variable(name)} is wrong: {value} is less than {minimum:g}")
    if isinstance(value, float) and not value <= _LARGEST:
        raise ConfigError(f"{variable(name)} is wrong: {value} is more than {_LARGEST:.0f}")


def check_origin(origin: str, is_open: bool) -> None:
    """Refuse what is no origin, and any page at all while anyone may command."""
    if origin == ANY_ORIGIN:
        if is_open:
            raise ConfigError(
                f"{PREFIX}ALLOWED_ORIGINS: `*` would let any page on the internet command the telescope"
                " while no sign-in is set; name the origins, or set a sign-in"
            )
    elif not _ORIGIN.fullmatch(origin):
        raise ConfigError(
            f"{PREFIX}ALLOWED_ORIGINS: {origin!r} is not an origin; write scheme://host or scheme://host:port,"
            " without a path"
        )


def check_issuer(settings: Any) -> None:
    """Refuse a sign-in that is set by half, twice, or without encryption."""
    for kind in ("auth0_domain", "auth0_audience"), ("oidc_issuer", "oidc_audience"):
        one, other = map(variable, kind)
        if bool(getattr(settings, kind[0])) != bool(getattr(settings, kind[1])):
            raise ConfigError(f"set both {one} and {other}, or neither")
    if settings.auth0_domain and settings.oidc_issuer:
        raise ConfigError(f"set {PREFIX}AUTH0_DOMAIN or {PREFIX}OIDC_ISSUER, not both")
    if re.search(r"[/:@?#\s]", settings.auth0_domain):
        raise ConfigError(f"{PREFIX}AUTH0_DOMAIN must be a bare name, such as example.eu.auth0.com")
    parts = urlsplit(settings.oidc_issuer)
    if settings.oidc_issuer and not (
        parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    ):
        raise ConfigError(f"{PREFIX}OIDC_ISSUER must begin with https://; http:// is for this machine itself alone")


def check_address(name: str, url: str) -> None:
    """Refuse what is no http address."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0  # No number: it raises.
    except ValueError:
        good = False
    if url and (not good or re.search(r"\s", url)):
        raise ConfigError(f"{variable(name)} must be an address that begins with https:// or http://")


def without_secrets(url: str) -> str:
    """Write an address without the user, the password and the query that may stand in it, for people and logs."""
    parts = urlsplit(url)
    _, known, host = parts.netloc.rpartition("@")
    netloc = f"***@{host}" if known else host
    return urlunsplit((parts.scheme, netloc, parts.path, "***" if parts.query else "", ""))


def check_network(name: str, network: str) -> None:
    """Refuse what is neither an address nor a network."""
    try:
        ip_network(network, strict=False)
    except ValueError:
        raise ConfigError(f"{variable(name)}: {network!r} is neither an address nor a network") from None


def parse_url(text: str) -> URL:
    """Read the URL of a database; without a driver it gets the one that is used."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise ConfigError(
            f"{variable('database_url')} is no database URL; write sqlite:////folder/jobs.db"
            " or postgresql+psycopg://user:password@host/name"
        ) from None
    if url.drivername in ("postgresql", "postgres"):
        return url.set(drivername=POSTGRESQL)
    if url.drivername not in ("sqlite", POSTGRESQL):
        raise ConfigError(
            f"{variable('database_url')}: jobs are kept in SQLite or PostgreSQL, not by {url.drivername};"
            f" write sqlite:////folder/jobs.db or {POSTGRESQL}://user:password@host/name"
        )
    return url
