"""With sign-in, people command by tokens of an issuer; hostile ones are refused without a helpful word."""

from __future__ import annotations

import base64
import hmac
import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_private_key
from flask import Flask
from joserfc import jws, jwt
from joserfc.jwk import ECKey, RSAKey

from jobs_server import create_app
from jobs_server.auth.access_tokens import InvalidToken, Tokens
from jobs_server.auth.issuer_keys import KEYS_FILE, IssuerKeys, KeyTimes
from jobs_server.service import service_of
from jobs_server.upkeep import startup

from ..conftest import inside
from ..support import databases, issuers
from ..support.issuers import Issuer
from ..support.observatory import Observatory, Reply, a_command, site_named
from ..support.waiting import until

REFUSAL = "Error: sign in first: this needs a valid access token"


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with issuers.own() as issuer:
        yield issuer


@pytest.fixture(scope="module")
def app(issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    app = app_for(issuer.url, tmp_path_factory.mktemp("instance"), OIDC_CLIENT_ID="pages-client")
    yield app
    service_of(app).database.close()


def app_for(issuer: str, instance: Path, **settings: object) -> Flask:
    own = {"TESTING": True, "DATABASE_URL": databases.fresh(), "INSTANCE": str(instance)}
    app = create_app(own | {"OIDC_ISSUER": issuer, "OIDC_AUDIENCE": "jobs"} | settings)
    startup.prepare(app)
    return app


def asking_at_once(app: Flask) -> Flask:
    """Have an app ask its issuer for every unknown key id."""
    cast(IssuerKeys, service_of(app).gate.keys).times = KeyTimes(ask_again_seconds=0.0)
    return app


@pytest.fixture
def site(app: Flask, request: pytest.FixtureRequest) -> Observatory:
    return inside(app, site_named(request.node.name))


def sends(site: Observatory, token: str | None, **changed: Any) -> Reply:
    body = a_command(site=site.site, user_id="auth0|vera") | changed
    return site.posts("newjob", body, {"Authorization": f"Bearer {token}"} if token is not None else {})


def test_the_roles_come_from_the_token_never_from_the_body(site: Observatory, issuer: Issuer) -> None:
    job = sends(site, issuer.token(), user_roles=["admin"], user_name="The Director").job
    assert (job["user_id"], job["user_name"], job["user_roles"]) == ("auth0|vera", "Vera", ["observer"])
    by = site.shows(job)["history"][0]["by"]
    assert by == {"id": "auth0|vera", "name": "Vera", "known": "signed in"}


def test_without_a_token_nobody_commands_but_the_site_works_and_anybody_reads(site: Observatory) -> None:
    refusal = sends(site, None)
    assert (refusal.status, refusal.text) == (401, REFUSAL)
    assert refusal.headers["WWW-Authenticate"].startswith("Bearer")
    assert site.polls() == site.lists() == []
    assert site.posts("lockout", {"site": site.site, "note": "x"}).status == 401


def test_nobody_acts_for_another_but_an_admin_and_then_the_history_shows_both(
    site: Observatory, issuer: Issuer
) -> None:
    refusal = sends(site, issuer.token(), user_id="auth0|tycho", user_name="Tycho")
    assert (refusal.status, "only an admin" in refusal.text) == (403, True)
    admin = issuer.token(**with_roles(["admin"]))
    job = sends(site, admin, user_id="auth0|tycho", user_name="Tycho").job
    assert (job["user_id"], job["user_name"]) == ("auth0|tycho", "Tycho")
    assert site.shows(job)["history"][0]["by"]["id"] == "auth0|vera"


def test_admin_is_a_role_of_its_own_and_no_part_of_a_word(site: Observatory, issuer: Issuer) -> None:
    near = issuer.token(**with_roles(["not-admin", "administrator"]))
    assert sends(site, near, user_id="auth0|tycho").status == 403
    text = issuer.token(**with_roles("admin"))
    assert sends(site, text, user_id="auth0|tycho").status == 403


def test_which_roles_are_admins_and_where_roles_stand_are_settings(issuer: Issuer, tmp_path: Path) -> None:
    elsewhere = {"ADMIN_ROLES": ("admin", "owner"), "ROLES_CLAIM": ("realm_access", "roles")}
    app = app_for(issuer.url, tmp_path, **elsewhere)
    site = inside(app)

    def acts_for_another(**claims: Any) -> int:
        return sends(site, issuer.token(**claims), user_id="auth0|tycho").status

    assert acts_for_another(realm_access={"roles": ["owner"]}) == 200
    assert acts_for_another(realm_access={"roles": ["admin"]}) == 200
    assert acts_for_another(realm_access={"roles": ["Owner", "co-owner"]}) == 403
    assert acts_for_another(realm_access=["owner"], owner="owner") == 403
    assert acts_for_another(**with_roles(["admin"])) == 403  # where roles stand by default
    service_of(app).database.close()


def test_a_lockout_is_lifted_by_the_same_person_or_an_admin(site: Observatory, issuer: Issuer) -> None:
    def asks(route: str, **claims: Any) -> int:
        headers = {"Authorization": f"Bearer {issuer.token(**claims)}"}
        return site.posts(route, {"site": site.site, "note": "hands"}, headers).status

    admin = {"sub": "auth0|chief", "https://photonranch.org/user_metadata": {"roles": ["admin"]}}
    assert asks("lockout") == 200
    assert asks("liftlockout", sub="auth0|tycho") == 403
    assert asks("liftlockout", **admin) == 200
    assert asks("lockout") == asks("liftlockout") == 200


@pytest.mark.parametrize("audience", [["jobs", "https://other.example"], ["jobs"], "jobs"], ids=str)
def test_a_token_may_be_for_several_audiences(site: Observatory, issuer: Issuer, audience: Any) -> None:
    assert sends(site, issuer.token(aud=audience)).status == 200


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": ["jobs", "https://issuer/userinfo"], "azp": "ui", "scope": "openid profile"},
        {"aud": ["jobs", "ui"], "azp": "ui", "typ": "Bearer", "nonce": "n"},
        {"aud": ["jobs", "ui"], "client_id": "ui"},
        {"aud": "jobs", "azp": "jobs"},
    ],
    ids=["Auth0", "Keycloak, its client among the audience", "RFC 9068", "one app for both"],
)
def test_an_access_token_of_a_client_is_no_id_token(site: Observatory, issuer: Issuer, claims: dict[str, Any]) -> None:
    assert sends(site, issuer.token(**claims)).status == 200


