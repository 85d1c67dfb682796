"""One-time links by which the person at the observatory's PC signs in while the issuer is out of reach.

A link is a file in the instance folder, which only those can make who can write there; whoever takes the file away is
in, so that one link lets one browser in, whatever number of processes serve.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from ipaddress import ip_address
from pathlib import Path
from typing import Any

LIFE_SECONDS = 10 * 60
_ANYWHERE = ("0.0.0.0", "::")  # noqa: S104


def create(instance: Path, user: str) -> str:
    """Make a link for somebody, and return its secret part."""
    secret = secrets.token_urlsafe(32)
    path = _path(instance, secret)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.write_text(json.dumps({"user": user, "until": time.time() + LIFE_SECONDS}), encoding="utf-8")
    return secret


def use(instance: Path, secret: str) -> str | None:
    """Take a link away and return whose it was; None when it was used, is too old, or never was."""
    path = _path(instance, secret)
    try:
        kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        path.unlink()
    except (OSError, ValueError):
        return None
    left_seconds = kept["until"] - time.time()
    # What would live longer was made while the clock was ahead.
    return str(kept["user"]) if 0 < left_seconds <= LIFE_SECONDS else None


def is_local(address: str | None, listens_at: str) -> bool:
    """Whether a request came from this machine: from its loopback, or the very address that is listened at.

    A server that listens at `::` sees IPv4 addresses written as IPv6 ones.
    """
    if address is None:
        return False
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    plain = getattr(parsed, "ipv4_mapped", None) or parsed
    return plain.is_loopback or listens_at in (address, str(plain))


def place(host: str, port: int) -> str:
    """Return the address of the service for a browser on this machine, where the service listens at a host."""
    host = "127.0.0.1" if host in _ANYWHERE else host
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _path(instance: Path, secret: str) -> Path:
    return instance / "sign-in-links" / f"{hashlib.sha256(secret.encode()).hexdigest()}.json"
