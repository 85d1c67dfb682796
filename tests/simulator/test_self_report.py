"""The pretend observatory says what it is and how it stands, and refuses what real gear refuses."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ephem
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs_server.client import Job, SiteClient
from jobs_server.observatory.abilities import Abilities, cautions
from jobs_server.observatory.poses import Pose
from jobs_server.observatory.profiles import Profile
from jobs_server.observatory.sky import Place
from jobs_server.simulator import stars
from jobs_server.simulator.instruments import Instruments
from jobs_server.simulator.pointing import Pointing, hours_of, target
from jobs_server.state import picture_format

from ..support import servers
from ..support.simulation import simulated
from ..support.waiting import until

WHO: dict[str, Any] = {"user_name": "Vera", "user_id": "auth0|vera"}
SITE_TOML = """code = "wmd"
latitude_deg = 60
longitude_deg = 0
[devices.mount]
instances = ["pier"]
[devices.camera]
filters = ["Red", "IR Block"]
"""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SiteClient]:
    """A site that is played for all tests, far in the north, with names of its own."""
    folder = tmp_path_factory.mktemp("service")
    (folder / "play" / "instance").mkdir(parents=True)
    (folder / "play" / "instance" / "site.toml").write_text(SITE_TOML, encoding="utf-8")
    with (
        servers.running("gunicorn", folder / "instance") as server,
        SiteClient(server.url, "wmd") as client,
        simulated(server.url, "wmd", folder / "play", "--speed", "100"),
    ):
        yield client


def asks(client: SiteClient, device: str, action: str, required: dict[str, Any], **optional: Any) -> Job:
    names = {"mount": "pier", "camera": "camera_1_1"}
    return client.submit(device, names.get(device, f"{device}1"), action, required, optional, **WHO)


def ends(client: SiteClient, job: Job) -> tuple[str, str | None]:
    until(lambda: client.get(job).status in ("COMPLETE", "FAILED", "CANCELED"))
    ended = client.get(job)
    return ended.status, ended.history[-1].message


def said(client: SiteClient, what: str) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{client.url}/{what}", params={"site": "wmd"}, trust_env=False).json()["devices"]
    return found


def pictures(client: SiteClient, job: Job) -> list[dict[str, Any]]:
    query = {"site": "wmd", "ulid": job.ulid}
    found: list[dict[str, Any]] = httpx.get(f"{client.url}/previews", params=query, trust_env=False).json()
    return found


def test_what_it_has_and_how_it_stands_is_said(client: SiteClient) -> None:
    until(lambda: "mount/pier" in said(client, "devicestate"))
    assert said(client, "capabilities")["camera/camera_1_1"]["filters"] == ["Red", "IR Block"]
    devices = said(client, "devicestate")
    assert devices["weather/weather1"]["safe"] is True
    assert devices["enclosure/enclosure1"]["status"] == "open"
    assert ends(client, asks(client, "enclosure", "close", {})) == ("COMPLETE", None)
    until(lambda: said(client, "devicestate")["enclosure/enclosure1"]["status"] == "closed")


def test_a_slew_and_an_exposure_leave_results_and_a_picture_of_made_up_stars(client: SiteClient) -> None:
    assert ends(client, asks(client, "mount", "go", {"ra": 5.5, "dec": 80}))[0] == "COMPLETE"
    until(lambda: said(client, "devicestate")["mount/pier"]["ra_hours"] == 5.5)
    assert said(client, "devicestate")["mount/pier"]["status"] == "tracking"
    job = asks(client, "camera", "expose", {"time": 1}, count=2, filter="ir block")
    assert ends(client, job)[0] == "COMPLETE"
    result = client.get(job).result
    assert result is not None
    assert (result["frames"], len(result["files"]), result["ra"], result["dec"]) == (2, 2, 5.5, 80)
    until(lambda: f"camera_1_1-{job.ulid}-0002.png" in {each["name"] for each in pictures(client, job)})
    until(lambda: said(client, "devicestate")["filter_wheel/filter_wheel1"]["filter"] == "IR Block")


@pytest.mark.parametrize(
    ("device", "action", "required", "optional", "reason"),
    [
        ("mount", "go", {"ra": 25, "dec": 0}, {}, "ra must be from 0 to 24, not 25"),
        ("mount", "go", {"ra": 5, "dec": 91}, {}, "dec must be from -90 to 90, not 91"),
        (
            "mount",
            "go",
            {"ra": 5, "dec": -60},
            {},
            r"the target is below the horizon: it stands at -.*",
        ),
        ("mount", "go", {"ha": 12, "dec": 0}, {}, "the target is below the horizon: it stands at -30.0 degrees now"),
        ("mount", "go", {"az": 10, "alt": -5}, {}, "the target is below the horizon: it stands at -5.0 degrees now"),
        (
            "camera",
            "expose",
            {"time": 1},
            {"filter": "Zz"},
            "this .* has no filter 'Zz'; it has Red, IR Block",
        ),
        ("camera", "expose", {"time": -1}, {}, "camera_1_1 exposes from 0 to 86400 s, and -1 was asked for"),
        ("camera", "expose", {"time": "1e6"}, {}, r"camera_1_1 exposes from 0 to 86400 s, and 1e\+06 was asked for"),
        ("camera", "expose", {"time": 1}, {"bin": "9x9"}, "camera_1_1 does not bin 9×9; it bins 1, 2, 3, 4"),
        ("camera", "expose", {"time": 1}, {"bin": [1, 2]}, "camera_1_1 does not bin 1×2; it bins 1, 2, 3, 4"),
        ("filter_wheel", "set_name", {"filter_name": "HA"}, {}, "this observatory has no filter 'HA'.*"),
        ("focuser", "move_absolute", {"position": 12001}, {}, "focuser1 goes from 0 to 12000 µm, and 12001 was.*"),
        ("focuser", "move_relative", {"position": -9000}, {}, "focuser1 goes from 0 to 12000 µm, and -3000 was.*"),
    ],
)
def test_what_real_gear_refuses_fails_with_the_reason(
    client: SiteClient, device: str, action: str, required: dict[str, Any], optional: dict[str, Any], reason: str
) -> None:
    status, message = ends(client, asks(client, device, action, required, **optional))
    assert status == "FAILED"
    assert re.fullmatch(reason, message or ""), message


def test_a_parked_mount_slews_no_more_until_it_is_unparked_and_stops_always(client: SiteClient) -> None:
    assert ends(client, asks(client, "mount", "park", {}))[0] == "COMPLETE"
    until(lambda: said(client, "devicestate")["mount/pier"]["status"] == "parked")
    assert ends(client, asks(client, "mount", "go", {"ra": 5, "dec": 80})) == (
        "FAILED",
        "pier is parked; unpark it first",
    )
    assert ends(client, asks(client, "mount", "stop", {}))[0] == "COMPLETE"
    assert ends(client, asks(client, "mount", "unpark", {}))[0] == "COMPLETE"
    assert ends(client, asks(client, "mount", "go", {"ra": 5, "dec": 80}))[0] == "COMPLETE"


def test_of_what_it_says_that_it_has_no_caution_is_made() -> None:
    abilities = Abilities(Profile(code="wmd"), Instruments().capabilities())
    assert cautions(abilities, "camera", "camera_1_1", "expose", {"time": 5}, {"filter": "HA", "bin": 2}) == []
    assert cautions(abilities, "focuser", "focuser1", "move_absolute", {"position": 12001}, {})


def test_however_many_devices_are_named_it_says_no_more_than_the_service_takes() -> None:
    instruments = Instruments()
    for number in range(300):
        job = _Asked(f"c{number}")
        instruments.begin(job, "EXPOSING", 1)
        instruments.finish(job, Pose())
    assert "mount/mount1" in instruments.state()
    assert len(instruments.state()) <= 100


class _Asked:
    device, action = "camera", "expose"

    def __init__(self, instance: str) -> None:
        self.instance = instance
        self.required_params: dict[str, Any] = {}
        self.optional_params: dict[str, Any] = {}


@given(st.floats(0, 23.99), st.floats(-89, 89), st.floats(-80, 80), st.floats(0, 1.8e9))
def test_it_stands_where_an_almanac_has_it(ra: float, dec: float, latitude: float, seconds: float) -> None:
    place = Place(latitude, 17.0)
    observer = ephem.Observer()
    observer.lat, observer.lon, observer.pressure = math.radians(latitude), math.radians(17.0), 0
    observer.date = seconds / 86400 + 25567.5
    expected = math.degrees(
        math.asin(
            math.sin(math.radians(dec)) * math.sin(observer.lat)
            + math.cos(math.radians(dec))
            * math.cos(observer.lat)
            * math.cos(float(observer.sidereal_time()) - math.radians(ra * 15))
        )
    )
    altitude, azimuth = target({"ra": ra, "dec": dec}, sidereal := hours_of(seconds, place), place).horizon(
        sidereal, place
    )
    assert altitude == pytest.approx(expected, abs=0.05)
    back = target({"az": azimuth, "alt": altitude}, sidereal, place)
    assert back.dec_degrees == pytest.approx(dec, abs=1e-3)


def test_a_mount_that_follows_nothing_sees_the_sky_go_by() -> None:
    place = Place(40.0, 0.0)
    resting = Pointing.at_rest(place)
    assert resting.ra_hours(5.0) == 5.0
    followed = resting.tracking(5.0, on=True)
    assert followed.ra_hours(9.0) == 5.0
    assert followed.horizon(5.0, place)[0] == pytest.approx(90)
    assert followed.horizon(11.0, place)[0] < 45
    assert followed.tracking(11.0, on=False).hour_angle == 90


def test_its_pictures_are_such_as_the_service_shows_and_differ_from_field_to_field() -> None:
    data = stars.picture(5.5, 22.0)
    found = picture_format.read(data)
    assert (found.kind, found.width, found.height) == ("png", stars.WIDTH, stars.HEIGHT)
    assert len(data) < 100_000


def test_the_same_field_shows_the_same_stars(tmp_path: Path) -> None:
    from PIL import Image

    def bright(ra: float) -> set[tuple[int, int]]:
        (tmp_path / "stars.png").write_bytes(stars.picture(ra, 22.0))
        image = Image.open(tmp_path / "stars.png")
        return {(x, y) for x in range(stars.WIDTH) for y in range(stars.HEIGHT) if image.getpixel((x, y)) > 60}  # type: ignore[operator]

    assert len(bright(5.5)) > 20
    assert len(bright(5.5) & bright(5.5)) > 3 * len(bright(5.5) & bright(6.5))
