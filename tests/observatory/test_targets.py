"""Names become places, offline: of the catalogues, of the solar system, and of a site's own list."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs_server.observatory import sky_objects, solar_system, targets
from jobs_server.observatory.directions import Direction, separation_degrees
from jobs_server.observatory.sky import Place
from jobs_server.observatory.targets import Target

PLACE = Place(34.4, -119.7, 500)
AT_MS = 1_796_000_000_000  # 2026-11-30 00:53 UTC


def first(name: str) -> str:
    return targets.find(name, AT_MS, PLACE)[0].name


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("m31", "M 31"),
        ("M 031", "M 31"),
        ("messier 31", "M 31"),
        ("NGC 7000", "NGC 7000"),
        ("ngc0224", "M 31"),
        ("andromeda", "M 31"),
        ("whirlpool", "M 51"),
        ("america nebula", "NGC 7000"),
        ("caldwell 20", "NGC 7000"),
        ("c14", "C 14"),
        ("IC 10", "IC 10"),
        ("pleiades", "M 45"),
        ("M 102", "M 101"),
        ("Vega", "Vega"),
        ("JUPITER", "Jupiter"),
        ("jup", "Jupiter"),
        ("moon", "Moon"),
    ],
)
def test_a_name_or_its_beginning_is_found_offline(typed: str, meant: str) -> None:
    assert first(typed) == meant


def test_every_messier_and_caldwell_object_has_a_place() -> None:
    for catalogue, most in (("M", 110), ("C", 109)):
        for number in range(1, most + 1):
            assert len(sky_objects.named(f"{catalogue} {number}")) == 1, (catalogue, number)


def test_places_are_those_of_the_sky() -> None:
    known = {
        "M 31": (0.712314, 41.26875),
        "NGC 7000": (20.988, 44.53),
        "IC 1801": (2.4702, 19.5833),  # written with 60 seconds of arc by its source
        "M 45": (3.7913, 24.105),
        "Polaris": (2.53, 89.264),
    }
    for name, place in known.items():
        assert separation_degrees(targets.named(name, AT_MS, None)[0].direction, Direction(*place)) < 0.02, name


def test_a_star_stands_where_its_motion_has_brought_it() -> None:
    (arcturus,) = targets.named("Arcturus", AT_MS, None)
    moved = separation_degrees(arcturus.direction, Direction(14.261020, 19.18241)) * 3600
    assert moved == pytest.approx(26.9 * 2.279, abs=1)  # years since 2000, and seconds of arc a year


def test_half_a_name_that_fits_hundreds_of_objects_gives_a_few_with_the_exact_one_first() -> None:
    found = targets.find("ngc 1", AT_MS, PLACE, most=20)
    assert found[0].name == "NGC 1"
    assert len(found) == 20
    assert all(any(name.startswith("NGC 1") for name in (each.name, *each.other_names)) for each in found)


@pytest.mark.parametrize("odd", ["", " ", "'", '"; DROP TABLE', "x" * 500, "\x00", "🔭", "%", "_", "ngc 99999"])
def test_an_odd_name_finds_nothing(odd: str) -> None:
    assert targets.find(odd, AT_MS, PLACE) == []
    assert targets.named(odd, AT_MS, PLACE) == []


@given(st.text(max_size=600))
def test_any_text_is_answered(text: str) -> None:
    assert len(targets.find(text, AT_MS, PLACE, most=20)) <= 20


@given(st.sampled_from(["M", "NGC", "IC", "C"]), st.integers(1, 109), st.sampled_from(["", " ", "  ", "-", "\u00a0"]))
def test_a_number_of_a_catalogue_is_found_however_it_is_written(catalogue: str, number: int, blank: str) -> None:
    plain = sky_objects.named(f"{catalogue} {number}")
    assert sky_objects.named(f"{catalogue.lower()}{blank}{number:04d}") == plain


def test_every_name_of_an_object_leads_to_it() -> None:
    for name in ("NGC 224", "Andromeda Galaxy", "M 31"):
        assert sky_objects.named(name)[0].names[0] == "M 31"


def test_the_own_list_goes_before_the_catalogues_and_names_of_any_script_are_told_apart() -> None:
    own = [Target("M 31", Direction(1, 2), "ours"), Target("Τόπος 7", Direction(3, 4))]
    assert targets.find("m31", AT_MS, PLACE, own[:1])[0].kind == "ours"
    assert targets.named("ΤΌΠΟΣ-7", AT_MS, PLACE, own)[0].direction == Direction(3, 4)
    assert targets.key_of("Τόπος 7") != targets.key_of("Τόπος 8")
    assert targets.key_of("★") != targets.key_of("☆")


def test_a_name_of_two_numbers_is_not_the_object_whose_number_is_both_together() -> None:
    """M 2-9 is a nebula in Ophiuchus, M 29 a cluster in Cygnus; NGC 70 00 is a slip, and not NGC 700."""
    assert targets.find("M 29", AT_MS, PLACE)[0].name == "M 29"
    for name in ("M 2-9", "m2-9", "M 2 9", "NGC 70 00", "ngc 1.3"):
        assert targets.named(name, AT_MS, PLACE) == []
        assert targets.find(name, AT_MS, PLACE) == []
    cloud = targets.named("Large Magellanic Cloud", AT_MS, PLACE)
    for name in ("ESO 56-115", "eso 056 115", "ESO56115"):
        assert targets.named(name, AT_MS, PLACE) == cloud
    assert cloud[0] in targets.find("eso 56-11", AT_MS, PLACE)


@pytest.mark.parametrize(
    ("one", "other"),
    [("PSR J1748+2446", "PSR J1748-2446"), ("PSR J1748+2446", "PSR J1748\u22122446"), ("Panel 1-11", "Panel 11-1")],
)
def test_two_places_whose_names_differ_by_a_sign_are_two_targets(one: str, other: str) -> None:
    assert targets.key_of(one) != targets.key_of(other)
    own = [Target(one, Direction(1, 2)), Target(other, Direction(3, 4))]
    assert [targets.named(each, AT_MS, PLACE, own)[0].name for each in (one, other)] == [one, other]
    blanks = other.replace("-", " ").replace("\u2212", " ")
    assert targets.key_of(other) == targets.key_of(blanks)


def test_what_moves_is_elsewhere_at_another_moment_and_the_moon_at_another_place() -> None:
    day_ms = 86_400_000
    moon = [targets.place_of_moving("moon", at_ms, PLACE) for at_ms in (AT_MS, AT_MS + day_ms)]
    from_afar = targets.place_of_moving("Moon", AT_MS, Place(-34.4, 60, 0))
    assert moon[0] is not None
    assert moon[1] is not None
    assert from_afar is not None
    assert 10 < separation_degrees(moon[0], moon[1]) < 16
    assert 0.2 < separation_degrees(moon[0], from_afar) < 2
    assert targets.place_of_moving("M 31", AT_MS, PLACE) is None


def test_bodies_stand_where_astropy_has_them() -> None:
    """By the ephemeris that astropy carries, which is good to half a minute of arc for the giants."""
    coordinates = pytest.importorskip("astropy.coordinates")
    from astropy import units
    from astropy.time import Time
    from astropy.utils import iers

    here = coordinates.EarthLocation(lat=34.4 * units.deg, lon=-119.7 * units.deg, height=500 * units.m)
    frame = coordinates.AltAz(obstime=Time(AT_MS / 1000, format="unix"), location=here)
    with iers.conf.set_temp("auto_download", False), iers.conf.set_temp("auto_max_age", None):
        for name in ("moon", "sun", "jupiter", "venus"):
            seen = coordinates.get_body(name, frame.obstime, here, ephemeris="builtin").transform_to(frame)
            star = coordinates.SkyCoord(alt=seen.alt, az=seen.az, frame=frame).icrs
            ours = targets.place_of_moving(name, AT_MS, PLACE)
            assert ours is not None
            assert separation_degrees(ours, Direction(star.ra.hour, star.dec.deg)) * 3600 < 45, name
            assert solar_system.altitude_degrees(name.title(), AT_MS, PLACE) == pytest.approx(seen.alt.deg, abs=0.02)


def test_a_name_is_found_without_numpy() -> None:
    script = (
        "import sys; from jobs_server.observatory import targets, tonight;"
        "targets.find('jupiter', 0, None); targets.find('ngc', 0, None); print('numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
