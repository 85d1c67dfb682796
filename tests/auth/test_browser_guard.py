"""No way in through a browser: foreign pages and foreign names change nothing, and every answer says what pages may."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from jobs_server import create_app
from jobs_server.auth import browser_guard
from jobs_server.service import service_of

from ..support import databases
from ..support.observatory import Observatory, Reply, a_command

UI = "https://ui.example.org"


@pytest.fixture
def app() -> Iterator[Flask]:
    app = create_app(
        {
            "TESTING": True,
            "DATABASE_URL": databases.fresh(),
            "ALLOWED_ORIGINS": (UI,),
            "JOBS_TRUSTED_HOSTS": ("jobs.example.org", ".dome.example.org"),
            "TRUSTED_PROXIES": ("127.0.0.1", "10.0.0.0/24"),
        }
    )
    yield app
    service_of(app).database.close()


def posts(observatory: Observatory, **headers: str) -> Reply:
    return observatory.posts("newjob", a_command(), {name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://localhost"},
        {"Origin": "https://localhost"},
        {"Origin": "http://192.168.1.5:5000", "Host": "192.168.1.5:5000"},
        {"Origin": "http://[fe80::1]:5000", "Host": "[fe80::1]:5000"},
        {"Origin": UI},
        {"Sec_Fetch_Site": "same-origin"},
        {"Sec_Fetch_Site": "none"},
        {"Origin": UI, "Sec_Fetch_Site": "cross-site"},
    ],
    ids=str,
)
def test_programs_our_pages_and_allowed_ones_may_command(observatory: Observatory, headers: dict[str, str]) -> None:
    assert posts(observatory, **headers).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://localhost:8080"},
        {"Origin": "https://localhost.evil.example"},
        {"Origin": "https://ui.example.org.evil.example"},
        {"Origin": "https://ui.example.org:444"},
        {"Origin": "http://ui.example.org"},
        {"Origin": "ftp://localhost"},
        {"Origin": "localhost"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
    ids=str,
)
def test_a_foreign_page_changes_nothing(observatory: Observatory, headers: dict[str, str]) -> None:
    refusal = posts(observatory, **headers)
    assert (refusal.status, "JOBS_ALLOWED_ORIGINS" in refusal.text) == (403, True)
    assert observatory.lists() == []


def test_a_foreign_page_is_refused_before_its_body_is_read(observatory: Observatory) -> None:
    assert observatory.posts("newjob", b"no JSON", {"Origin": "https://evil.example"}).status == 403
    assert observatory.posts("nowhere", b"", {"Origin": "https://evil.example"}).status == 403


def test_a_poll_from_a_foreign_page_gets_an_empty_list_and_no_job(observatory: Observatory) -> None:
    job = observatory.sends()
    refusal = observatory.posts("getnewjobs", {"site": "wmd"}, {"Origin": "https://evil.example"})
    assert (refusal.status, refusal.text) == (403, "[]")
    assert observatory.polls() == [job]


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "LOCALHOST:5000", "localhost.", "127.0.0.1:5000", "[::1]:5000", "192.168.1.5", "10.1.2.3:80"),
        *("[fd00::5]", "100.101.102.103", "jobs.example.org:443", "a.dome.example.org"),
        *("131.188.1.2:6200", "[2a02::1]", "[2a02::1]:5000", "8.8.8.8"),  # a PC may have a public address
    ],
)
def test_the_service_answers_to_its_own_names(observatory: Observatory, host: str) -> None:
    assert posts(observatory, Host=host).status == 200


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "localhost.evil.example", "131.188.1.2.evil.example", "[2a02::1", "dome.example.org"),
        *("jobs.example.org.evil.example", "evil.example:80", "x@localhost", "localhost/", "localhost:port", "[::1"),
        *("127.0.0.1.evil.example", "0x7f000001.example", "local host", "2130706433", "0x7f.1", "1.2.3.4.5"),
    ],
)
def test_other_names_are_refused_also_for_reading(app: Flask, host: str) -> None:
    reply = app.test_client().get("/jobs/getrecentjobs", headers={"Host": host})
    assert reply.status_code == 403
    assert b"JOBS_TRUSTED_HOSTS" in reply.data


def test_the_machines_own_name_is_known() -> None:
    hosts = browser_guard.Hosts((), "dome-pc.observatory.example", lambda: "dome-pc.observatory.example")
    known = ["dome-pc", "dome-pc.local:5000", "dome-pc.lan", "dome-pc.observatory.example"]
    assert all(map(hosts.are_ours, known))
    assert not any(map(hosts.are_ours, ["dome-pc.example", "other.local", "observatory.example"]))


def test_the_machines_full_name_is_known_and_asked_for_only_when_another_name_comes() -> None:
    asked: list[str] = []

    def full_name() -> str:
        asked.append("a look-up")
        return "Dome-PC.observatory.example"

    hosts = browser_guard.Hosts((), "dome-pc", full_name)
    assert all(map(hosts.are_ours, ["localhost", "dome-pc:5000", "131.188.1.2:6200", "[2a02::1]"]))
    assert asked == []
    assert hosts.are_ours("dome-pc.observatory.example:5000")
    assert not hosts.are_ours("dome-pc.evil.example")
    assert set(asked) == {"a look-up"}


@given(st.text(max_size=30))
def test_any_host_header_is_judged_without_failing(host: str) -> None:
    assert browser_guard.Hosts((), "dome-pc", lambda: "dome-pc").are_ours(host) in (True, False)


HEADERS = dict(browser_guard.HEADERS)


@pytest.mark.parametrize("path", ["/jobs/getrecentjobs", "/jobs/nowhere", "/jobs/newjob"])
@pytest.mark.parametrize("origin", [None, "https://evil.example", UI])
def test_every_answer_carries_the_security_headers_once(app: Flask, path: str, origin: str | None) -> None:
    reply = app.test_client().post(path, data=b"{", headers={"Origin": origin} if origin else {})
    for name, value in HEADERS.items():
        assert reply.headers.getlist(name) == [value]
    assert "default-src 'self'" in reply.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in reply.headers["Content-Security-Policy"]
    assert "Strict-Transport-Security" not in reply.headers


@pytest.mark.parametrize("path", ["/jobs/getrecentjobs", "/jobs/nowhere", "/jobs/newjob"])
def test_an_allowed_page_can_read_every_answer(app: Flask, path: str) -> None:
    reply = app.test_client().post(path, data=b"{", headers={"Origin": UI})
    assert reply.status_code >= 400
    assert reply.headers["Access-Control-Allow-Origin"] == UI
    foreign = app.test_client().post(path, data=b"{", headers={"Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in foreign.headers


def test_an_allowed_page_may_send_what_it_needs(app: Flask) -> None:
    asked = "authorization,content-type,idempotency-key,last-event-id"
    preflight = {
        "Origin": UI,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": asked,
    }
    reply = app.test_client().options("/jobs/newjob", headers=preflight)
    assert reply.status_code == 200
    allowed = {name.strip().lower() for name in reply.headers["Access-Control-Allow-Headers"].split(",")}
    assert allowed == set(asked.split(","))
    assert {"GET", "POST", "OPTIONS"} <= {m.strip() for m in reply.headers["Access-Control-Allow-Methods"].split(",")}


def seen(app: Flask, peer: str, **headers: str) -> tuple[str, str, str]:
    """What the service takes for the client's address, scheme and host."""
    found: list[str] = []

    def inner(environ: dict[str, str], start_response: object) -> list[bytes]:
        found.extend((environ["REMOTE_ADDR"], environ["wsgi.url_scheme"], environ["HTTP_HOST"]))
        return []

    environ = {"REMOTE_ADDR": peer, "wsgi.url_scheme": "http", "HTTP_HOST": "localhost"}
    environ |= {f"HTTP_X_FORWARDED_{name.upper()}": value for name, value in headers.items()}
    browser_guard.Proxies(inner, ("127.0.0.1", "10.0.0.0/24"))(environ, lambda *_: lambda _: None)
    return found[0], found[1], found[2]


