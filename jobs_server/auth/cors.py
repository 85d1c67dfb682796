"""Which web pages from elsewhere may call this service."""

from __future__ import annotations

import re
from collections.abc import Sequence

from flask import Flask
from flask_cors import CORS

from ..config.checks import ANY_ORIGIN


def allow(app: Flask, origins: Sequence[str], *, changes: Sequence[str] = ()) -> None:
    """Answer pages of these origins with CORS headers, on errors too; `changes` are methods beside GET and POST."""
    if origins:
        CORS(
            app,
            # As patterns of ours: Flask-CORS takes a text with brackets, such as http://[::1]:3000, for one of its own.
            origins=ANY_ORIGIN
            if ANY_ORIGIN in origins
            else [re.compile(re.escape(origin) + r"\Z", re.ASCII | re.IGNORECASE) for origin in origins],
            send_wildcard=ANY_ORIGIN in origins,
            methods=["GET", "POST", *changes, "OPTIONS"],
            # Named one by one: `*` does not cover Authorization.
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID"],
            expose_headers=["X-Error", "X-Claim-Held", "X-Claim-Spent", "X-Stops-Only", "Retry-After"],
            max_age=600,
        )
