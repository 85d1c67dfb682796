"""Authlib's client at the issuer, waited for no longer than a step of a sign-in may take in all."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from authlib.integrations.flask_client import FlaskOAuth2App
from authlib.integrations.requests_client import OAuth2Session
from flask import g

from ..worker import within


class Session(OAuth2Session):  # type: ignore[misc]  # Authlib has no types.
    """Make requests that end with the step they belong to."""

    def request(self, *args: Any, **named: Any) -> Any:
        """Make one request. Raises TimeoutError when the step's time is over, however slowly an answer comes."""
        return within(g.issuer_until - time.monotonic(), partial(super().request, *args, **named), self.close)


class Client(FlaskOAuth2App):  # type: ignore[misc]
    """Speak to the issuer by such sessions."""

    client_cls = Session