def test_clocks_may_differ_by_30_seconds(site: Observatory, issuer: Issuer) -> None:
    now = int(time.time())
    assert sends(site, issuer.token(exp=now - 20)).status == 200
    assert sends(site, issuer.token(nbf=now + 20, iat=now + 20)).status == 200


def with_roles(roles: object) -> dict[str, Any]:
    return {"https://photonranch.org/user_metadata": {"roles": roles}}


def unsigned(issuer: Issuer, algorithm: str = "none") -> str:
    payload = issuer.token().split(".")[1]
    return f"{encoded({'alg': algorithm, 'kid': 'one'})}.{payload}."


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def signed_with_the_public_key(issuer: Issuer, form: str) -> str:
    public = issuer.keys[0].as_pem(private=False) if form == "pem" else issuer.keys[0].as_der(private=False)
    text = f"{encoded({'alg': 'HS256', 'kid': 'one'})}.{issuer.token().split('.')[1]}"
    signature = hmac.digest(public, text.encode(), "sha256")
    return f"{text}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def with_header(issuer: Issuer, **more: Any) -> str:
    """A good token with more in its header, well signed."""
    text = f"{encoded({'alg': 'RS256', 'kid': 'one', **more})}.{issuer.token().split('.')[1]}"
    private = load_der_private_key(issuer.keys[0].as_der(private=True), None)
    assert isinstance(private, RSAPrivateKey)
    signature = private.sign(text.encode(), PKCS1v15(), SHA256())
    return f"{text}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def test_what_is_signed_by_hand_here_would_be_good(site: Observatory, issuer: Issuer) -> None:
    assert sends(site, with_header(issuer)).status == 200
    assert sends(site, with_header(issuer, typ="at+jwt", x="y")).status == 200


OTHER_RSA = RSAKey.generate_key(2048, {"kid": "one"})
OTHER_EC = ECKey.generate_key("P-256", {"kid": "one"})

