"""How long a client may keep the server waiting, and how many connections of one address may do so at a time."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from ..config import Settings

_THIS_PC = ("127.0.0.1", "::1", "::ffff:127.0.0.1")
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """Times are in seconds, sizes in bytes."""

    headers_seconds: float = 10.0
    """From the first byte of a request on a connection that was used before, from its opening on a new one."""
    body_seconds: float = 10.0
    """After the last byte of a body that is not all there."""
    whole_body_seconds: float = 60.0
    answer_seconds: float = 30.0
    """After the last byte that was taken of an answer."""
    still_seconds: float = 1.0
    """A connection on which something moved within this time is under way, and not stalled."""
    linger_seconds: float = 2.0
    """After the last byte that came on a connection that is being closed."""
    stalled_connections: int = 48
    """Of one address; at one more the longest-stalled is closed."""
    stalled_here: int = 256
    """The same for this PC, where programs and proxies of the observatory itself run."""
    held_bytes: int = 64 * 1024 * 1024
    """Requests that are not all there and answers that are not all taken, together."""
    body_bytes: int = 256 * 1024
    """Largest body that the app takes: of a longer one, no more is kept."""
    exempt: tuple[_Network, ...] = ()
    """Proxies, each of which stands for many clients."""

    def cap(self, address: str) -> int | None:
        """Return how many connections of an address may stall at a time; None: any number."""
        return _cap(self, address)


@lru_cache(maxsize=4096)
def _cap(bounds: Bounds, address: str) -> int | None:
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:  # a Unix socket has no address: whoever is there is a proxy
        return None
    if any(found in network for network in bounds.exempt):
        return None
    return bounds.stalled_here if address in _THIS_PC else bounds.stalled_connections


def bounds_of(settings: Settings, origins: Mapping[str, str]) -> Bounds:
    """Return the bounds for an installation.

    Proxies are exempt where the operator named them: the default trusts this PC, and trust by default exempts nobody.
    """
    is_named = origins["trusted_proxies"] != "default"
    exempt = [ipaddress.ip_network(each, strict=False) for each in settings.trusted_proxies if is_named]
    return Bounds(body_bytes=settings.max_body_bytes, exempt=tuple(exempt))
