"""Slews: directions as people write them, and what is refused before anything moves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from astropy import coordinates, units
from astropy.time import Time

from jobs_server.agent import sky
from jobs_server.agent.devices.interfaces import Direction, Horizontal, Place
from jobs_server.agent.errors import Refused
from jobs_server.agent.site_file import MountLines

from .pretend import SITE, TOML, Site

WHEN = datetime(2026, 11, 30, 1, 0, tzinfo=UTC)
NOON = datetime(2026, 11, 30, 11, 0, tzinfo=UTC)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def went(site: Site) -> tuple[float, float]:
    (word, target), *others = [asked for asked in site.mount.asked if asked[0] == "go"]
    assert (word, others) == ("go", [])
    return target.ra_hours, target.dec_degrees


@pytest.mark.parametrize(
    ("params", "where"),
    [
        ({"ra": "5.5753", "dec": "-22.0144"}, (5.5753, -22.0144)),
        ({"ra": 5.5753, "dec": 22}, (5.5753, 22.0)),
        ({"ra": "00 42 44.3", "dec": "+41:16:09"}, (0.7123056, 41.2691667)),
        ({"ra": "0h42m44.3s", "dec": "41d16m09s"}, (0.7123056, 41.2691667)),
        ({"ra": "10.68 deg", "dec": "41.269"}, (0.712, 41.269)),
        ({"ra": "24", "dec": "1e-3"}, (0.0, 0.001)),
        ({"ra": "'2.5303'", "dec": 90, "frame": "icrs"}, (2.5303, 90.0)),
        ({"ra": 3, "dec": 4, "frame": "empty", "tracking_rate_ra": 0.0, "tracking_rate_dec": "0"}, (3.0, 4.0)),
    ],
)
def test_directions_are_read_as_people_write_them(
    site: Site, params: dict[str, Any], where: tuple[float, float]
) -> None:
    result = site.carry_out("mount/mount1", "go", **params)
    assert went(site) == pytest.approx(where, abs=1e-6)
    assert (result["ra"], result["dec"]) == pytest.approx(where, abs=1e-5)


@pytest.mark.parametrize(
    ("frame", "theirs"),
    [
        ("JNOW", lambda: coordinates.TETE(obstime=Time(datetime.now(UTC)))),
        ("J2000", lambda: coordinates.FK5(equinox="J2000")),
        ("B1950", lambda: coordinates.FK4(equinox="B1950")),
        ("B1900", lambda: coordinates.FK4(equinox="B1900")),
    ],
)
def test_a_direction_in_another_frame_is_converted(site: Site, frame: str, theirs: Any) -> None:
    site.carry_out("mount/mount1", "go", ra=10.0, dec=41.0, frame=frame)
    expected = coordinates.SkyCoord(150 * units.deg, 41 * units.deg, frame=theirs()).icrs
    assert went(site) == pytest.approx((expected.ra.hour, expected.dec.deg), abs=1e-5)


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"ra": "25", "dec": "0"}, "ra must be from 0 to 24 hours, not '25'"),
        ({"ra": 83.6, "dec": 22}, "ra must be from 0 to 24 hours"),
        ({"ra": "-1", "dec": "0"}, "ra must be from 0 to 24 hours"),
        ({"ra": "5", "dec": "91"}, "dec must be from -90 to 90 degrees, not '91'"),
        ({"ra": "5", "dec": "NaN"}, "dec must be a number"),
        ({"ra": "5", "dec": float("nan")}, "dec must be a number"),
        ({"ra": float("inf"), "dec": 5}, "ra must be a number"),
        ({"ra": "5"}, "dec must be a number, not None"),
        ({"dec": "5"}, "ra must be a number, not None"),
        ({"ra": "M 31", "dec": "5"}, "ra must be a number"),
        ({"ra": True, "dec": 5}, "ra must be a number"),
        ({"az": "10", "alt": "95"}, "alt must be from -90 to 90"),
        ({"az": "10"}, "alt must be a number"),
        ({"alt": "10"}, "az must be a number"),
        ({"ha": "30", "dec": "0"}, "ha must be from -24 to 24"),
        ({"ra": "1", "ha": "1", "dec": "0"}, "ra and ha were given"),
        ({"ra": "1", "dec": "0", "frame": "Galactic"}, "frame 'Galactic' are not understood"),
        ({"ra": "1", "dec": "0", "do_centering_routine": True}, "centering by pictures is not possible"),
        ({"ra": "1", "dec": "0", "tracking_rate_dec": "0.01"}, "sidereal rate alone"),
    ],
)
def test_what_is_no_direction_is_refused_before_anything_moves(
    site: Site, params: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(Refused, match=sentence):
        site.carry_out("mount/mount1", "go", **params)
    assert site.mount.asked == []


def test_an_hour_angle_is_a_direction_by_sidereal_time(site: Site) -> None:
    site.carry_out("mount/mount1", "go", ha="-1.25", dec="20")
    now = datetime.now(UTC)
    ra_hours, _ = went(site)
    south = sky.horizontal(Direction(ra_hours, 20.0), SITE, now)
    assert 90 < south.az_degrees < 180  # it has not yet passed the meridian
    ahead = (sky.sidereal_hours(SITE, now) - ra_hours) % 24 - 24
    assert ahead == pytest.approx(-1.25, abs=0.05)  # of date and of ICRS differ by years of precession


def test_altitude_and_azimuth_go_as_they_are_or_as_a_direction_where_the_mount_has_no_such_slew(site: Site) -> None:
    site.carry_out("mount/mount1", "go", az="-90", alt="45")
    assert site.mount.asked == [("go_horizontal", Horizontal(45.0, 270.0))]
    site.mount.unable = frozenset({"go_horizontal"})
    site.carry_out("mount/mount1", "go", az="182.5", alt="55")
    there = sky.horizontal(Direction(*went(site)), SITE, datetime.now(UTC))
    assert (there.alt_degrees, there.az_degrees) == pytest.approx((55, 182.5), abs=0.2)
    assert site.mount.asked[-1] == ("set_tracking", False)


def test_altitudes_hour_angles_and_the_sun_are_where_another_library_has_them() -> None:
    import ephem

    observer = ephem.Observer()
    observer.lat, observer.lon, observer.elevation, observer.pressure = "47.7", "12.0", 1838, 0
    observer.date = WHEN.replace(tzinfo=None)
    star = ephem.FixedBody()
    star._ra, star._dec = ephem.hours("5:30:00"), ephem.degrees("22:00:00")
    for body, direction in ((star, Direction(5.5, 22.0)), (ephem.Sun(), sky.sun(WHEN))):
        body.compute(observer)
        there = sky.horizontal(direction, SITE, WHEN)
        degrees = [float(each) * 180 / 3.141592653589793 for each in (body.alt, body.az)]
        assert (there.alt_degrees, there.az_degrees) == pytest.approx(degrees, abs=0.02)
        back = sky.direction(there, SITE, WHEN)
        assert sky.separation_degrees(back, direction) < 0.01
    hours = float(observer.sidereal_time()) * 12 / 3.141592653589793
    assert sky.sidereal_hours(SITE, WHEN) == pytest.approx(hours, abs=0.001)


def limits(altitude: float = 15.0, sun: float = 20.0, *, set_place: bool = False) -> MountLines:
    return MountLines(
        name="mount1",
        driver="indi://x/Mount",
        min_altitude_degrees=altitude,
        sun_distance_degrees=sun,
        set_place=set_place,
    )


def test_a_target_below_the_limit_is_refused_with_its_altitude() -> None:
    low = sky.direction(Horizontal(14.0, 100.0), SITE, WHEN)
    with pytest.raises(Refused, match=r"altitude 14\.0 degrees, below the limit of 15"):
        sky.check_target(low, SITE, WHEN, limits())
    sky.check_target(sky.direction(Horizontal(16.0, 100.0), SITE, WHEN), SITE, WHEN, limits())


def test_a_target_near_the_sun_is_refused_while_the_sun_is_up() -> None:
    near = Direction(sky.sun(NOON).ra_hours, sky.sun(NOON).dec_degrees + 12)
    with pytest.raises(Refused, match=r"12.0 degrees from the sun, which is up"):
        sky.check_target(near, SITE, NOON, limits())
    sky.check_target(near, SITE, NOON, limits(sun=0.0))
    sky.check_target(near, SITE, NOON, limits(sun=11.0))
    sky.check_target(near, SITE, WHEN, limits(altitude=-90.0))  # at night


def test_a_slew_below_the_limit_of_the_file_moves_nothing(tmp_path: Path) -> None:
    site = Site(tmp_path, TOML.replace("min_altitude_degrees = -90", "min_altitude_degrees = 20"))
    for params in ({"az": 90, "alt": 10}, {"ra": 3, "dec": -89}):
        with pytest.raises(Refused, match="below the limit of 20"):
            site.carry_out("mount/mount1", "go", **params)
    assert site.mount.asked == []


def go(site: Site) -> None:
    site.carry_out("mount/mount1", "go", ra=5, dec=20)


def test_a_mount_and_a_file_that_stand_apart_or_know_no_place_are_refused(tmp_path: Path, site: Site) -> None:
    site.mount.stands = Place(47.7, -12.0)
    with pytest.raises(Refused, match=r"mount1 says that it stands at latitude 47\.7000, longitude -12\.0000"):
        go(site)
    site.mount.stands = Place(47.75, 12.05)
    go(site)
    site.mount.stands = None
    with pytest.raises(Refused, match="stands at latitude 0, longitude 0 or knows no place: write set_place = true"):
        go(site)
    site.mount.unable = frozenset({"set_place"})  # it has no place of its own at all
    go(site)
    no_place = "\n".join(line for line in TOML.splitlines() if not line.startswith(("latitude", "longitude")))
    placeless = Site(tmp_path, no_place)
    go(placeless)  # the mount's own place does
    placeless.mount.stands = None
    with pytest.raises(Refused, match="write latitude_degrees, longitude_degrees and set_place"):
        go(placeless)
    placeless.mount.unable = frozenset({"set_place"})
    with pytest.raises(Refused, match="no place is known for mount1"):
        go(placeless)


def test_places_across_the_date_line_are_near_each_other(site: Site) -> None:
    site.mount.stands = Place(-20.0, -179.98)
    lines = limits()
    assert sky.place_for_slews(site.mount, Place(-20.0, 179.98), lines, WHEN) == Place(-20.0, 179.98)


def test_a_mount_at_no_place_gets_the_files_where_it_may(tmp_path: Path) -> None:
    site = Site(tmp_path, TOML.replace("[mount.mount1]", "[mount.mount1]\nset_place = true"))
    site.mount.stands = None
    go(site)
    assert site.mount.asked[0] == ("set_place", SITE)


@pytest.mark.parametrize(("apart", "way"), [(6, "ahead of"), (-6, "behind"), (86400, "ahead of")])
def test_a_clock_that_is_wrong_is_refused(site: Site, apart: int, way: str) -> None:
    site.mount.says = WHEN + timedelta(seconds=apart)
    with pytest.raises(Refused, match=f"the clock of mount1 is {abs(apart)} s {way}"):
        sky.place_for_slews(site.mount, SITE, limits(), WHEN)
    site.mount.says = WHEN + timedelta(seconds=4)
    assert sky.place_for_slews(site.mount, SITE, limits(), WHEN) == SITE


def test_a_mount_moves_under_no_exposure(site: Site) -> None:
    site.camera.said["status"] = "exposing"
    for action in ("go", "park", "home"):
        with pytest.raises(Refused, match="mount1 stays where it is: camera1 exposes"):
            site.carry_out("mount/mount1", action, ra=5, dec=20)
    assert site.mount.asked == []


def test_the_airmass_is_one_in_the_zenith_and_none_at_the_horizon() -> None:
    assert sky.airmass(90.0) == pytest.approx(1.0, abs=1e-3)
    assert sky.airmass(30.0) == pytest.approx(1.99, abs=0.01)
    assert sky.airmass(2.0) is None


def test_astropy_is_loaded_before_anybody_waits() -> None:
    thread = sky.warm()
    thread.join()
    assert thread.daemon