HOSTILE: dict[str, Any] = {
    "another audience": lambda issuer: issuer.token(aud="https://other.example"),
    "an audience that contains ours": lambda issuer: issuer.token(aud="jobs2"),
    "no audience": lambda issuer: issuer.token(aud=None),
    "another issuer's name": lambda issuer: issuer.token(iss="https://evil.example"),
    "the issuer's name with a slash": lambda issuer: issuer.token(iss=f"{issuer.url}/"),
    "no issuer": lambda issuer: issuer.token(iss=None),
    "expired": lambda issuer: issuer.token(exp=int(time.time()) - 31),
    "without an end": lambda issuer: issuer.token(exp=None),
    "an end that is a text": lambda issuer: issuer.token(exp="never"),
    "an end that is true": lambda issuer: issuer.token(exp=True),
    "not yet valid": lambda issuer: issuer.token(nbf=int(time.time()) + 60),
    "made in the future": lambda issuer: issuer.token(iat=int(time.time()) + 60),
    "of nobody": lambda issuer: issuer.token(sub=None),
    "of a blank": lambda issuer: issuer.token(sub=" "),
    "of a number": lambda issuer: issuer.token(sub=5),
    "alg none": unsigned,
    "alg None": lambda issuer: unsigned(issuer, "None"),
    "no signature under RS256": lambda issuer: unsigned(issuer, "RS256"),
    "HS256 with the public key as PEM": lambda issuer: signed_with_the_public_key(issuer, "pem"),
    "HS256 with the public key as DER": lambda issuer: signed_with_the_public_key(issuer, "der"),
    "an unknown key id": lambda issuer: issuer.token(OTHER_RSA, {"kid": "two"}),
    "a key of another issuer": lambda issuer: issuer.token(OTHER_RSA),
    "an EC key for an RSA key's id": lambda issuer: issuer.token(OTHER_EC),
    "a crit header": lambda issuer: with_header(issuer, crit=["exp"], exp=1),
    "a crit header of what is not known": lambda issuer: with_header(issuer, crit=["urn:x"], **{"urn:x": 1}),
    "an empty crit header": lambda issuer: with_header(issuer, crit=[]),
    "a b64 header": lambda issuer: with_header(issuer, b64=False),
    "a key in its own header": lambda issuer: issuer.token(
        OTHER_RSA, {"kid": None, "jwk": OTHER_RSA.as_dict(private=False)}
    ),
    "a logout token": lambda issuer: with_header(issuer, typ="logout+jwt"),
    "a token of a type that is not known": lambda issuer: with_header(issuer, typ="secevent+jwt"),
    "a type that is a number": lambda issuer: with_header(issuer, typ=5),
    "an ID token that names the API too, with a nonce": lambda issuer: issuer.token(aud=["ui", "jobs"], nonce="n"),
    "an ID token with the hash of an access token": lambda issuer: issuer.token(aud=["ui", "jobs"], at_hash="h"),
    "an ID token that says for which client it is": lambda issuer: issuer.token(aud=["ui", "jobs"], azp="ui"),
    "an ID token of Keycloak": lambda issuer: issuer.token(aud=["ui", "jobs"], azp="ui", scope="openid", typ="ID"),
    "an ID token of the client of the pages": lambda issuer: issuer.token(aud=["pages-client", "jobs"]),
    "an end that no clock can show": lambda issuer: issuer.token(exp=10**400),
    "a beginning that no clock can show": lambda issuer: issuer.token(nbf=-(10**400)),
    "oversized": lambda issuer: issuer.token(padding="x" * 20_000),
    "truncated": lambda issuer: issuer.token()[:-10],
    "without its claims": lambda issuer: "..".join(issuer.token().split(".")[::2]),
    "changed": lambda issuer: ".".join(
        [issuer.token().split(".")[0], encoded({"sub": "auth0|vera"}), issuer.token().split(".")[2]]
    ),
    "not a token": lambda _: "undefined",
    "blank": lambda _: "",
    "five parts": lambda issuer: issuer.token() + ".a.b",
    "claims that are a list": lambda issuer: jws.serialize_compact(
        {"alg": "RS256", "kid": "one"}, b"[]", issuer.keys[0]
    ),
    "a header that is no JSON": lambda issuer: "e30x." + issuer.token().split(".", 1)[1],
    "two tokens in one header": lambda issuer: f"{issuer.token()},Bearer {issuer.token()}",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_token_is_refused_without_a_helpful_word(
    site: Observatory, issuer: Issuer, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    token = HOSTILE[kind](issuer)
    refusal = sends(site, token)
    assert (refusal.status, refusal.text) == (401, REFUSAL)
    assert refusal.headers["WWW-Authenticate"] == 'Bearer realm="jobs"'
    assert site.lists() == []
    assert len(token) < 20 or token not in caplog.text  # the log says why, and keeps the secret


@pytest.mark.parametrize("scheme", ["Basic", "bearer:", "Token", ""])
def test_other_schemes_are_no_tokens(site: Observatory, issuer: Issuer, scheme: str) -> None:
    headers = {"Authorization": f"{scheme} {issuer.token()}".strip()}
    assert site.posts("newjob", a_command(site=site.site), headers).status == 401


def test_a_token_in_the_query_or_body_is_not_looked_at(site: Observatory, issuer: Issuer) -> None:
    token = issuer.token()
    assert site.posts(f"newjob?access_token={token}", a_command(site=site.site)).status == 401
    assert site.posts("newjob", a_command(site=site.site, access_token=token)).status == 401


def test_two_authorization_headers_are_refused(app: Flask, issuer: Issuer) -> None:
    good = f"Bearer {issuer.token()}"
    headers = [("Authorization", good), ("Authorization", good)]
    assert app.test_client().post("/jobs/newjob", json=a_command(), headers=headers).status_code == 401


def test_es256_is_taken_where_the_issuer_has_such_a_key(tmp_path: Path) -> None:
    with issuers.own() as issuer:
        issuer.keys.append(ECKey.generate_key("P-256", {"kid": "ec"}))
        app = app_for(issuer.url, tmp_path)
        assert sends(inside(app), issuer.token(issuer.keys[1])).status == 200
        service_of(app).database.close()


def test_an_unknown_key_id_asks_the_issuer_at_most_once_a_minute(
    issuer: Issuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = IssuerKeys(issuer.url, tmp_path / "keys.json")
    tokens = Tokens(held, "jobs", ("roles",))
    tokens.person(issuer.token())
    before = issuer.asked.count("/keys")
    for kid in ("a", "b", "c"):
        with pytest.raises(InvalidToken):
            tokens.person(issuer.token(OTHER_RSA, {"kid": kid}))
    assert issuer.asked.count("/keys") == before  # it was asked a moment ago
    later = time.monotonic() + KeyTimes().ask_again_seconds
    monkeypatch.setattr(time, "monotonic", lambda: later)
    for kid in ("d", "e", "f"):
        with pytest.raises(InvalidToken):
            tokens.person(issuer.token(OTHER_RSA, {"kid": kid}))
    assert issuer.asked.count("/keys") == before + 1
    held.close()


def test_keys_are_renewed_in_the_background(tmp_path: Path) -> None:
    with issuers.own() as issuer:
        held = IssuerKeys(issuer.url, tmp_path / "keys.json", KeyTimes(refresh_seconds=0.01))
        tokens = Tokens(held, "jobs", ("roles",))
        old = issuer.token()
        tokens.person(old)
        issuer.keys = [RSAKey.generate_key(2048, {"kid": "new"})]
        until(lambda: [key.kid for key in held.known.keys] == ["new"])  # nobody showed a token of it
        with pytest.raises(InvalidToken):
            tokens.person(old)
        assert tokens.person(issuer.token())
        held.close()
    assert KeyTimes().refresh_seconds == 15 * 60


def test_a_token_is_checked_once_and_again_when_the_keys_change(
    issuer: Issuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = IssuerKeys(issuer.url, tmp_path / "keys.json")
    tokens = Tokens(held, "jobs", ("https://photonranch.org/user_metadata", "roles"))
    checks: list[object] = []
    decode = jwt.decode

    def counted(*arguments: Any, **options: Any) -> jwt.Token:
        checks.append(arguments)
        return decode(*arguments, **options)

    monkeypatch.setattr(jwt, "decode", counted)
    token = issuer.token()
    assert tokens.person(token) == tokens.person(token)
    assert len(checks) == 1
    old, issuer.keys = issuer.keys, [RSAKey.generate_key(2048, {"kid": "new"})]
    held.refresh()
    with pytest.raises(InvalidToken):
        tokens.person(token)
    issuer.keys = old
    held.close()


def test_a_remembered_token_ends_when_it_ends(issuer: Issuer, tmp_path: Path) -> None:
    now = time.time()
    tokens = Tokens(IssuerKeys(issuer.url, tmp_path / "keys.json"), "jobs", ("roles",), lambda: now)
    token = issuer.token(exp=int(now) + 5)
    assert tokens.person(token)
    now += 36
    with pytest.raises(InvalidToken, match="exp"):
        tokens.person(token)


class TestRolesFromUserinfo:
    """A token without roles: the issuer is asked."""

    @pytest.fixture
    def tokens(self, issuer: Issuer, tmp_path: Path) -> Tokens:
        self.now = time.time()
        held = IssuerKeys(issuer.url, tmp_path / "keys.json")
        return Tokens(held, "jobs", ("https://photonranch.org/user_metadata", "roles"), lambda: self.now)

    def bare(self, issuer: Issuer) -> str:
        return issuer.token(name=None, **{"https://photonranch.org/user_metadata": None})

    def test_it_tells_name_and_roles_once_for_each_token(self, issuer: Issuer, tokens: Tokens) -> None:
        roles = {"https://photonranch.org/user_metadata": {"roles": ["admin"]}}
        issuer.userinfo = {"sub": "auth0|vera", "name": "Vera R."} | roles
        token, before = self.bare(issuer), issuer.asked.count("/userinfo")
        for _ in range(3):
            person = tokens.person(token)
        assert (person.name, person.roles) == ("Vera R.", ("admin",))
        assert issuer.asked.count("/userinfo") == before + 1

    def test_it_is_not_asked_again_when_the_issuer_says_that_its_keys_are_the_same(
        self, issuer: Issuer, tmp_path: Path
    ) -> None:
        issuer.userinfo = {"sub": "auth0|vera", "https://photonranch.org/user_metadata": {"roles": ["admin"]}}
        held = IssuerKeys(issuer.url, tmp_path / "keys.json")
        tokens = Tokens(held, "jobs", ("https://photonranch.org/user_metadata", "roles"))
        token, before = self.bare(issuer), issuer.asked.count("/userinfo")
        assert tokens.person(token).roles == ("admin",)
        for _ in range(2):
            assert held.refresh()
            assert tokens.person(token).roles == ("admin",)
        assert issuer.asked.count("/userinfo") == before + 1
        held.close()
        read = IssuerKeys(issuer.url, tmp_path / "keys.json")  # by a server that was started anew
        known = read.known
        assert read.refresh()
        assert read.known is known
        read.close()

    def test_an_answer_about_another_lends_no_roles(self, issuer: Issuer, tokens: Tokens) -> None:
        issuer.userinfo = {"sub": "auth0|eve", "https://photonranch.org/user_metadata": {"roles": ["admin"]}}
        assert tokens.person(self.bare(issuer)).roles == ()

    def test_while_it_does_not_answer_there_are_no_roles_and_the_log_says_so(
        self, issuer: Issuer, tokens: Tokens, caplog: pytest.LogCaptureFixture
    ) -> None:
        issuer.userinfo = None
        token = self.bare(issuer)
        assert tokens.person(token).roles == ()
        assert "has no roles" in caplog.text.replace("therefore has", "has")
        issuer.userinfo = {"sub": "auth0|vera", "https://photonranch.org/user_metadata": {"roles": ["admin"]}}
        assert tokens.person(token).roles == ()
        self.now += 61
        assert tokens.person(token).roles == ("admin",)


def test_open_mode_does_not_look_at_the_header(shared_app: Flask, desk: Observatory) -> None:
    reply = desk.posts("newjob", a_command(site=desk.site), {"Authorization": "Bearer undefined"})
    assert reply.status == 200


class TestAnIssuerThatOthersWrote:
    """Discovery, keys, rotation and userinfo against oidc-provider-mock over HTTP."""

    def test_its_userinfo_tells_name_and_roles_of_whoever_the_token_is_of(self, tmp_path: Path) -> None:
        with issuers.real(tmp_path, roles=("observer", "admin")) as url:
            held = IssuerKeys(url, tmp_path / "keys.json")
            tokens = Tokens(held, "jobs", ("https://photonranch.org/user_metadata", "roles"))
            token = issuers.real_token(url)["access_token"]  # no JWT: this issuer's are for its userinfo alone
            claims = tokens.userinfo(token, "vera")
            assert claims is not None
            assert (claims["name"], tokens.roles_in(claims)) == ("Vera Rubin", ("observer", "admin"))
            assert tokens.userinfo(token, "tycho") == {}
            httpx.post(f"{url}/users/vera/revoke-tokens", trust_env=False, timeout=60).raise_for_status()
            assert tokens.userinfo(token, "vera") is None
            held.close()

    def test_it_is_used_kept_on_disk_missed_and_followed_to_new_keys(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.WARNING)
        instance = tmp_path / "instance"
        with issuers.real(tmp_path) as url:
            port = int(url.rpartition(":")[2])
            token = issuers.real_token(url)["id_token"]
            app = asking_at_once(app_for(url, instance))
            observatory = inside(app)
            job = sends(observatory, token, user_id="vera").job
            assert (job["user_name"], job["user_roles"]) == ("Vera Rubin", ["observer"])
            assert sends(observatory, issuers.real_token(url, client_id="other")["id_token"]).status == 401
        assert (instance / KEYS_FILE).exists()
        # The issuer is away: the server is started anew, and verifies from disk.
        service_of(app).database.close()
        app = asking_at_once(app_for(url, instance))
        observatory = inside(app)
        assert sends(observatory, token, user_id="vera").status == 200
        # It is back, with new keys: picked up without a restart of ours, and the old ones are no longer believed.
        with issuers.real(tmp_path, port):
            fresh = issuers.real_token(url)["id_token"]
            assert sends(observatory, fresh, user_id="vera").status == 200
            assert sends(observatory, token, user_id="vera").status == 401
        service_of(app).database.close()
