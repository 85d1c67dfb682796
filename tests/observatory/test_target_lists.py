"""Lists of planning programs come in, what is not understood is said line by line, and lists go out; all invented."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs_server.observatory import list_writers, target_lists
from jobs_server.observatory.own_targets import OwnTarget
from jobs_server.observatory.target_lists import Reading
from jobs_server.observatory.targets import key_of

TELESCOPIUS = (
    "Catalogue Entry,Familiar Name,Alternative Entries,Type,Constellation,Right Ascension (j2000),Declination (j2000),"
    "Magnitude,Size,Surface Brightness (mag/arcsec2),Rises over 30º,Transit Time,Sets below 30º,Maximum Altitude,"
    "Position Angle (East),Next Opposition,Notes,Right Ascension (jNow),Declination (jNow),Label\r\n"
    'M 99,Some Galaxy,NGC 4254,Galaxy,Com,12h 18\' 49"",14º 24\' 59"",9.9,5.4\',13.1,01:00,,07:00,56º,,,"one,\nof two",'
    '12h 20\' 11"",14º 16\' 00"",\n'
    'Field 7,Field 7,,Star,Ori,5h 35\' 17"",-5º 23\' 28"",-,,,,,,,12,,,5h 36\' 40"",-5º 22\' 00"",x\n'
)
MOSAIC = (
    "Pane, RA, DEC, Position Angle (East), Pane width (arcmins), Pane height (arcmins), Overlap, Row, Column\r\n"
    "East edge 1, 12hr 18' 49\", 14º 24' 59\", 0.00, 80.10, 60.20, 10%, 1, 1\r\n"
    "East edge 2, 12hr 20' 01\", -0º 24' 59\", 0.00, 80.10, 60.20, 10%, 1, 2\r\n"
)
STELLARIUM = {
    "defaultListOlud": "",
    "shortName": "Observing list for Stellarium",
    "version": "2.1",
    "observingLists": {
        "{0f3e0000-0000-4000-8000-00000000a001}": {
            "name": "Tonight",
            "objects": [
                {
                    "designation": "M 99",
                    "type": "Nebula",
                    "ra": "12h18m49.6s",
                    "dec": "+14°24'59\"",
                    "magnitude": "9.90",
                },
                {"designation": "Vega", "type": "Star", "ra": "", "dec": "", "magnitude": "–"},
                {"designation": "Jupiter", "type": "Planet", "ra": "7h35m17.0s", "dec": "+21°23'28\"", "jd": 2461374.5},
                {"designation": "HIP 12345", "type": "Star", "ra": "", "dec": ""},
                {"designation": "", "name": "", "ra": "", "dec": ""},
                "no object",
            ],
        }
    },
}
SKYLIST = """SkySafariObservingListVersion=3.0
SortedBy=Default Order
SkyObject=BeginObject
\tObjectID=4,-1,-1
\tCommonName=Some Galaxy
\tCatalogNumber=M 99
\tCatalogNumber=NGC 4254
\tComment=first = of two
\tDateObserved=2.461374500000000e+06
EndObject=SkyObject
SkyObject=BeginObject
    ObjectID=1, 5, 0
    CommonName=Jupiter