def test_a_trusted_proxy_is_believed(app: Flask) -> None:
    said = {"for": "192.168.1.9", "proto": "https", "host": "jobs.example.org"}
    assert seen(app, "127.0.0.1", **said) == ("192.168.1.9", "https", "jobs.example.org")
    assert seen(app, "", **said)[0] == "192.168.1.9"  # a Unix socket


@pytest.mark.parametrize(
    ("peer", "said", "begin"),
    [
        ("127.0.0.1", "/telescope", "/telescope/"),
        ("10.0.0.3", "/telescope/", "/telescope/"),
        ("127.0.0.1", "/far/away", "/far/away/"),
        ("192.168.1.77", "/telescope", "/"),
        ("127.0.0.1", "//evil.example", "/"),
        ("127.0.0.1", "/x//evil.example", "/"),
        ("127.0.0.1", "https://evil.example", "/"),
        ("127.0.0.1", '/"><script>', "/"),
        ("127.0.0.1", "/..", "/"),
        ("127.0.0.1", "", "/"),
    ],
)
def test_every_address_begins_with_the_path_that_a_trusted_proxy_names(
    app: Flask, peer: str, said: str, begin: str
) -> None:
    browser = app.test_client()
    headers, peers = {"X-Forwarded-Prefix": said}, {"REMOTE_ADDR": peer}
    for path in ("/?site=wmd", "/send?site=wmd", "/docs", "/night?site=wmd", "/settings?site=wmd", "/job/none"):
        page = browser.get(path, headers=headers, environ_base=peers)
        addresses = re.findall(r' (?:href|src|action|data-[a-z]+-(?:src|path)|data-timeline)="([^"#][^"]*)"', page.text)
        assert len(addresses) >= 15
        assert [each for each in addresses if not re.match(f"{begin}[a-z?]", each) and each != begin] == []
        assert page.text.count("/telescope") == 0 or begin == "/telescope/"
    chosen = browser.post("/act/name", data={"site": "wmd", "name": "Vera"}, headers=headers, environ_base=peers)
    assert chosen.location.startswith(begin)
    assert {re.findall(r"Path=([^;]+)", each)[0] for each in chosen.headers.getlist("Set-Cookie")} == {
        begin.rstrip("/") or "/"
    }
    described = browser.get("/openapi.json", headers=headers, environ_base=peers).get_data(as_text=True)
    assert json.loads(described)["servers"] == [{"url": begin.rstrip("/") or "/"}]


