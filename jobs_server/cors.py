"""Which web pages from elsewhere may call this service."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Flask
from flask_cors import CORS


def allow(app: Flask, origins: Sequence[str]) -> None:
    """Answer pages of these origins with CORS headers, on errors too (contract, Cross-origin)."""
    if origins:
        CORS(
            app,
            origins=list(origins),
            methods=["GET", "POST", "OPTIONS"],
            # Named one by one: `*` does not cover Authorization.
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID"],
            expose_headers=["X-Error", "Retry-After"],
            max_age=600,
        )
