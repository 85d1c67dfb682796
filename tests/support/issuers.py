"""Sign-in issuers on 127.0.0.1: one that others wrote, as a process, and one whose keys are in a test's hands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

from . import servers

CLIENT = "jobs"


@contextmanager
def real(folder: Path, port: int | None = None, *, roles: tuple[str, ...] = ("observer",)) -> Iterator[str]:
    """Run oidc-provider-mock, an issuer that others wrote, and give its address; its key is new at each start."""
    port = port or servers.free_port()
    claims = {"sub": "vera", "name": "Vera Rubin", "https://photonranch.org/user_metadata": {"roles": list(roles)}}
    command = [sys.executable, "-m", "oidc_provider_mock", "-p", str(port), "--user-claims", json.dumps(claims)]
    server = servers.launch(command, port, folder, os.environ, folder / f"issuer-{port}.log")
    with servers.stopped_at_the_end(server):
        yield server.url


def real_token(issuer: str, who: str = "vera", client_id: str = CLIENT) -> dict[str, Any]:
    """Sign somebody in at the real issuer, without a browser; gives its answer with id_token and access_token."""
    back = "http://127.0.0.1:1/back"
    asked = {"client_id": client_id, "response_type": "code", "redirect_uri": back, "scope": "openid profile"}
    with httpx.Client(base_url=issuer, trust_env=False, timeout=60) as client:
        answer = client.post("/oauth2/authorize", params=asked, data={"sub": who})
        code = parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0]
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": back, "client_id": client_id}
        token: dict[str, Any] = client.post("/oauth2/token", data=form | {"client_secret": "any"}).json()
    return token


class Issuer:
    """An issuer whose keys are in the test's hands: discovery, keys and userinfo over HTTP."""

    def __init__(self) -> None:
        self.keys: list[RSAKey | ECKey] = [RSAKey.generate_key(2048, {"kid": "one"})]
        self.userinfo: dict[str, Any] | None = None
        self.asked: list[str] = []
        self.url = ""

    def token(self, key: RSAKey | ECKey | None = None, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """Make a token; a claim that is None is left out."""
        key = key or self.keys[0]
        now = int(time.time())
        good = {"iss": self.url, "aud": "jobs", "sub": "auth0|vera", "exp": now + 600, "iat": now, "name": "Vera"}
        good |= {"https://photonranch.org/user_metadata": {"roles": ["observer"]}}
        made = {name: value for name, value in (good | claims).items() if value is not None}
        headers = {"alg": "RS256" if key.key_type == "RSA" else "ES256", "kid": key.kid} | (header or {})
        return jwt.encode({name: value for name, value in headers.items() if value is not None}, made, key)

    def answer(self, path: str) -> dict[str, Any] | None:
        """Answer one of the issuer's addresses; none: it fails."""
        self.asked.append(path)
        if path == "/.well-known/openid-configuration":
            return {"issuer": self.url, "jwks_uri": f"{self.url}/keys", "userinfo_endpoint": f"{self.url}/userinfo"}
        if path == "/keys":
            return dict(KeySet(list(self.keys)).as_dict(private=False))
        return self.userinfo


@contextmanager
def own() -> Iterator[Issuer]:
    """Run an issuer whose keys are in the test's hands."""
    issuer = Issuer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = issuer.answer(self.path)
            body = json.dumps(answer).encode()
            self.send_response(200 if answer is not None else 503)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Write no log."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def run_flask(arguments: list[str], instance: Path, settings: dict[str, str]) -> str:
    """Run a `flask` command on an instance folder, and give what it prints."""
    command = [sys.executable, "-m", "flask", "--app", "jobs_server", *arguments]
    done = subprocess.run(
        command,
        cwd=servers.ROOT,
        env=servers.environment(instance, settings),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout
