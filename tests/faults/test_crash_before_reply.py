"""A crash between commit and reply, or between reply and the client's disk: asked again, nothing is lost or doubled."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ..conftest import over_http
from ..support import servers
from ..support.observatory import Observatory, Reply, a_command, site_named

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the server that dies and is started again is gunicorn")

DYING = (*("-m", "gunicorn", "-k", "gthread", "-w", "1", "--threads", "4"), "--bind", "127.0.0.1:{port}")

# A program of the site that crashes with the jobs in its hands: nothing of the reply reaches its disk but its claim id,
# which it wrote down before it asked.
CRASHING_CLIENT = """
import os, sys, httpx, pathlib
url, claim_file = sys.argv[1:]
pathlib.Path(claim_file).write_text("claim-7")
reply = httpx.post(url + "/jobs/getnewjobs", json={"site": "wmd", "claimId": "claim-7"}, trust_env=False)
print(reply.text, flush=True)
os._exit(7)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    """A server whose worker dies at the header X-Die; its master starts another."""
    folder = tmp_path_factory.mktemp("dying")
    port = servers.free_port()
    command = [sys.executable, *(part.format(port=port) for part in DYING), "tests.faults.dying:app"]
    variables = servers.environment(folder)
    with servers.stopped_at_the_end(servers.launch(command, port, servers.ROOT, variables, folder / "log")) as server:
        yield server


@pytest.fixture
def site(server: servers.Server, request: pytest.FixtureRequest, tell: Callable[[str], None]) -> Iterator[Observatory]:
    before = deaths(server)
    with httpx.Client(trust_env=False, timeout=60, verify=False) as client:
        yield over_http(server.url, client, site_named(request.node.name))
    tell(f"{request.node.name}: killed between commit and reply {deaths(server) - before} times, and asked again")


def deaths(server: servers.Server) -> int:
    return server.log.read_text(encoding="utf-8").count("Booting worker")


def dies_before_its_reply(site: Observatory, route: str, body: dict[str, Any], headers: dict[str, str]) -> Reply:
    """Ask, get no reply since the server is killed, and ask the same again."""
    with pytest.raises(httpx.RemoteProtocolError):
        site.posts(route, body, headers | {"X-Die": "now"})
    return site.posts(route, body, headers)


def test_a_job_sent_again_with_its_key_is_the_one_that_was_committed(site: Observatory) -> None:
    body = a_command(site=site.site)
    job = dies_before_its_reply(site, "newjob", body, {"Idempotency-Key": "evening-1"}).job
    assert [each["ulid"] for each in site.lists()] == [job["ulid"]]
    assert site.history(job) == ["UNREAD"]


def test_a_claim_asked_again_gets_the_jobs_that_were_committed_to_it(site: Observatory) -> None:
    sent = [site.sends()["ulid"] for _ in range(3)]
    claim = {"site": site.site, "claimId": "a", "limit": 2}
    jobs = dies_before_its_reply(site, "getnewjobs", claim, {}).jobs
    assert [job["ulid"] for job in jobs] == sent[:2]
    assert [site.history(job) for job in jobs] == [["UNREAD", "RECEIVED"]] * 2
    assert [job["ulid"] for job in site.polls(claimId="b")] == sent[2:]


def test_a_start_asked_again_may_still_move_and_counts_once(site: Observatory) -> None:
    job = site.sends()
    site.polls(claimId="a")
    body = {"site": site.site, "ulid": job["ulid"], "claimId": "a"}
    assert dies_before_its_reply(site, "startjob", body, {}).status == 200
    assert site.history(job) == ["UNREAD", "RECEIVED", "STARTED"]


def test_an_end_reported_again_counts_once(site: Observatory) -> None:
    job = site.sends()
    site.polls(claimId="a")
    site.starts(job, claimId="a")
    body = {"site": site.site, "ulid": job["ulid"], "newStatus": "COMPLETE"}
    assert dies_before_its_reply(site, "updatejobstatus", body, {}).status == 200
    assert site.history(job) == ["UNREAD", "RECEIVED", "STARTED", "COMPLETE"]


def test_a_cancel_asked_again_counts_once_and_holds(site: Observatory) -> None:
    job = site.sends()
    body = {"site": site.site, "ulid": job["ulid"]}
    assert dies_before_its_reply(site, "canceljob", body, {}).job["statusId"] == f"CANCELED#{job['ulid']}"
    assert site.history(job) == ["UNREAD", "CANCELED"]
    assert site.polls() == []


def test_a_stop_sent_again_with_its_key_stops_once(site: Observatory) -> None:
    waiting = site.sends()
    body = a_command("cancel_all_commands", site=site.site)
    stop = dies_before_its_reply(site, "newjob", body, {"Idempotency-Key": "stop-1"}).job
    assert site.history(waiting) == ["UNREAD", "CANCELED"]
    assert [job["ulid"] for job in site.polls()] == [stop["ulid"]]


def test_a_program_that_crashed_with_jobs_in_its_hands_gets_them_again(server: servers.Server, tmp_path: Path) -> None:
    with httpx.Client(trust_env=False, timeout=60, verify=False) as client:
        site = over_http(server.url, client)
        job, claim_file = site.sends(), tmp_path / "claim"
        script = [sys.executable, "-c", CRASHING_CLIENT, server.url, str(claim_file)]
        crashed = subprocess.run(script, capture_output=True, text=True, check=False, timeout=60)
        assert crashed.returncode != 0
        assert json.loads(crashed.stdout) == [job]
        later = site.sends()
        assert site.polls(claimId=claim_file.read_text(encoding="utf-8")) == [job]
        assert site.history(job) == ["UNREAD", "RECEIVED"]
        assert site.polls(claimId="claim-8") == [later]
