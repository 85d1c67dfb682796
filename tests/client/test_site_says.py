"""What site software says of itself and of its jobs: whatever a driver gives is sent, and a result is not lost."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from jobs_server.client import BadRequest, ClaimedJob, Conflict, SiteClient, TooManyRequests, Unreachable
from jobs_server.client.ledger import Ledger
from jobs_server.client.readings import plain

from ..state.pictures import picture
from ..support import servers
from ..support.claiming import ends_as, sends, take, take_some


def shown(client: SiteClient, what: str) -> Any:
    reply = httpx.get(f"{client.url}/{what}", params={"site": client.site}, trust_env=False)
    assert reply.status_code == 200, reply.text
    return reply.json()["devices"]


class Scalar:
    """A number as numerical libraries have them."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def item(self) -> Any:
        return self.value


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (float("nan"), None),
        (float("-inf"), None),
        (Scalar(2.5), 2.5),
        (Scalar(float("nan")), None),
        (Decimal("1.5"), 1.5),
        (Decimal("NaN"), None),
        (datetime(2027, 1, 15, 8, tzinfo=UTC), "2027-01-15T08:00:00+00:00"),
        (date(2027, 1, 15), "2027-01-15"),
        ({1: (2, [3])}, {"1": [2, [3]]}),
        (2**80, 2**80),
        (True, True),
        ("half \ud800", "half \\ud800"),
        (Path("m31.fits"), "m31.fits"),
    ],
)
def test_what_drivers_give_is_sent_as_something_that_json_has(given: object, sent: object) -> None:
    assert plain({"key": given}) == {"key": sent}
    json.dumps(plain(given), allow_nan=False).encode()


def test_state_and_capabilities_are_said(client: SiteClient) -> None:
    client.state({"mount/m": {"status": "tracking", "ra_hours": float("nan")}, "camera/c": {"frame": 1}})
    client.state({"camera/c": None})
    said = shown(client, "devicestate")
    assert said.keys() == {"mount/m"}
    assert said["mount/m"]["ra_hours"] is None
    client.capabilities({"camera/c": {"filters": ["Red"]}})
    assert shown(client, "capabilities") == {"camera/c": {"filters": ["Red"]}}
    with pytest.raises(BadRequest, match="type/instance"):
        client.state({"mount": {}})


def test_a_state_that_cannot_be_sent_holds_the_site_up_for_no_patience() -> None:
    with (
        SiteClient("http://127.0.0.1:9", "wmd", patience_seconds=3600) as client,
        pytest.raises(Unreachable),
    ):
        client.state({"mount/m": {}})


def test_a_picture_is_sent_from_memory_or_from_its_file(client: SiteClient, tmp_path: Path) -> None:
    job = sends(client)
    (tmp_path / "m31.png").write_bytes(picture())
    assert client.preview(job, tmp_path / "m31.png").name == "m31.png"
    assert client.preview(job.ulid, picture("JPEG"), name="live").width == 64
    hasty = client.with_patience(0)
    for number in range(8):
        hasty.preview(job, picture(), name=str(number))
    with pytest.raises(TooManyRequests):
        hasty.preview(job, picture(), name="one more")


def test_results_go_out_with_the_end_and_keys_that_are_said_again_are_replaced(
    client: SiteClient, ledger: Path
) -> None:
    job = sends(client)

    def carry_out(run: ClaimedJob) -> None:
        run.add_result(files=["a.fits"], frames=1)
        run.add_result(frames=2, fwhm_arcsec=float("nan"))
        with pytest.raises(ValueError, match="16384 bytes"):
            run.add_result(text="x" * 16 * 1024)

    take_some(take(client, ledger), 1, carry_out)
    ends_as(client, job, "COMPLETE")
    assert client.get(job).result == {"files": ["a.fits"], "frames": 2, "fwhm_arcsec": None}


def test_a_result_is_kept_on_disk_with_the_end_until_the_service_knows(tmp_path: Path, ledger: Path) -> None:
    server = servers.start("gunicorn", tmp_path / "instance")
    with SiteClient(server.url, "wmd") as client, take(client, ledger) as claims:
        job = sends(client)
        run = claims.next()
        assert run is not None
        server.kill()
        run.add_result(frames=3)
        run.end("COMPLETE", "a fine frame")
        (kept,) = json.loads(ledger.read_text(encoding="utf-8"))["entries"]
        assert (kept["stage"], kept["status"], kept["result"]) == ("ended", "COMPLETE", {"frames": 3})
        back = servers.start("gunicorn", tmp_path / "instance", port=server.port)
        with servers.stopped_at_the_end(back):
            assert ends_as(client, job, "COMPLETE") == "a fine frame"
            assert client.get(job).result == {"frames": 3}


def test_a_result_of_an_earlier_run_of_the_program_goes_out_with_its_end(client: SiteClient, ledger: Path) -> None:
    job = sends(client)
    (claimed,) = client.poll(claim_id="a")
    before = Ledger(ledger, client.site)
    (entry,) = before.take([claimed], before.ids.current)
    before.ended(entry, "COMPLETE", "a fine frame", {"frames": 3})
    before.close()
    with take(client, ledger):
        assert ends_as(client, job, "COMPLETE") == "a fine frame"
    assert client.get(job).result == {"frames": 3}


def test_a_file_of_before_there_were_results_is_read(client: SiteClient, ledger: Path) -> None:
    with take(client, ledger) as claims:
        sends(client)
        assert claims.next() is not None
        content = json.loads(ledger.read_text(encoding="utf-8"))
        assert all("result" not in entry for entry in content["entries"])


def test_an_end_whose_result_is_refused_is_reported_without_it(client: SiteClient, ledger: Path) -> None:
    job = sends(client)

    def carry_out(run: ClaimedJob) -> None:
        for number in range(4):
            client.update(job, "EXPOSING", result={f"k{number}": "x" * 16_000})
        run.add_result(last="x" * 16_000)
        run.end("COMPLETE", "a fine frame")

    take_some(take(client, ledger), 1, carry_out)
    assert ends_as(client, job, "COMPLETE") == "a fine frame"
    result = client.get(job).result
    assert result is not None
    assert result.keys() == {"k0", "k1", "k2", "k3"}
    with pytest.raises(Conflict):
        client.update(job, "FAILED", result={"late": 1})