def test_who_acts_under_a_path_comes_back_to_the_page_that_was_left_and_to_none_beside(app: Flask) -> None:
    for left, back in (("/telescope/night?site=wmd", "/telescope/night?site=wmd"), ("/wiki/", "/telescope/?site=wmd")):
        headers = {"X-Forwarded-Prefix": "/telescope", "Referer": f"http://localhost{left}"}
        done = app.test_client().post("/act/name", data={"site": "wmd", "name": "Vera"}, headers=headers)
        assert done.location == back


def test_another_is_not(app: Flask) -> None:
    said = {"for": "192.168.1.9", "proto": "https", "host": "jobs.example.org"}
    assert seen(app, "192.168.1.77", **said) == ("192.168.1.77", "http", "localhost")
    assert seen(app, "not an address", **said)[1] == "http"


def test_the_client_is_the_nearest_address_that_is_no_proxy_of_ours(app: Flask) -> None:
    assert seen(app, "127.0.0.1", **{"for": "6.6.6.6, 192.168.1.9, 10.0.0.3"})[0] == "192.168.1.9"
    assert seen(app, "127.0.0.1", **{"for": "10.0.0.4, 10.0.0.3"})[0] == "10.0.0.4"
    assert seen(app, "127.0.0.1", proto="gopher", host="")[1:] == ("http", "localhost")


def test_behind_https_browsers_are_told_to_stay_there(app: Flask) -> None:
    reply = app.test_client().get("/jobs/nowhere", headers={"X-Forwarded-Proto": "https"})
    assert reply.headers["Strict-Transport-Security"].startswith("max-age=")


def test_a_forwarded_host_is_checked_as_well(app: Flask) -> None:
    reply = app.test_client().get("/jobs/nowhere", headers={"X-Forwarded-Host": "evil.example"})
    assert reply.status_code == 403


@pytest.mark.parametrize("said", ["localhost", "127.0.0.1:5000", "jobs.example.org", "evil.example, localhost"])
@pytest.mark.parametrize("sent", ["evil.example:5000", "localhost.evil.example"])
def test_a_page_under_a_name_that_points_here_cannot_forward_another(app: Flask, sent: str, said: str) -> None:
    headers = {"Host": sent, "X-Forwarded-Host": said, "X-Forwarded-Proto": "https"}
    reply = app.test_client().get("/jobs/getrecentjobs", headers=headers)
    assert (reply.status_code, "evil.example" in reply.text) == (403, True)


@pytest.mark.parametrize("sent", ["127.0.0.1:5000", "localhost:5000", "jobs.example.org"])
def test_a_proxy_that_calls_us_by_a_name_of_ours_is_served(app: Flask, sent: str) -> None:
    headers = {"Host": sent, "X-Forwarded-Host": "jobs.example.org"}
    assert app.test_client().get("/jobs/sites", headers=headers).status_code == 200


def test_an_open_service_behind_a_proxy_knows_its_own_pages(observatory: Observatory) -> None:
    ours = {"X_Forwarded_Host": "jobs.example.org", "X_Forwarded_Proto": "https", "Origin": "https://jobs.example.org"}
    assert posts(observatory, **ours).status == 200
