"""The guard against browsers led astray: hosts, origins and proxies that are believed, and headers of every answer.

A page on the internet can make a browser on the LAN post here, and a name on the internet can be made to point here
(DNS rebinding). So a request must be for a host of this service, and a change must come from a page of this service.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, lru_cache
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flask import Flask, request

from ..config import Settings
from ..config.checks import ANY_ORIGIN
from ..errors import Forbidden, shown

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing (RFC 9110, section 9.2.1)."""

HEADERS = (
    (
        "Content-Security-Policy",
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),  # With no-referrer the Origin of this service's own forms would be `null`.
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
_HTTPS_ONLY = ("Strict-Transport-Security", "max-age=2592000")

# No name under these can be bought, so none can be made to point here from outside (RFC 6762, RFC 8375, ICANN).
_LOCAL_SUFFIXES = ("local", "lan", "home", "home.arpa", "internal", "localdomain")
_LOOPBACK = "127.0.0.1"
_PREFIX = re.compile(r"(/[a-z0-9_][a-z0-9_.~-]*)+", re.ASCII | re.IGNORECASE)  # It begins addresses: never `//host`.
_FORWARDED = (
    *("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST"),
    "HTTP_X_FORWARDED_PREFIX",
)
_SENT_HOST = "jobs_server.host"  # Here the `Host` that was sent is kept when a proxy names another.


class Hosts:
    """The `Host` headers that name this machine."""

    def __init__(self, trusted: Sequence[str], machine: str, full_name: Callable[[], str]) -> None:
        """Take names that are trusted beside the machine's own; one that begins with a dot stands for all below it.

        The full name is asked for when a name comes that is not known otherwise.
        """
        short = machine.lower().partition(".")[0]
        own = {"localhost", machine.lower(), short} | {f"{short}.{suffix}" for suffix in _LOCAL_SUFFIXES}
        listed = [name.lower() for name in trusted]
        self._names = own | {name for name in listed if not name.startswith(".")}
        self._suffixes = tuple(name for name in listed if name.startswith("."))
        self._full_name = full_name
        self.are_ours = lru_cache(1024)(self._are_ours)  # The same few come with every request.

    def _are_ours(self, host: str) -> bool:
        name = hostname(host)
        if name is None:
            return False
        name = name.removesuffix(".")
        if name in self._names or name.endswith(self._suffixes):
            return True
        return _is_number(name) or name == self._full_name().lower()


@cache
def machines_full_name() -> str:
    """Return this machine's name with its domain, which may take a look-up; the name is asked for once."""
    return socket.getfqdn()


def _is_number(name: str) -> bool:
    """Whether a host is called by its address: no page can make a number point elsewhere, as it can a name."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def hostname(host: str) -> str | None:
    """Return the name in a `Host` header, lower case and without port; None when the header has no good name."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port  # This raises when the port is no number.
    except ValueError:
        return None
    return parts.hostname if parts.netloc == host and "@" not in host else None


def guard(app: Flask, settings: Settings) -> None:
    """Refuse requests of foreign hosts and pages before anything else is done, and put the headers on every answer."""
    hosts = Hosts(settings.trusted_hosts, socket.gethostname(), machines_full_name)
    allowed = frozenset(map(str.lower, settings.allowed_origins))

    @app.before_request
    def check() -> None:
        environ = request.environ
        # A page can say what a proxy would say, but not the `Host`, which browsers always send: both must be ours.
        for host in (environ.get("HTTP_HOST", ""), environ.get(_SENT_HOST, "")):
            if host and not hosts.are_ours(host):
                raise Forbidden(
                    f"Error: {shown(host)} is no name of this service that it knows;"
                    " if it is one, add it to JOBS_TRUSTED_HOSTS on the server"
                )
        if environ["REQUEST_METHOD"] not in SAFE_METHODS and not _from_ours(environ) and not _allowed(environ, allowed):
            raise Forbidden(
                "Error: pages of this address may not change anything here; if one should,"
                " add its origin to JOBS_ALLOWED_ORIGINS on the server"
            )

    app.wsgi_app = SecurityHeaders(Proxies(app.wsgi_app, settings.trusted_proxies))  # type: ignore[method-assign]


def from_our_pages() -> bool:
    """Whether the request comes from a page of this service, or from no page at all.

    Only host and port are compared: behind a proxy the scheme may not be known.
    """
    return _from_ours(request.environ)


def may_read(allowed_origins: Sequence[str]) -> bool:
    """Whether the request comes from a page of this service, from one that may call it, or from no page at all."""
    return _from_ours(request.environ) or _allowed(request.environ, frozenset(map(str.lower, allowed_origins)))


def _from_ours(environ: WSGIEnvironment) -> bool:
    origin: str | None = environ.get("HTTP_ORIGIN")
    if origin is None:
        return environ.get("HTTP_SEC_FETCH_SITE", "none") in ("none", "same-origin")
    scheme, separator, host = origin.partition("://")
    return bool(separator) and scheme in ("http", "https") and host.lower() == environ.get("HTTP_HOST", "").lower()


def _allowed(environ: WSGIEnvironment, allowed: frozenset[str]) -> bool:
    return environ.get("HTTP_ORIGIN", "null").lower() in allowed or ANY_ORIGIN in allowed


class Proxies:
    """Middleware that believes what trusted proxies say of the client."""

    def __init__(self, inner: WSGIApplication, trusted: Iterable[str]) -> None:
        self._inner = inner
        self._networks = tuple(ip_network(each, strict=False) for each in trusted)
        self._is_trusted = lru_cache(1024)(self._in_networks)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request as its client sent it to the outermost trusted proxy."""
        # Without an address the peer is a Unix socket: a program of this machine.
        if not environ.keys().isdisjoint(_FORWARDED) and self._is_trusted(environ.get("REMOTE_ADDR") or _LOOPBACK):
            environ |= self._forwarded(environ)
        return self._inner(environ, start_response)

    def _forwarded(self, environ: Mapping[str, Any]) -> dict[str, str]:
        found: dict[str, str] = {}
        hops = [hop.strip() for hop in environ.get("HTTP_X_FORWARDED_FOR", "").split(",") if hop.strip()]
        if hops:
            # Each proxy adds the address that it was called from; the first that is no proxy of ours is the client.
            found["REMOTE_ADDR"] = next((hop for hop in reversed(hops) if not self._is_trusted(hop)), hops[0])
        scheme = environ.get("HTTP_X_FORWARDED_PROTO", "").rpartition(",")[2].strip().lower()
        if scheme in ("http", "https"):
            found["wsgi.url_scheme"] = scheme
        host = environ.get("HTTP_X_FORWARDED_HOST", "").rpartition(",")[2].strip()
        if host:
            found |= {"HTTP_HOST": host, _SENT_HOST: environ.get("HTTP_HOST", "")}
        prefix = environ.get("HTTP_X_FORWARDED_PREFIX", "").rpartition(",")[2].strip().rstrip("/")
        if _PREFIX.fullmatch(prefix):
            found["SCRIPT_NAME"] = prefix  # What all addresses that the service makes begin with (PEP 3333).
        return found

    def _in_networks(self, address: str) -> bool:
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._networks)


class SecurityHeaders:
    """Middleware that puts the security headers on every answer, whoever made it."""

    def __init__(self, inner: WSGIApplication) -> None:
        self._inner = inner

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request."""

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Callable[[bytes], object]:
            added = (*HEADERS, _HTTPS_ONLY) if environ["wsgi.url_scheme"] == "https" else HEADERS
            return start_response(status, [*headers, *added], *rest)

        return self._inner(environ, start)
