"""Authlib's protector of routes, with a validator of ours: Auth0's access tokens are none that its own take."""

from __future__ import annotations

import logging
from typing import Any, NoReturn, cast

from authlib.integrations.flask_oauth2 import ResourceProtector
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6750 import BearerTokenValidator, InvalidTokenError
from flask import request

from ..errors import Unauthorized, shown
from .access_tokens import InvalidToken, Tokens
from .identity import Person

log = logging.getLogger(__name__)

_SENTENCE = "Error: sign in first: this needs a valid access token"


class Validator(BearerTokenValidator):  # type: ignore[misc]
    """Check bearer tokens as `tokens` does."""

    def __init__(self, tokens: Tokens) -> None:
        super().__init__()
        self._tokens = tokens

    def authenticate_token(self, token_string: str) -> Person | None:
        """Tell whose a token is; none when it is not good."""
        try:
            return self._tokens.person(token_string)
        except InvalidToken as error:
            log.warning("a token from %s was refused: %s", request.remote_addr, shown(str(error)))
            return None

    def validate_token(self, token: Person | None, scopes: Any, request: Any) -> None:  # noqa: ARG002
        """Refuse what is no good token; scopes are not used here."""
        if token is None:
            raise InvalidTokenError


class Protector(ResourceProtector):  # type: ignore[misc]
    """Protect routes, and refuse in this service's own words."""

    def __init__(self, tokens: Tokens) -> None:
        super().__init__()
        self.register_token_validator(Validator(tokens))

    def raise_error_response(self, error: OAuth2Error) -> NoReturn:  # noqa: ARG002
        """Refuse without a word on what was wrong: it would help whoever tries."""
        raise Unauthorized(_SENTENCE)

    def person(self) -> Person:
        """Tell who sent the request. Raises Unauthorized."""
        try:
            return cast(Person, self.acquire_token())
        except OAuth2Error as error:
            self.raise_error_response(error)
