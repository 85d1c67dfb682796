"""The issuer's keys: found by discovery, kept on disk, renewed in the background, used while the issuer is away.

Stale is better than locked out: observers must reach the telescope when the internet is down.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, RSAKey

from ..worker import Worker

log = logging.getLogger(__name__)

REFRESH_SECONDS = 15 * 60.0
UNKNOWN_KID_SECONDS = 60.0
"""An unknown key id asks the issuer at most this often: made-up ids must not make us call it."""
_TIMEOUT_SECONDS = 3.0
_LARGEST_BYTES = 512 * 1024
_ALGORITHMS = {"RSA": "RS256", "EC": "ES256"}

AnyKey = RSAKey | ECKey


@dataclass(frozen=True, slots=True)
class Known:
    """What was last heard from the issuer."""

    metadata: Mapping[str, Any] = field(default_factory=dict)
    keys: tuple[AnyKey, ...] = ()

    @property
    def key_set(self) -> KeySet:
        """Give the keys as a set, which is what libraries take."""
        return KeySet(list(self.keys))

    @property
    def said(self) -> dict[str, Any]:
        """Give it as it is kept on the disk, and compared."""
        jwks = {"keys": [key.as_dict(private=False) for key in self.keys]}
        return {"metadata": dict(self.metadata), "jwks": jwks}


class IssuerKeys:
    """Hold the keys of one issuer."""

    def __init__(self, issuer: str, path: Path, refresh_seconds: float = REFRESH_SECONDS) -> None:
        self.issuer = issuer
        self.refresh_seconds = refresh_seconds
        self._path = path
        self._lock = threading.Lock()
        self._known: Known | None = None
        self._asked_at = -UNKNOWN_KID_SECONDS
        self.worker = Worker(
            "issuer keys",
            lambda: self.refresh_seconds if self.known.keys else UNKNOWN_KID_SECONDS,
            self.refresh,
            does="renews the issuer's keys",
            failure="the issuer's keys could not be renewed",
        )

    @property
    def known(self) -> Known:
        """Give what is known: from memory, from disk, else from the issuer itself."""
        known = self._known
        if known is not None:
            return known
        with self._lock:
            if self._known is None:
                self._known = self._read()
                if self._known is None and (fresh := self._ask()):
                    self._known = fresh
                    self._write(fresh)
                self._known = self._known or Known()
                self._start_refreshing()
            return self._known

    def find(self, kid: object, algorithm: object) -> AnyKey | None:
        """Find the key that a token names; an unknown one makes us ask the issuer, at most once a minute."""
        found = self._find(kid, algorithm)
        return found if found is not None or not self.renew() else self._find(kid, algorithm)

    def renew(self) -> bool:
        """Ask the issuer unless it was asked within a minute; tell whether it answered."""
        return self._may_ask() and self.refresh()

    def refresh(self) -> bool:
        """Ask the issuer; tell whether it answered. What is known stays when it does not, or says the same again."""
        fresh = self._ask()
        if fresh is not None:
            if self._known is None or self._known.said != fresh.said:
                self._known = fresh  # who remembers what the keys vouched for forgets it now
            self._write(fresh)
        return fresh is not None

    def answers(self) -> bool:
        """Ask the issuer; tell whether it answered, and keep nothing."""
        return self._ask() is not None

    def close(self) -> None:
        """Renew them no more."""
        self.worker.stop()

    def _find(self, kid: object, algorithm: object) -> AnyKey | None:
        keys = [key for key in self.known.keys if algorithm_of(key) == algorithm]
        if kid is None:
            return keys[0] if len(keys) == 1 else None
        return next((key for key in keys if key.kid == kid), None)

    def _may_ask(self) -> bool:
        with self._lock:
            if time.monotonic() - self._asked_at < UNKNOWN_KID_SECONDS:
                return False
            self._asked_at = time.monotonic()
            return True

    def _ask(self) -> Known | None:
        self._asked_at = time.monotonic()
        try:
            metadata = _get(f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
            if metadata.get("issuer") == self.issuer:
                return Known(metadata, _usable(_get(str(metadata["jwks_uri"]))))
            reason = f"it calls itself {metadata.get('issuer')!r}"
        except (httpx.HTTPError, ValueError, KeyError, JoseError) as error:
            reason = str(error)
        log.warning("the sign-in issuer %s cannot be asked for its keys: %s", self.issuer, reason)
        return None

    def _read(self) -> Known | None:
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
            if kept["issuer"] != self.issuer:
                return None
            return Known(kept["metadata"], _usable(kept["jwks"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, JoseError) as error:
            log.warning("%s cannot be read (%s); the issuer is asked instead", self._path, error)
            return None

    def _write(self, known: Known) -> None:
        """Keep what is known, whole or not at all."""
        text = json.dumps({"issuer": self.issuer} | known.said)
        beside = self._path.with_suffix(f".{os.getpid()}.part")
        try:
            beside.write_text(text, encoding="utf-8")
            beside.replace(self._path)
        except OSError as error:
            log.warning("the issuer's keys cannot be kept in %s: %s", self._path, error)

    def _start_refreshing(self) -> None:
        was_asked_just_now = time.monotonic() - self._asked_at <= _TIMEOUT_SECONDS
        self.worker.start(after_seconds=None if was_asked_just_now else 0)


def algorithm_of(key: AnyKey) -> str:
    """Give the one algorithm that a key may be used with: the key decides, never the token."""
    return _ALGORITHMS[key.key_type]


def _usable(jwks: Mapping[str, Any]) -> tuple[AnyKey, ...]:
    """Take the keys for signatures with RS256 or ES256 out of a key set; others are left aside."""
    found: list[AnyKey] = []
    for each in jwks["keys"]:
        if each.get("use", "sig") != "sig" or each.get("alg", _ALGORITHMS.get(each.get("kty"))) not in (
            "RS256",
            "ES256",
        ):
            continue
        if each.get("kty") == "RSA":
            found.append(RSAKey.import_key(each))
        elif each.get("kty") == "EC" and each.get("crv") == "P-256":
            found.append(ECKey.import_key(each))
    return tuple(found)


def _get(url: str) -> dict[str, Any]:
    with httpx.Client(timeout=_TIMEOUT_SECONDS) as client:
        response = client.get(url).raise_for_status()
    if len(response.content) > _LARGEST_BYTES:
        raise ValueError("its answer is too long")
    answer = response.json()
    if not isinstance(answer, dict):
        raise ValueError("its answer is no JSON object")
    return answer