EndObject=SkyObject
SkyObject=BeginObject
CommonName=Nothing that is known
EndObject=SkyObject
SkyObject=BeginObject
CommonName=With a place
EndObjectRA=5.5
EndObjectDec=-1.2500000000000e+00
EndObject=SkyObject
"""
SCHEDULE = """<?xml version="1.0" encoding="UTF-8"?>
<SchedulerList version='1.7'><Profile>Home</Profile>
<Job><Name>M 99 & more</Name><Group/><Coordinates><J2000RA>12.3138</J2000RA><J2000DE>14.4164</J2000DE></Coordinates>
<Sequence>/home/x/red.esq</Sequence><StartupCondition><Condition>ASAP</Condition></StartupCondition></Job>
<Job><Name>Near the equator</Name><Coordinates><J2000RA>0</J2000RA><J2000DE>-5.5e-05</J2000DE></Coordinates></Job>
<Job><Name>Odd</Name><Coordinates><J2000RA>x</J2000RA><J2000DE>1</J2000DE></Coordinates></Job>
</SchedulerList>"""
SEQUENCE = """<?xml version="1.0" encoding="UTF-8"?>
<SequenceQueue version='2.6'>
<Job><Exposure>120</Exposure><Filter>Red</Filter><Type>Light</Type><Count>10</Count><TargetName>M 99</TargetName></Job>
<Job><Exposure>60</Exposure><Type>Light</Type><TargetName>M 99</TargetName></Job></SequenceQueue>"""
NINA_XML = """<?xml version="1.0"?><ArrayOfCaptureSequenceList>
<CaptureSequenceList TargetName="Low" RAHours="5" RAMinutes="40" RASeconds="59" DecDegrees="0" DecMinutes="27"
 DecSeconds="30" NegativeDec="true">
<CaptureSequence><ExposureTime>60</ExposureTime></CaptureSequence></CaptureSequenceList>
<CaptureSequenceList TargetName="South" RAHours="5" RAMinutes="40" RASeconds="59,5" DecDegrees="-12"
 DecMinutes="30" DecSeconds="0"/>
