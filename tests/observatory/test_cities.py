"""Where a site is, as people say it: a city of the offline list, or coordinates as they were copied."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import ephem
import pytest
from ephem import cities as known

from jobs_server.observatory import cities


def all_of_them() -> list[cities.City]:
    return [city for _, city in cities._list()]


def test_every_city_is_where_its_time_zone_is() -> None:
    assert len(all_of_them()) > 600
    for city in all_of_them():
        assert -90 <= city.latitude_deg <= 90
        assert -180 <= city.longitude_deg <= 180
        offset = ZoneInfo(city.timezone).utcoffset(datetime(2027, 1, 15, tzinfo=UTC).replace(tzinfo=None))
        assert offset is not None
        apart = abs(offset.total_seconds() / 3600 - city.longitude_deg / 15)
        assert min(apart, 24 - apart) < 4, city


def test_cities_that_another_list_has_too_stand_where_they_stand_there() -> None:
    compared = 0
    for name in known._city_data:
        there = ephem.city(name)
        latitude, longitude = (float(angle) * 180 / ephem.pi for angle in (there.lat, there.lon))
        found = cities.search(name, most=20)
        near = [c for c in found if abs(c.latitude_deg - latitude) < 0.3 and abs(c.longitude_deg - longitude) < 0.3]
        if name in {each for city in found for each in city.names}:
            assert near, name
            compared += 1
    assert compared > 100


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("munich", "Munich, Germany"),
        ("München", "Munich, Germany"),
        ("MUNICH, germany", "Munich, Germany"),
        ("koln", "Cologne, Germany"),
        ("Mauna Kea", "Mauna Kea, United States"),
        ("roque de los", "La Palma, Spain"),
    ],
)
def test_a_city_is_found_by_any_of_its_names_and_a_beginning(text: str, title: str) -> None:
    assert [city.title for city in cities.search(text)] == [title]


def test_cities_of_one_name_are_all_offered_and_a_single_letter_finds_none() -> None:
    assert {city.country for city in cities.search("Newcastle")} == {"Australia", "Britain (UK)"}
    assert cities.search("m") == []
    assert cities.search("no such city") == []


@pytest.mark.parametrize(
    "text",
    [
        *("47.7036, 12.0122", "47.7036 12.0122", "47,7036 12,0122", "47.7036; 12.0122", "+47.7036 +12.0122"),
        *("47.7036 N 12.0122 E", "N47.7036 E12.0122", "47.7036°N, 12.0122°E", "47.7036n 12.0122e"),
        *("47°42'13\" N, 12°00'44\" E", "47 42 13 N 12 0 44 E", "47° 42′ 13″ N 12° 0′ 44″ E"),
    ],
)
def test_coordinates_are_read_as_they_were_copied(text: str) -> None:
    assert cities.looks_like_coordinates(text)
    assert cities.read(text) == pytest.approx((47.7036, 12.0122), abs=1e-4)


@pytest.mark.parametrize("text", ["24.63 S, 70.40 W", "S 24.63 W 70.40", "-24.63, -70.40", "-24.63 289.6"])
def test_south_and_west_are_negative_and_longitudes_may_go_to_360(text: str) -> None:
    assert cities.read(text) == pytest.approx((-24.63, -70.4))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("91, 12", "latitude is from -90 to 90"),
        ("12.01 E, 47.70 N", "write latitude and longitude"),
        ("47.7, 361", "longitude is from -180 to 180"),
        ("47.70 N 12.01 O", "write latitude and longitude"),
        ("47.7,", "write latitude and longitude"),
    ],
)
def test_coordinates_that_cannot_be_are_refused_in_words(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        cities.read(text)


@pytest.mark.parametrize("text", ["Paris", "Sens", "St. Louis", "5", ""])
def test_a_name_is_not_taken_for_coordinates(text: str) -> None:
    assert not cities.looks_like_coordinates(text)


def test_the_nearest_city_gives_a_place_its_time_zone() -> None:
    assert cities.nearest(47.7, 12.1).timezone == "Europe/Berlin"
    assert cities.nearest(-24.5, -70.3).timezone == "America/Santiago"
    assert cities.nearest(-18.0, 179.9).timezone == "Pacific/Fiji"
