"""People's sign-in on the pages: Authlib's client, code flow with PKCE.

The client is imported where it is used: it takes a third of a second, which no start without sign-in should pay.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, cast

from flask import Flask, current_app, g
from werkzeug.wrappers import Response

from .. import program
from ..config import Settings
from ..errors import Unauthorized, Unavailable
from ..service import service
from .identity import Person

if TYPE_CHECKING:
    from .access_tokens import Tokens
    from .issuer_keys import IssuerKeys

_TIMEOUT_SECONDS = 5
"""How long the issuer may take in all, for each of the two steps of a sign-in."""
_AWAY = (
    "Error: the sign-in service cannot be reached now. Whoever is signed in stays so; at the observatory's PC,"
    f" `{program.command('admin link')}` prints a link to sign in with"
)


def client_of(app: Flask, settings: Settings) -> Any:
    """Make an app's client at the issuer; None where it has no id there."""
    if settings.is_open or not settings.oidc_client_id:
        return None
    from authlib.integrations.flask_client import OAuth

    from .oidc_client import Client

    return OAuth(app).register(
        "issuer",
        client_cls=Client,
        client_id=settings.oidc_client_id,
        client_secret=settings.oidc_client_secret or None,
        server_metadata_url=f"{settings.issuer.rstrip('/')}/.well-known/openid-configuration",
        client_kwargs={
            "scope": "openid profile email",
            "code_challenge_method": "S256",
            "default_timeout": _TIMEOUT_SECONDS,
            **({} if settings.oidc_client_secret else {"token_endpoint_auth_method": "none"}),
        },
    )


def is_possible() -> bool:
    """Whether people can sign in on the pages of the running app."""
    return service().sign_in is not None


def begin(keys: IssuerKeys, back: str) -> Response:
    """Send the browser to the issuer. Raises Unavailable when it cannot be reached: it would meet a blank page."""
    from requests import RequestException

    _begin_step()
    if not keys.refresh():
        raise Unavailable(_AWAY)
    try:
        return cast(Response, service().sign_in.authorize_redirect(back))
    except (RequestException, ValueError, RuntimeError, TimeoutError) as error:
        raise Unavailable(_AWAY) from error


def _begin_step() -> None:
    """Have all that the issuer is asked from now on, for this request, answered in time together."""
    g.issuer_until = time.monotonic() + _TIMEOUT_SECONDS


def finish(tokens: Tokens, lasts_seconds: float) -> Person:
    """Take what the issuer sent the browser back with. Raises Unauthorized, or Unavailable when it is away."""
    from authlib.integrations.base_client import OAuthError
    from joserfc.errors import JoseError
    from requests import RequestException

    client = service().sign_in
    _begin_step()
    try:
        token = client.authorize_access_token()
        claims: dict[str, Any] = dict(token.get("userinfo") or {})
        if tokens.roles_in(claims) is None or not claims.get("name"):
            asked = dict(client.userinfo(token=token))
            claims |= asked if asked.get("sub") == claims.get("sub") else {}
    except (RequestException, TimeoutError) as error:
        raise Unavailable(_AWAY) from error
    except (OAuthError, JoseError, ValueError, KeyError) as error:
        current_app.logger.warning("a sign-in failed: %s", error)
        raise Unauthorized("Error: the sign-in did not succeed; begin it again") from None
    if not claims.get("sub"):
        raise Unauthorized("Error: the sign-in did not succeed; begin it again")
    name = str(claims.get("name") or claims.get("nickname") or claims.get("email") or claims["sub"])
    return Person(str(claims["sub"]), name, tokens.roles_in(claims) or (), time.time() + lasts_seconds)