</ArrayOfCaptureSequenceList>"""


def nina(negative: bool | None, degrees: float) -> dict[str, object]:
    place = {
        "RAHours": 5,
        "RAMinutes": 40,
        "RASeconds": 59.0,
        "DecDegrees": degrees,
        "DecMinutes": 27,
        "DecSeconds": 30.0,
    }
    if negative is not None:
        place["NegativeDec"] = negative
    return {"$type": "NINA.Astrometry.InputTarget, NINA.Astrometry", "TargetName": "Low", "InputCoordinates": place}


def read(text: str | bytes) -> Reading:
    return target_lists.read(text.encode() if isinstance(text, str) else text)


def places(reading: Reading) -> dict[str, tuple[float, float] | None]:
    return {
        each.name: None if each.ra_hours is None or each.dec_degrees is None else (each.ra_hours, each.dec_degrees)
        for each in reading.targets
    }


def test_telescopius_list_by_the_names_of_its_columns() -> None:
    made = read(TELESCOPIUS)
    assert made.form == "Telescopius’ CSV"
    assert places(made) == {
        "M 99": pytest.approx((12.313611, 14.416389), abs=1e-5),
        "Field 7": pytest.approx((5.588056, -5.391111), abs=1e-5),
    }
    assert (made.targets[0].kind, made.targets[0].magnitude, made.targets[0].note) == ("Galaxy", 9.9, "one, of two")
    assert (made.targets[1].magnitude, made.problems) == (None, [])


def test_telescopius_mosaic() -> None:
    made = read(MOSAIC)
    assert places(made)["East edge 2"] == pytest.approx((12.333611, -0.416389), abs=1e-5)
    assert (len(made.targets), made.problems) == (2, [])


@pytest.mark.parametrize(
    "text",
    [
        "name,ra,dec\nA,12 18 49,+14 24 59\nB,5:35:17,-5:23:28\n",
        "name;ra;dec\nA;12 18 49;+14 24 59\nB;5:35:17;-5:23:28\n",
        "Name\tRA (hours)\tDec (degrees)\nA\t12.31361\t14.41639\nB\t5.588056\t-5.391111\n",
        "name;ra_hours;dec_degrees\r\nA;12,31361;14,41639\r\nB;5,588056;-5,391111\r\n",
        "name;ra_hours;dec_degrees\rA;12,31361;14,41639\rB;5,588056;-5,391111\r",
        "name,RA (deg),Dec (deg)\nA,184.70417,14.41639\nB,83.82083,-5.391111\n",
        "name,ra,dec\nA,184.70417,14.41639\nB,83.82083,-5.391111\n",
        "\ufeffname, ra, dec\n A , 12h18m49s , 14d24m59s \n B , 5h 35m 17s, −5° 23′ 28″\n\n",
        "A\t12 18 49\t14 24 59\nB\t5 35 17\t-5 23 28\n",
        "A;12 18 49;14 24 59\nB;5 35 17;-5 23 28\n",
    ],
)
def test_plain_tables_of_every_kind(text: str) -> None:
    for data in (text.encode(), text.encode("utf-16")):
        made = read(data)
        assert places(made) == {
            "A": pytest.approx((12.313611, 14.416389), abs=1e-5),
            "B": pytest.approx((5.588056, -5.391111), abs=1e-5),
        }, made.problems
        assert made.problems == []


def test_right_ascensions_that_can_be_hours_or_degrees_are_asked_about() -> None:
    made = read("name,ra,dec\nA,12.3,14.4\nB,5 35 17,-5\n")
    assert list(places(made)) == ["B"]
    assert made.problems == ["line 2: is 12.3 in hours or in degrees? call the column ra_hours or ra_degrees"]


def test_what_is_wrong_is_said_line_by_line_and_the_rest_comes_in() -> None:
    made = read("name,ra_hours,dec_degrees\nA,24.5,0\nB,1,91\nC,x,1\n,1,1\nD,1,2\nd,3,4\nE,,\nm31,,\nF,1\n")
    assert list(places(made)) == ["D", "m31"]
    said = "\n".join(made.problems)
    for where, why in (
        ("line 2", "24.5 h"),
        ("line 3", "91 degrees"),
        ("line 4", "'x' is no angle"),
        ("line 5", "no name"),
        ("line 7", "stands in line 6 already"),
        ("line 8", "no catalogue here knows the name"),
        ("line 10", "is no angle"),
    ):
        assert any(each.startswith(f"{where}:") and why in each for each in made.problems), (where, said)
    assert len(made.problems) == 7


def test_stellarium() -> None:
    made = read(json.dumps(STELLARIUM))
    assert made.form == "Stellarium’s list"
    assert list(places(made)) == ["M 99", "Vega", "Jupiter"]
    assert places(made)["M 99"] == pytest.approx((12.313778, 14.416389), abs=1e-5)
    assert places(made)["Vega"] == pytest.approx((18.6156, 38.784), abs=0.01)
    assert places(made)["Jupiter"] is None
    assert [each.partition(":")[0] for each in made.problems] == ["object 3", "object 4", "object 5", "object 6"]
    old = {"bookmarks": {"{1}": {"name": "M 99", "ra": "12h18m49.6s", "dec": "+14°24'59\""}}}
    assert list(places(read(json.dumps(old)))) == ["M 99"]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_skysafari_with_line_ends_of_old_macs_too(line_end: str, mark: str) -> None:
    made = read(mark + SKYLIST.replace("\n", line_end))
    assert made.form == "SkySafari’s list"
    assert list(places(made)) == ["M 99", "Jupiter", "With a place"]
    assert places(made)["With a place"] == (5.5, -1.25)
    assert made.targets[0].note == "first = of two"
    assert made.problems == ["line 15: Nothing that is known has no coordinates, and no catalogue here knows the name"]


def test_skysafari_that_breaks_off_or_holds_something_else() -> None:
    broken = SKYLIST.partition("EndObject")[0] + "a line without a sign\n"
    assert [each.partition(":")[0] for each in read(broken).problems] == ["line 10", "line 3"]


def test_ekos() -> None:
    made = read(SCHEDULE)
    assert places(made) == {"M 99 & more": (12.3138, 14.4164), "Near the equator": (0, -0.000055)}
    assert made.problems == ["line 6 (job 3): its coordinates are no numbers: J2000RA is in hours, J2000DE in degrees"]
    assert list(places(read(SEQUENCE))) == ["M 99"]
    assert "names no target" in read("<SequenceQueue version='2.6'><Job/></SequenceQueue>").problems[0]


@pytest.mark.parametrize(
    ("negative", "degrees", "dec"),
    [
        (True, 0, -0.458333),
        (False, 0, 0.458333),
        (True, 12, -12.458333),
        (True, -12, -12.458333),
        (None, -12, -12.458333),
    ],
)
def test_nina_has_its_sign_twice(negative: bool | None, degrees: float, dec: float) -> None:
    whole = {"$type": "Root", "Items": {"$values": [{"Target": nina(negative, degrees)}]}}
    made = read(json.dumps(whole))
    assert places(made) == {"Low": pytest.approx((5.683056, dec), abs=1e-5)}


def test_nina_sets_of_targets() -> None:
    made = read(NINA_XML)
    assert places(made) == {
        "Low": pytest.approx((5.683056, -0.458333), abs=1e-5),
        "South": pytest.approx((5.683194, -12.5), abs=1e-5),
    }


def test_names_alone_one_a_line() -> None:
    made = read("# tonight\nm31\nNGC 7000\n\njupiter\nno such thing\n")
    assert list(places(made)) == ["m31", "NGC 7000", "Jupiter"]
    assert made.problems == ["line 6: no such thing has no coordinates, and no catalogue here knows the name"]


def test_ten_thousand_come_in_and_more_are_refused() -> None:
    rows = [f"Field {number},{number % 24},{number % 90}" for number in range(10_001)]
    assert len(read("name,ra_hours,dec_degrees\n" + "\n".join(rows[:-1])).targets) == 10_000
    with pytest.raises(ValueError, match="at most 10,000 entries"):
        read("name,ra_hours,dec_degrees\n" + "\n".join(rows))


@pytest.mark.parametrize(
    "data",
    [
        b'{"observingLists": {' + b" " * 50_000_000 + b"}}",
        b"{" * 5000,
        b"[" * 100_000,
        b'{"other": 1}',
        b"{\xff}",
        b"<a/>",
        b"<SchedulerList>",
        b'<!DOCTYPE a [<!ENTITY b "c">]><SchedulerList>&b;</SchedulerList>',
        b"\x00\x01\x02",
    ],
)
def test_what_is_no_list_is_refused_in_a_sentence(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"[a-z]{3}") as refused:
        target_lists.read(data)
    assert len(str(refused.value)) < 500


@pytest.mark.parametrize("first", ["sep=;\n", '"sep=;"\n', "sep=;\r\n\r\n", "# tonight\n#; two\n\n"])
def test_what_stands_before_the_names_of_columns_is_no_row(first: str) -> None:
    made = target_lists.read(f"{first}Dec;Name;RA\n+22 1 0;Crab; 5h34m32s\n".encode())
    assert made.problems == []
    assert [(each.name, each.ra_hours, each.dec_degrees) for each in made.targets] == [
        ("Crab", 5.57555556, 22.01666667)
    ]


def test_a_first_line_without_an_end_is_refused_in_a_sentence() -> None:
    for text in ("x" * 200_000, f"Name,{'x' * 200_000}\nM 1,1"):
        with pytest.raises(ValueError, match="which is no list of targets"):
            target_lists.read(text.encode())


def test_a_magnitude_of_0_is_one_and_not_that_of_the_catalogue() -> None:
    made = target_lists.read(b"Name,Magnitude\nSirius,0\nM 31,0.00\nM 42,-\n")
    assert [each.magnitude for each in made.targets[:2]] == [0.0, 0.0]
    assert made.targets[2].magnitude is not None


def test_a_name_with_a_nul_or_that_is_no_text_and_minutes_that_are_none_are_said() -> None:
    objects = [{"designation": "M\0001", "ra": "5h", "dec": "1"}, {"designation": ["x"], "ra": "5h", "dec": "1"}]
    made = target_lists.read(json.dumps({"observingLists": {"a": {"objects": objects}}}).encode())
    assert made.targets == []
    assert [each.partition(":")[0] for each in made.problems] == ["object 1", "object 2"]
    assert "NUL" in made.problems[0]
    parts = ({"RAHours": 5, "RAMinutes": 99}, {"RAHours": 5, "RASeconds": -3}, {"DecMinutes": 75}, {"RAHours": 5})
    nina = [{"TargetName": f"Field {at}", "InputCoordinates": each} for at, each in enumerate((*parts, {}))]
    made = target_lists.read(json.dumps(nina).encode())
    assert [each.name for each in made.targets] == ["Field 3"]
    assert ["minutes or seconds" in each for each in made.problems] == [True, True, True, False]
    assert "Field 4 has no coordinates" in made.problems[3]


def test_a_coordinate_a_hair_outside_is_named_with_its_digits_and_minus_nothing_is_0() -> None:
    made = target_lists.read(b"Name,ra_hours,dec\nA,24.0000001,1\nB,1,90.0000000001\nC,-0.0,-0\nD,24,90\n")
    assert "24.0000001 h" in made.problems[0]
    assert "90.0000000001 degrees" in made.problems[1]
    assert [str((each.ra_hours, each.dec_degrees)) for each in made.targets] == ["(0.0, 0.0)", "(0.0, 90.0)"]


def test_a_quote_that_is_never_closed_takes_its_own_line_alone() -> None:
    rows = "\n".join(f"F{number},1,{number}" for number in range(40))
    made = read(f'name,ra_hours,dec_degrees\n"Odd,1,2\n{rows}\n')
    assert len(made.targets) >= 40


def test_another_code_page_is_read_and_said() -> None:
    made = read("name,ra_hours,dec_degrees\nÉtoile,1,2\n".encode("cp1252"))
    assert list(places(made)) == ["Étoile"]
    assert "Windows-1252" in made.problems[0]


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=20).filter(
    lambda name: any(each.isalnum() for each in name) and name[0] not in "=+-@#'"
)


@given(st.lists(st.tuples(NAMES, st.floats(0, 23.99), st.floats(-90, 90)), max_size=5, unique_by=lambda each: each[0]))
def test_what_goes_out_comes_back(rows: list[tuple[str, float, float]]) -> None:
    rows = [(f"T {name}", ra, dec) for name, ra, dec in rows]
    out = [OwnTarget(name, "field", ra, dec, 9.5, "a note") for name, ra, dec in rows]
    out = list({key_of(each.name): each for each in out}.values())
    if not out:
        return
    csv, stellarium = list_writers.to_csv(out), list_writers.to_stellarium(out, "mine", datetime(2026, 11, 29))
    for text, within in ((csv, 1e-7), (stellarium, 3e-4)):
        back = read(text)
        assert back.problems == []
        assert [each.name for each in back.targets] == [each.name for each in out]
        for one, other in zip(back.targets, out, strict=True):
            assert one.ra_hours is not None
            assert other.ra_hours is not None
            apart = abs(one.ra_hours - other.ra_hours)
            assert min(apart, 24 - apart) < within
            assert one.dec_degrees == pytest.approx(other.dec_degrees, abs=within)
            assert (one.magnitude, one.kind) == (9.5, "field")


def test_a_planet_goes_out_by_its_name_and_comes_back_as_what_moves() -> None:
    planet = [OwnTarget("Jupiter", "planet")]
    for text in (list_writers.to_csv(planet), list_writers.to_stellarium(planet, "mine", datetime(2026, 11, 29))):
        assert places(read(text)) == {"Jupiter": None}


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused_in_a_sentence(data: bytes) -> None:
    try:
        made = target_lists.read(data)
    except ValueError as error:
        made = Reading(problems=[str(error)])
    assert made.targets or made.problems
