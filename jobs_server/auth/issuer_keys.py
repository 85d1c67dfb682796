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

from ..worker import Worker, within

log = logging.getLogger(__name__)

KEYS_FILE = "issuer-keys.json"
"""The file of the keys, in the instance folder."""
_LARGEST_BYTES = 512 * 1024
_ALGORITHMS = {"RSA": "RS256", "EC": "ES256"}

AnyKey = RSAKey | ECKey


@dataclass(frozen=True, kw_only=True)
class KeyTimes:
    """Times of the issuer's keys, all in seconds."""

    refresh_seconds: float = 15 * 60.0
    """How often the keys are renewed."""
    ask_again_seconds: float = 60.0
    """How often at most an unknown key id asks the issuer: made-up ids must not make this service call it."""
    timeout_seconds: float = 3.0
    """How long the issuer may take in all for what it publishes."""


@dataclass(frozen=True, slots=True)
class Published:
    """What the issuer was last heard to publish."""

    metadata: Mapping[str, Any] = field(default_factory=dict)
    keys: tuple[AnyKey, ...] = ()

    @property
    def key_set(self) -> KeySet:
        """Return the keys as the set that libraries take."""
        return KeySet(list(self.keys))

    @property
    def as_json(self) -> dict[str, Any]:
        """Return metadata and keys as plain values, as they are kept on the disk and compared."""
        jwks = {"keys": [key.as_dict(private=False) for key in self.keys]}
        return {"metadata": dict(self.metadata), "jwks": jwks}


class IssuerKeys:
    """The keys of one issuer."""

    def __init__(self, issuer: str, path: Path, times: KeyTimes | None = None) -> None:
        self.issuer = issuer
        self.times = times or KeyTimes()
        self._path = path
        self._lock = threading.Lock()
        self._known: Published | None = None
        self._asked_at = -self.times.ask_again_seconds
        self.worker = Worker(
            "issuer keys",
            lambda: self.times.refresh_seconds if self.known.keys else self.times.ask_again_seconds,
            self.refresh,
            does="renews the issuer's keys",
            failure="the issuer's keys could not be renewed",
        )

    @property
    def known(self) -> Published:
        """Return what is known: from memory, from disk, else from the issuer itself."""
        known = self._known
        if known is not None:
            return known
        with self._lock:
            if self._known is None:
                self._known = self._read()
                if self._known is None and (fresh := self._ask()):
                    self._known = fresh
                    self._write(fresh)
                self._known = self._known or Published()
                self._start_refreshing()
            return self._known

    def find(self, kid: object, algorithm: object) -> AnyKey | None:
        """Return the key that a token names; for an unknown one the issuer is asked, at most once a minute."""
        found = self._find(kid, algorithm)
        return found if found is not None or not self.renew() else self._find(kid, algorithm)

    def renew(self) -> bool:
        """Ask the issuer unless it was asked within a minute; return whether it answered."""
        return self._may_ask() and self.refresh()

    def refresh(self) -> bool:
        """Ask the issuer and return whether it answered; the keys stay when it did not, or said the same again."""
        fresh = self._ask()
        if fresh is not None:
            if self._known is None or self._known.as_json != fresh.as_json:
                self._known = fresh  # What was checked with the former keys is forgotten now.
            self._write(fresh)
        return fresh is not None

    def is_reachable(self) -> bool:
        """Ask the issuer; return whether it answered, and keep nothing."""
        return self._ask() is not None

    def close(self) -> None:
        """Renew the keys no more."""
        self.worker.stop()

    def _find(self, kid: object, algorithm: object) -> AnyKey | None:
        keys = [key for key in self.known.keys if algorithm_of(key) == algorithm]
        if kid is None:
            return keys[0] if len(keys) == 1 else None
        return next((key for key in keys if key.kid == kid), None)

    def _may_ask(self) -> bool:
        with self._lock:
            if time.monotonic() - self._asked_at < self.times.ask_again_seconds:
                return False
            self._asked_at = time.monotonic()
            return True

    def _ask(self) -> Published | None:
        self._asked_at = time.monotonic()
        try:
            with httpx.Client(timeout=self.times.timeout_seconds) as client:
                return within(self.times.timeout_seconds, lambda: self._published(client), client.close)
        except (httpx.HTTPError, ValueError, KeyError, JoseError, TimeoutError) as error:
            log.warning("the sign-in issuer %s cannot be asked for its keys: %s", self.issuer, error)
        return None

    def _published(self, client: httpx.Client) -> Published:
        """Ask for what the issuer publishes. Raises ValueError, KeyError or JoseError when that is of no use."""
        metadata = self._get(client, f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
        if metadata.get("issuer") != self.issuer:
            raise ValueError(f"it calls itself {metadata.get('issuer')!r}")
        return Published(metadata, _usable(self._get(client, str(metadata["jwks_uri"]))))

    def _get(self, client: httpx.Client, url: str) -> dict[str, Any]:
        response = client.get(url).raise_for_status()
        if len(response.content) > _LARGEST_BYTES:
            raise ValueError("its answer is too long")
        answer = response.json()
        if not isinstance(answer, dict):
            raise ValueError("its answer is no JSON object")
        return answer

    def _read(self) -> Published | None:
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
            if kept["issuer"] != self.issuer:
                return None
            return Published(kept["metadata"], _usable(kept["jwks"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, JoseError) as error:
            log.warning("%s cannot be read (%s); the issuer is asked instead", self._path, error)
            return None

    def _write(self, known: Published) -> None:
        """Keep what is known, whole or not at all."""
        text = json.dumps({"issuer": self.issuer} | known.as_json)
        beside = self._path.with_suffix(f".{os.getpid()}.part")
        try:
            beside.write_text(text, encoding="utf-8")
            beside.replace(self._path)
        except OSError as error:
            log.warning("the issuer's keys cannot be kept in %s: %s", self._path, error)

    def _start_refreshing(self) -> None:
        was_asked_just_now = time.monotonic() - self._asked_at <= self.times.timeout_seconds
        self.worker.start(after_seconds=None if was_asked_just_now else 0)


def algorithm_of(key: AnyKey) -> str:
    """Return the one algorithm that a key may be used with: the key decides, never the token."""
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
