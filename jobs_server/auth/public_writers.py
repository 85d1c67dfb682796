"""Who may write what the public site software writes: it sends no token, so it is known by its address.

Whoever can post a status can say that a roof is open, and the site software acts on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import ip_address, ip_network

from flask import request

from ..config import Settings
from ..errors import Forbidden, Unauthorized, shown
from ..service import reading, service
from . import browser_guard, site_tokens

PRIVATE = ("127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fe80::/10")
_HERE = "127.0.0.1"


def networks(settings: Settings) -> Sequence[str]:
    """Return the networks from which what needs no token is taken."""
    if settings.companion_from:
        return settings.companion_from
    return () if settings.site_tokens == "required" else PRIVATE


def check(site: str) -> str:
    """Return who writes for a site, in words. Raises Forbidden, Unauthorized, and Unavailable.

    A token of the site passes from anywhere; pages of other addresses never do, whatever their origin may call.
    """
    if not browser_guard.from_our_pages():
        raise Forbidden("Error: a web page from elsewhere is no site software")
    address = request.remote_addr or _HERE  # Without an address the peer is a Unix socket.
    settings = service().settings
    if _is_within(address, tuple(networks(settings))):
        return f"software at {address}"
    token = request.headers.get("Authorization", "").partition(" ")[2].strip()
    if token:
        with reading() as connection:
            found = site_tokens.find(connection, token)
        if found is not None and found.site == site:
            return f"{found.name}, by token"
    raise Unauthorized(
        f"Error: this is taken from private networks, or from those that JOBS_COMPANION_FROM names, not from"
        f" {shown(address)}"
        if settings.site_tokens == "off"
        else f"Error: this is taken from the addresses that JOBS_COMPANION_FROM names, not from {shown(address)},"
        " or with a token of the site"
    )


@lru_cache(1024)
def _is_within(address: str, named: tuple[str, ...]) -> bool:
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None) or parsed
    return any(mapped in ip_network(each, strict=False) for each in named)
