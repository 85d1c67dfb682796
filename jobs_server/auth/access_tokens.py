"""Access tokens: checked against the issuer's keys, once each, and remembered by their hash until they end.

A refusal tells nobody why: the reason goes to the log. The routes are protected by Authlib, with a validator of this
service, since Auth0's access tokens are of no kind that Authlib's own validators take.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from threading import Lock
from typing import Any, NoReturn, cast

import httpx
from authlib.integrations.flask_oauth2 import ResourceProtector
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6750 import BearerTokenValidator, InvalidTokenError
from flask import request
from joserfc import jwt
from joserfc.errors import BadSignatureError, JoseError
from joserfc.jws import JWSRegistry

from ..errors import Unauthorized, shown
from ..worker import within
from .identity import Person
from .issuer_keys import AnyKey, IssuerKeys, Published

log = logging.getLogger(__name__)

LEEWAY_SECONDS = 30
LONGEST = 16 * 1024
"""No honest access token is longer, in characters."""
_KEPT = 2000
_END_OF_TIME = 2**53
_AGAIN_SECONDS = 60.0  # So soon an issuer is asked again that did not say the roles.
_TIMEOUT_SECONDS = 3.0
ALGORITHMS = ("RS256", "ES256")
_TYPES = ("jwt", "at+jwt")
"""What the header of an access token may say that it is (RFC 9068, section 2.1; before, all were JWT)."""
_ONLY_IN_ID_TOKENS = frozenset(("at_hash", "c_hash", "s_hash"))
_ONLY_IN_ACCESS_TOKENS = frozenset(("scope", "scp", "client_id"))
_REGISTRY = JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)


class InvalidToken(Exception):
    """The token is not good; the message is for the log alone."""


class Tokens:
    """Check the access tokens of one issuer."""

    def __init__(
        self,
        keys: IssuerKeys,
        audience: str,
        roles_claim: tuple[str, ...],
        now: Callable[[], float] = time.time,
        client_id: str = "",
    ) -> None:
        self._keys = keys
        self._client_id = client_id
        self._audience = audience
        self._roles_claim = roles_claim
        self._now = now
        self._kept: OrderedDict[bytes, Person] = OrderedDict()
        self._kept_with: Published | None = None
        self._lock = Lock()

    def person(self, token: str) -> Person:
        """Return the person whose token this is. Raises InvalidToken."""
        if len(token) > LONGEST:
            raise InvalidToken(f"it has {len(token)} characters")
        digest = hashlib.sha256(token.encode()).digest()
        found = self._remembered(digest)
        if found is None:
            found = self._check(token)
            self._remember(digest, found)
        return found

    def roles_in(self, claims: Mapping[str, Any]) -> tuple[str, ...] | None:
        """Read the roles where the setting says that they stand; None when there are none at that place."""
        value: Any = claims
        for step in self._roles_claim:
            if not isinstance(value, Mapping) or step not in value:
                return None
            value = value[step]
        return tuple(str(role) for role in value) if isinstance(value, list) else None

    def userinfo(self, token: str, sub: str) -> dict[str, Any] | None:
        """Ask the issuer about a token's person; return None when the issuer cannot be reached.

        The answer is empty when the issuer has no such endpoint, or speaks of somebody else.
        """
        endpoint = self._keys.known.metadata.get("userinfo_endpoint")
        if not isinstance(endpoint, str):
            return {}
        headers = {"Authorization": f"Bearer {token}"}
        try:
            with httpx.Client(timeout=_TIMEOUT_SECONDS) as client:
                get = partial(client.get, endpoint, headers=headers)
                response = within(_TIMEOUT_SECONDS, get, client.close).raise_for_status()
            claims = response.json()
        except (httpx.HTTPError, ValueError, TimeoutError) as error:
            log.warning("the issuer does not tell who %r is, who therefore has no roles: %s", sub, error)
            return None
        # Another's answer must not lend its roles (OpenID Connect Core, section 5.3.2).
        return claims if isinstance(claims, dict) and claims.get("sub") == sub else {}

    def _remembered(self, digest: bytes) -> Person | None:
        with self._lock:
            if self._kept_with is not self._keys.known:  # A key may have been withdrawn.
                self._kept.clear()
                self._kept_with = self._keys.known
            found = self._kept.get(digest)
            return found if found and found.until > self._now() else None

    def _remember(self, digest: bytes, person: Person) -> None:
        with self._lock:
            self._kept[digest] = person
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)

    def _check(self, token: str) -> Person:
        try:
            decoded = self._decode(token)
        except (JoseError, ValueError, RecursionError) as error:
            raise InvalidToken(f"{type(error).__name__}: {error}") from None
        claims = decoded.claims
        self._check_claims(claims)
        if self._is_id_token(decoded.header, claims):
            raise InvalidToken("it is an ID token, which says who signed in and lets nobody act")
        name, until = claims.get("name"), float(claims["exp"]) + LEEWAY_SECONDS
        roles = self.roles_in(claims)
        if roles is None or not isinstance(name, str):
            userinfo = self.userinfo(token, claims["sub"])
            if userinfo is None:
                until = min(until, self._now() + _AGAIN_SECONDS)
            name = name if isinstance(name, str) else (userinfo or {}).get("name")
            roles = roles if roles is not None else self.roles_in(userinfo or {})
        return Person(claims["sub"], name if isinstance(name, str) and name.strip() else None, roles or (), until)

    def _decode(self, token: str) -> jwt.Token:
        try:
            return jwt.decode(token, self._key_of, registry=_REGISTRY)
        except BadSignatureError:
            if not self._keys.renew():  # A token that names no key may be of a newer key.
                raise
            return jwt.decode(token, self._key_of, registry=_REGISTRY)

    def _key_of(self, token: Any) -> AnyKey:
        header = token.headers()
        if "crit" in header or "b64" in header:
            raise InvalidToken("its header demands what is not known here")
        if str(header.get("typ", "JWT")).lower().removeprefix("application/") not in _TYPES:
            raise InvalidToken(f"it is of the type {header.get('typ')!r}, and no access token")
        if header.get("alg") not in ALGORITHMS:
            raise InvalidToken(f"its algorithm is {header.get('alg')!r}")
        key = self._keys.find(header.get("kid"), header.get("alg"))
        if key is None:
            raise InvalidToken(f"no key {header.get('kid')!r} for {header.get('alg')!r}")
        return key

    def _is_id_token(self, header: Mapping[str, Any], claims: Mapping[str, Any]) -> bool:
        """Whether a token was made for a client at sign-in (OpenID Connect Core, section 2), and names this API too.

        Access tokens say what they allow, or that they are one; some issuers put their client among the audience. Where
        the API is its own only client, a token for it is taken whatever it was made for.
        """
        audience = claims.get("aud")
        others = {str(each) for each in audience} - {self._audience} if isinstance(audience, list) else set()
        if not others or "at+jwt" in str(header.get("typ")).lower():
            return False
        if claims.get("typ") == "ID" or _ONLY_IN_ID_TOKENS & claims.keys():
            return True
        if claims.get("typ") == "Bearer" or _ONLY_IN_ACCESS_TOKENS & claims.keys():
            return False
        return "nonce" in claims or not others.isdisjoint((self._client_id, str(claims.get("azp"))))

    def _check_claims(self, claims: Mapping[str, Any]) -> None:
        now = self._now()
        audience = claims.get("aud")
        faults = {
            "iss": claims.get("iss") != self._keys.issuer,
            "aud": self._audience not in (audience if isinstance(audience, list) else [audience]),
            "sub": not (isinstance(claims.get("sub"), str) and claims["sub"].strip()),
            "exp": not _is_time(claims.get("exp")) or claims["exp"] + LEEWAY_SECONDS <= now,
            "nbf": "nbf" in claims and (not _is_time(claims["nbf"]) or claims["nbf"] - LEEWAY_SECONDS > now),
            "iat": "iat" in claims and (not _is_time(claims["iat"]) or claims["iat"] - LEEWAY_SECONDS > now),
        }
        if wrong := [claim for claim, is_wrong in faults.items() if is_wrong]:
            raise InvalidToken(f"wrong: {', '.join(wrong)}")


class Validator(BearerTokenValidator):  # type: ignore[misc]
    """Authlib's validator of bearer tokens, which checks them by `tokens`."""

    def __init__(self, tokens: Tokens) -> None:
        super().__init__()
        self._tokens = tokens

    def authenticate_token(self, token_string: str) -> Person | None:
        """Return the person whose token this is; None when the token is not good."""
        try:
            return self._tokens.person(token_string)
        except InvalidToken as error:
            log.warning("a token from %s was refused: %s", request.remote_addr, shown(str(error)))
            return None

    def validate_token(self, token: Person | None, scopes: Any, request: Any) -> None:  # noqa: ARG002
        """Refuse a token that is not good; scopes are not used here."""
        if token is None:
            raise InvalidTokenError


class Protector(ResourceProtector):  # type: ignore[misc]
    """Protect routes, and refuse in this service's own words."""

    def __init__(self, tokens: Tokens) -> None:
        super().__init__()
        self.register_token_validator(Validator(tokens))

    def raise_error_response(self, error: OAuth2Error) -> NoReturn:  # noqa: ARG002
        """Refuse without a word on what was wrong, which would help whoever tries."""
        raise Unauthorized("Error: sign in first: this needs a valid access token")

    def person(self) -> Person:
        """Return who sent the request. Raises Unauthorized."""
        try:
            return cast(Person, self.acquire_token())
        except OAuth2Error as error:
            self.raise_error_response(error)


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _END_OF_TIME
