"""nginx with the shipped configuration, before a real gunicorn: what is live stays live, refusals are ours."""

from __future__ import annotations

import http.server
import re
import runpy
import threading
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import httpx
import pytest

from jobs_server.domain import commands
from jobs_server.live.tuning import FeedTimes

from ..conftest import over_http
from ..live.test_long_poll import LONG, Poll, someone_waits
from ..support import nginx, servers
from ..support.observatory import Observatory, a_command, site_named
from ..support.streams import Viewer
from ..support.waiting import until


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """nginx's address, with a gunicorn behind it."""
    folder = tmp_path_factory.mktemp("nginx")
    with servers.running("gunicorn", folder / "instance") as server, nginx.before(server.port, folder / "n") as url:
        yield url


@pytest.fixture
def people(url: str, request: pytest.FixtureRequest) -> Iterator[Observatory]:
    """People and the software of a site of the test's own."""
    with httpx.Client(trust_env=False, timeout=LONG) as client:
        yield over_http(url, client, site=site_named(request.node.name))


def test_each_message_passes_as_it_comes(url: str, people: Observatory) -> None:
    with Viewer(url, people.site) as viewer:
        assert "Content-Encoding" not in viewer.headers
        for number in range(1, 6):
            people.sends()
            viewer.sees(number)  # before the next is sent


@pytest.mark.parametrize(("shipped", "count"), [(nginx.SITE, 2), (nginx.UNDER_A_PATH, 3)])
def test_its_patience_exceeds_ours(shipped: Path, count: int) -> None:
    def seconds(name: str, text: str) -> list[float]:
        return [float(found) for found in re.findall(rf"^\s*{name} (\d+)s;", text, re.MULTILINE)]

    text = shipped.read_text(encoding="utf-8")
    every = re.findall(r"^    location .*?^    }", text, re.MULTILINE | re.DOTALL)
    places = [place for place in every if "proxy_pass" in place]
    assert len(places) == count
    for place in places:
        assert seconds("proxy_read_timeout", place)[0] > max(commands.MAX_WAIT_SECONDS, FeedTimes().comment_seconds)
        assert seconds("send_timeout", place)[0] > max(commands.MAX_WAIT_SECONDS, FeedTimes().comment_seconds)
    conf = runpy.run_module("jobs_server.gunicorn_conf")
    assert seconds("keepalive_timeout", text)[0] < conf["keepalive"]


def test_a_poll_waits(url: str, people: Observatory) -> None:
    poll = Poll(url, people.site)
    until(someone_waits(url, people.site))
    job = people.sends()
    assert poll.gets() == [job["ulid"]]


def test_a_client_that_hung_up_gets_no_job(url: str, people: Observatory) -> None:
    with httpx.Client(trust_env=False, timeout=httpx.Timeout(LONG, read=0.5)) as client:
        site = over_http(url, client, people.site)
        with pytest.raises(httpx.ReadTimeout):
            site.polls(waitSeconds=LONG)
    until(lambda: not someone_waits(url, people.site)())
    job = people.sends()
    assert [each["ulid"] for each in people.polls()] == [job["ulid"]]


def test_a_body_that_is_too_large_is_refused_in_our_words(people: Observatory) -> None:
    refusal = people.posts("newjob", a_command(required_params={"text": "x" * 300_000}))
    assert (refusal.status, refusal.text) == (413, "Error: the body is larger than 262144 bytes")


def test_the_service_learns_who_asks_and_how(tmp_path: Path) -> None:
    heard: list[dict[str, str]] = []

    class Ear(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(dict(self.headers))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *words: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ear) as ear:
        threading.Thread(target=ear.serve_forever, daemon=True).start()
        with nginx.before(ear.server_port, tmp_path / "n") as url:
            for path in ("/", "/stream", "/jobs/stream"):
                said = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Host": "localhost"}
                said["X-Forwarded-Prefix"] = "/elsewhere"
                httpx.get(url + path, headers=said, trust_env=False, timeout=60)
        ear.shutdown()
    for headers in heard[-3:]:
        assert headers["X-Forwarded-For"] == "203.0.113.7, 127.0.0.1"
        assert headers["X-Forwarded-Proto"] == "http"
        assert "X-Forwarded-Prefix" not in headers
        assert url.endswith(headers["Host"])
        assert headers["X-Forwarded-Host"] == headers["Host"]


@pytest.mark.parametrize("path", ["/", "/jobs/sites", "/stream?site=wmd"])
def test_a_page_under_a_name_that_points_here_reads_nothing(url: str, path: str) -> None:
    rebound = {"Host": "evil.example:5000", "X-Forwarded-Host": "localhost"}
    assert httpx.get(url + path, headers=rebound, trust_env=False, timeout=60).status_code == 403


@pytest.fixture(scope="module")
def under_a_path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of nginx with the service under a path, with a gunicorn behind it."""
    folder = tmp_path_factory.mktemp("path")
    with (
        servers.running("gunicorn", folder / "instance") as server,
        nginx.before(server.port, folder / "n", nginx.UNDER_A_PATH) as url,
    ):
        yield url


def test_under_a_path_pages_styles_programs_and_streams_are_all_there(under_a_path: str) -> None:
    base = f"{under_a_path}/telescope"
    with httpx.Client(trust_env=False, timeout=LONG) as client, Viewer(base, "wmd") as viewer:
        people = over_http(base, client)
        job = people.sends()
        viewer.sees(1)
        assert [each["ulid"] for each in people.polls()] == [job["ulid"]]
        page = client.get(f"{base}/?site=wmd")
        addresses = set(re.findall(r' (?:href|src|data-[a-z]+-src|data-timeline)="([^"#]+)"', page.text))
        found = {each: client.head(under_a_path + unescape(each)).status_code for each in addresses}
        assert len(found) > 15
        assert set(found.values()) == {200}, found
        assert client.get(base).headers["Location"] == f"{base}/"
        assert client.get(f"{under_a_path}/?site=wmd").status_code == 404
        done = client.post(f"{base}/act/name", data={"site": "wmd", "name": "Vera"}, headers={"Referer": str(page.url)})
        assert done.headers["Location"] == "/telescope/?site=wmd"
        assert "Path=/telescope" in done.headers["Set-Cookie"]
        assert client.get(f"{base}/jobs/nowhere").text.endswith("such as /telescope/jobs/newjob")
