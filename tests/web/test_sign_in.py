"""The way to the issuer begins on the pages."""

from __future__ import annotations

from pathlib import Path

from jobs_server import create_app
from jobs_server.upkeep import startup

from ..support import databases, issuers


def test_whoever_signs_in_is_sent_to_the_issuer(tmp_path: Path) -> None:
    with issuers.real(tmp_path) as issuer:
        settings = {"OIDC_ISSUER": issuer, "OIDC_AUDIENCE": "jobs", "OIDC_CLIENT_ID": "jobs", "SITES": ("wmd",)}
        app = create_app({"TESTING": True} | settings | databases.at(tmp_path / "instance"))
        startup.prepare(app)
        sent = app.test_client().get("/sign-in/go")
        assert sent.status_code == 302
        assert sent.headers["Location"].startswith(f"{issuer}/")
        assert "code_challenge_method=S256" in sent.headers["Location"]
