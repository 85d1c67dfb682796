"""Lists and sequences of planning programs become steps of a plan; what is not taken over is said. All are invented."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs_server.domain import plan_commands
from jobs_server.observatory import sequence_steps, sequences, target_lists
from jobs_server.observatory.abilities import Abilities
from jobs_server.observatory.profiles import Profile
from jobs_server.observatory.sequence_entries import Exposure, Mark
from jobs_server.observatory.sequence_steps import Manner, Step
from jobs_server.observatory.sequences import Sequence

QUEUE = """<?xml version="1.0" encoding="UTF-8"?>
<SequenceQueue version='2.6'>
<GuideDeviation enabled='false'>2</GuideDeviation>
<Job>
<Exposure>120</Exposure><Binning><X>2</X><Y>2</Y></Binning><Frame><X>0</X><Y>0</Y><W>1280</W><H>1024</H></Frame>
<Temperature force='true'>-15</Temperature><Filter>Red</Filter><Type>Light</Type><Count>10</Count><Delay>0</Delay>
<Properties><PropertyVector name='CCD_GAIN'><OneElement name='GAIN'>120</OneElement></PropertyVector></Properties>
</Job>
<Job><Exposure>1.5</Exposure><Binning><X>1</X><Y>2</Y></Binning><Type>Dark</Type><Count>3</Count><Delay>20</Delay>
<PreCaptureScript>/home/x/a & b.sh</PreCaptureScript></Job>
</SequenceQueue>"""
LIST = """<?xml version="1.0" encoding="UTF-8"?>
<SchedulerList version='1.4'>
<Job><Name>East edge</Name><Coordinates><J2000RA>20.9</J2000RA><J2000DE>31.6</J2000DE></Coordinates>
<Sequence>/red.esq</Sequence><StartupCondition><Condition value='2026-12-01T20:15:00'>At</Condition></StartupCondition>
<Constraints><Constraint value='35'>MinimumAltitude</Constraint><Constraint>EnforceTwilight</Constraint></Constraints>
<CompletionCondition><Condition value='2'>Repeat</Condition></CompletionCondition>
<Steps><Step>Track</Step><Step>Focus</Step><Step>Guide</Step></Steps></Job>
<Job><Name>West edge</Name><Coordinates><J2000RA>x</J2000RA><J2000DE>31.6</J2000DE></Coordinates>
<Sequence>red.esq</Sequence></Job>
<Job><Name>m31</Name><Sequence>C:\\series\\blue.esq</Sequence>
<CompletionCondition><Condition value='2026-12-02T04:00:00'>At</Condition></CompletionCondition></Job>
<ShutdownProcedure><Procedure>ParkMount</Procedure></ShutdownProcedure>
</SchedulerList>"""
JOB = "<Job><Exposure>60</Exposure><Filter>B</Filter><Type>Light</Type><Count>5</Count></Job>"
ONE = f"<SequenceQueue>{JOB}</SequenceQueue>"
SET = """<?xml version="1.0"?>
<CaptureSequenceList TargetName="Low" RAHours="5" RAMinutes="40" RASeconds="59" NegativeDec="true" DecDegrees="0"
 DecMinutes="27" DecSeconds="30" AutoFocusOnStart="true" StartGuiding="true">
<CaptureSequence><Enabled>true</Enabled><ExposureTime>60</ExposureTime><ImageType>LIGHT</ImageType>
<FilterType><Name>Ha</Name></FilterType><Binning><X>1</X><Y>1</Y></Binning><Gain>-1</Gain>
<TotalExposureCount>20</TotalExposureCount></CaptureSequence>
<CaptureSequence><Enabled>false</Enabled><ExposureTime>60</ExposureTime></CaptureSequence>
</CaptureSequenceList>"""


def node(kind: str, *items: Any, loops: int = 0, **more: Any) -> dict[str, Any]:
    """One node of a sequence of N.I.N.A."""
    made: dict[str, Any] = {"$type": f"NINA.Sequencer.Some.{kind}, NINA.Sequencer", **more}
    conditions = (
        [{"$type": "NINA.Sequencer.Conditions.LoopCondition, NINA.Sequencer", "Iterations": loops}] if loops else []
    )
    if items:
        made |= {"Items": {"$type": "x", "$values": list(items)}, "Conditions": {"$type": "x", "$values": conditions}}
    return made


def takes(name: str, seconds: float, count: int) -> dict[str, Any]:
    return node(
        "SmartExposure",
        node("SwitchFilter", Filter={"_name": name}),
        node("TakeExposure", ExposureTime=seconds, Gain=100, Binning={"X": 2, "Y": 2}, ImageType="LIGHT"),
        loops=count,
    )


PLACE = {"RAHours": 5, "RAMinutes": 30, "RASeconds": 0, "NegativeDec": True, "DecDegrees": 0, "DecMinutes": 30}
ADVANCED = node(
    "SequenceRootContainer",
    node("StartAreaContainer", node("CoolCamera", Temperature=-10), node("UnparkScope")),
    node(
        "TargetAreaContainer",
        node(
            "DeepSkyObjectContainer",
            node("SlewScopeToRaDec"),
            node("RunAutofocus"),
            node("SequentialContainer", takes("R", 30, 1), takes("G", 40, 2), loops=3),
            node("TakeManyExposures", node("TakeExposure", ExposureTime=5, ImageType="FLAT"), loops=7),
            Target={"TargetName": "South", "InputCoordinates": PLACE},
        ),
    ),
    node("EndAreaContainer", node("ParkScope")),
    Name="Two nights",
)


def read(*texts: str, **files: str) -> Sequence:
    named = {f"{name.replace('_', '.')}": text.encode() for name, text in files.items()}
    return sequences.read({f"night{number}.x": text.encode() for number, text in enumerate(texts)} | named)


def manner(**more: Any) -> Manner:
    usual: dict[str, Any] = {
        "site": Abilities(Profile(code="wmd"), {}),
        "camera": "cam1",
        "mount": "mount1",
        "at_ms": 0,
    }
    return Manner(**usual | more)


def steps(sequence: Sequence, **more: Any) -> list[Step]:
    made = sequence_steps.steps_of(sequence.entries, manner(**more))
    plan_commands.steps_of("wmd", made)  # each is one that the service takes
    return made


def frames(made: list[Step]) -> list[tuple[object, ...]]:
    """The exposures among steps: how long, how many, in which filter, how binned."""
    return [
        (
            each["required_params"]["time"],
            each["optional_params"]["count"],
            each["optional_params"].get("filter"),
            each["optional_params"].get("bin"),
        )
        for each in made
        if each["action"] == "expose"
    ]


def test_a_sequence_of_ekos_has_filter_exposure_binning_count_and_delay() -> None:
    found = read(QUEUE)
    assert (found.form, found.problems) == ("Ekos’ sequence", [])
    first, second = found.entries
    assert first == Exposure(120, 10, "Red", "2", "light", 0, 120)
    assert second == Exposure(1.5, 3, "", "1,2", "dark", 20)
    made = steps(found)
    assert frames(made) == [(120, 10, "Red", "2"), (1.5, 1, None, "1,2"), (1.5, 1, None, "1,2"), (1.5, 1, None, "1,2")]
    assert [each.get("notBeforeSeconds", 0) for each in made] == [0, 0, 20, 20]
    assert made[0]["optional_params"]["gain"] == 120
    assert [each["required_params"]["image_type"] for each in made] == ["light", "dark", "dark", "dark"]


def test_what_of_a_sequence_is_not_taken_over_is_said_with_its_line() -> None:
    assert read(QUEUE).remarks == [
        "line 4 (job 1): not taken over: Temperature -15",
        "line 9 (job 2): not taken over: PreCaptureScript",
    ]


@pytest.mark.parametrize(
    ("job", "said"),
    [
        ("<Exposure>x</Exposure>", "line 3 (job 1): its exposure 'x' is no number of seconds; write one, such as 120"),
        ("<Exposure>1</Exposure><Count>0</Count>", "its count '0' is no whole number from 1 to 100000"),
        ("<Exposure>1</Exposure><Filter>3</Filter>", "write the filter's name"),
        ("<Exposure>1</Exposure><Type>Film</Type>", "its kind 'Film' is none of light, bias, dark and flat"),
        ("<Exposure>1</Exposure><Binning><X>0</X></Binning>", "its binning 0,  is none; write whole numbers from 1 on"),
        ("<Exposure>1</Exposure><Delay>-1</Delay>", "its delay '-1' is no number of seconds"),
    ],
)
def test_what_is_wrong_in_a_sequence_is_said_with_its_line_and_what_to_do(job: str, said: str) -> None:
    found = read(f"<?xml version='1.0'?>\n<SequenceQueue>\n<Job>{job}</Job>\n{ONE[15:]}")
    assert any(said in each for each in found.problems), found.problems
    assert found.entries == [Exposure(60, 5, "B")]


def test_a_scheduler_list_comes_with_its_sequences_and_goes_round() -> None:
    found = read(night_esl=LIST, red_esq=QUEUE, BLUE_ESQ=ONE)
    assert found.form == "Ekos’ scheduler list"
    assert [each.name for each in found.targets] == ["East edge", "m31"]
    made = steps(found)
    assert [each["action"] for each in made[:2]] == ["go", "run"]
    assert made[0]["required_params"]["ra"] == 20.9
    assert frames(made) == [*frames(steps(read(QUEUE))) * 2, (60, 5, "B", None)]
    assert (found.begins, found.ends) == ("2026-12-01T20:15:00", "2026-12-02T04:00:00")
    assert found.problems == [
        "line 8 (job 2): its coordinates are no numbers: J2000RA is in hours, J2000DE in degrees",
    ]
    assert "line 3 (job 1): not taken over: MinimumAltitude 35, EnforceTwilight, Guide" in found.remarks
    assert "the list: not taken over: ShutdownProcedure ParkMount" in found.remarks


def test_a_scheduler_list_without_its_sequences_says_which_are_missing() -> None:
    found = read(night_esl=LIST)
    missing = [each for each in found.remarks if "did not come with the list" in each]
    assert missing[-1] == "line 10 (job 3): its sequence blue.esq did not come with the list: bring both in together"
    with pytest.raises(ValueError, match="nothing is to be taken at East edge: say what"):
        steps(found)
    common = sequence_steps.exposure_steps(Exposure(9, 2, "R"), "", manner())
    assert frames(steps(found, common=common)) == [(9, 2, "R", None)] * 2


def test_the_gain_is_read_as_older_and_newer_versions_of_ekos_write_it() -> None:
    properties = (
        "<Properties><NumberVector name='CCD_GAIN'><OneNumber name='GAIN'>50</OneNumber></NumberVector></Properties>"
    )
    both = (
        "<Properties><PropertyVector name='CCD_CONTROLS'><OneElement name='Gain'>70</OneElement>"
        "<OneElement name='Offset'>9</OneElement></PropertyVector></Properties>"
    )
    for text, gain in ((properties, 50), (both, 70), ("<Gain>30</Gain>", 30), ("<Gain>-1</Gain>", None)):
        (found,) = read(f"<SequenceQueue><Job><Exposure>1</Exposure>{text}</Job></SequenceQueue>").entries
        assert isinstance(found, Exposure)
        assert found.gain == gain
    said = read(f"<SequenceQueue><Job><Exposure>1</Exposure>{both}</Job></SequenceQueue>").remarks
    assert said == ["line 1 (job 1): not taken over: CCD_CONTROLS Offset"]


def test_what_a_sequence_has_beside_its_jobs_and_elements_of_other_programs_are_said() -> None:
    head = (
        "<HFRCheck enabled='true'><HFRDeviation>2</HFRDeviation></HFRCheck>"
        "<RefocusEveryN enabled='true'>60</RefocusEveryN>"
    )
    off = "<GuideDeviation enabled='false'>2</GuideDeviation>"
    job = "<Job><Exposure>1</Exposure><TemperatureValue>-5</TemperatureValue><UploadMode>0</UploadMode></Job>"
    assert read(f"<SequenceQueue>{head}{off}{job}</SequenceQueue>").remarks == [
        "the sequence: not taken over: HFRCheck, RefocusEveryN 60",
        "line 1 (job 1): not taken over: TemperatureValue",
    ]


def test_a_job_of_a_second_camera_is_no_target_of_its_own() -> None:
    lead = "<Job><JobType lead='true'/><Name>m31</Name><Sequence>one.esq</Sequence></Job>"
    follows = "\n<Job><JobType lead='false'/><OpticalTrain>second</OpticalTrain><Sequence>two.esq</Sequence></Job>"
    both = f"<SchedulerList>{lead}{follows}</SchedulerList>"
    found = read(night_esl=both, one_esq=ONE, two_esq=QUEUE)
    assert (len(found.targets), frames(steps(found)), found.problems) == (1, [(60, 5, "B", None)], [])
    assert found.remarks == ["line 2 (job 2): another camera takes it beside the job before it; it is left out"]
    assert [each.name for each in target_lists.read(both.encode()).targets] == ["m31"]


def test_a_set_of_nina_has_its_rows_and_what_is_switched_off_is_said() -> None:
    found = read(SET)
    assert found.entries[1:] == [Mark.FOCUS, Exposure(60, 20, "Ha", "1")]
    assert found.targets[0].dec_degrees == pytest.approx(-0.458333, abs=1e-6)
    assert found.remarks == [
        "line 2 (target 1): not taken over: StartGuiding",
        "line 7 (target 1, row 2): it is switched off there, and left out",
    ]


def test_a_target_of_nina_without_coordinates_is_not_taken_for_one_at_zero() -> None:
    row = "<CaptureSequence><ExposureTime>6</ExposureTime></CaptureSequence>"
    bare = f'<CaptureSequenceList TargetName="{{}}">{row}</CaptureSequenceList>'
    assert read(bare.format("m31")).targets[0].ra_hours == pytest.approx(0.7123, abs=1e-3)
    lost = read(bare.format("Pane 7"))
    assert (lost.entries, lost.problems) == (
        [],
        [
            "line 1 (target 1): Pane 7 has no coordinates, and no catalogue here knows the name;"
            " what it was to have is left out too"
        ],
    )


def test_an_advanced_sequence_of_nina_with_loops_in_loops() -> None:
    found = read(json.dumps(ADVANCED))
    assert (found.form, found.title, found.problems) == ("N.I.N.A.’s sequence", "Two nights", [])
    made = steps(found)
    assert [each["action"] for each in made[:2]] == ["go", "run"]
    assert made[0]["required_params"] == {"ra": 5.5, "dec": -0.5, "frame": "ICRS"}
    assert frames(made) == [*[(30, 1, "R", "2"), (40, 2, "G", "2")] * 3, (5, 7, "G", None)]
    assert "the sequence: not taken over: CoolCamera" in found.remarks
    assert "the sequence: not taken over: ParkScope" in found.remarks


def test_a_list_of_targets_takes_the_same_at_each() -> None:
    found = read("name,ra_hours,dec_degrees\nA,1,2\njupiter,,\n")
    common = [
        *sequence_steps.exposure_steps(Exposure(9, 2, "R"), "", manner()),
        *sequence_steps.exposure_steps(Exposure(8, 1, "V"), "", manner()),
    ]
    made = steps(found, common=common, rounds=2, focus="once")
    actions = [each["action"] for each in made]
    assert actions == ["go", "run", *["expose"] * 4, "go", *["expose"] * 4]
    assert [each["optional_params"]["object_name"] for each in made if each["action"] == "expose"] == (
        ["A"] * 4 + ["Jupiter"] * 4
    )
    assert made[6]["optional_params"]["object"] == "Jupiter"
    assert [each["action"] for each in steps(found, common=common, focus="each")].count("run") == 2


def test_filters_and_binnings_are_written_as_the_site_lists_them() -> None:
    said = {"camera/cam1": {"filters": ["RED", "B"], "binnings": [1, 2]}}
    made = steps(read(QUEUE), site=Abilities(Profile(code="wmd"), said))
    assert (made[0]["optional_params"]["filter"], made[0]["optional_params"]["bin"]) == ("RED", 2)


@pytest.mark.parametrize(
    "found",
    [
        "<SequenceQueue><Job><Exposure>1</Exposure><Count>900</Count><Delay>1</Delay></Job></SequenceQueue>",
        "name,ra_hours,dec_degrees\n" + "\n".join(f"F {number},1,2" for number in range(300)),
        json.dumps(
            node("SequenceRootContainer", node("SequentialContainer", takes("R", 1, 1), takes("G", 1, 1), loops=400))
        ),
    ],
)
def test_what_is_too_long_for_a_plan_is_refused_in_words(found: str) -> None:
    common = sequence_steps.exposure_steps(Exposure(9), "", manner())
    with pytest.raises(ValueError, match=r"a plan may have 500 steps.* part it"):
        steps(read(found), common=common)


def test_a_loop_of_one_exposure_that_comes_to_too_much_is_said_and_not_cut() -> None:
    whole = node("Container.SequenceRootContainer", takes("TakeExposure", 60, 1), loops=100_001)
    made = read(json.dumps(whole))
    assert made.entries == []
    assert made.problems == ["the sequence: a loop comes to more than 100,000 frames; part it"]


def test_of_two_files_of_one_name_neither_is_left_out_in_silence() -> None:
    with pytest.raises(ValueError, match="have the same name"):
        sequences.read({"a/s.esq": QUEUE.encode(), "b/s.esq": QUEUE.encode()})


def test_a_loop_without_end_is_a_problem_and_takes_no_memory() -> None:
    found = read(json.dumps(node("SequenceRootContainer", node("X", takes("R", 1, 1), takes("G", 1, 1), loops=10**9))))
    assert "a loop comes to more than 100,000 steps; part it" in found.problems[0]


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused_in_a_sentence(data: bytes) -> None:
    try:
        found = sequences.read({"a": data})
    except ValueError as error:
        found = Sequence(problems=[str(error)])
    assert found.entries or found.problems


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ("$type", "Items", "$values", "Conditions", "Target", "InputCoordinates", "Iterations", "Filter")
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=20,
    )
)
def test_any_json_is_read_or_refused_in_a_sentence(value: object) -> None:
    try:
        found = sequences.read({"a": json.dumps({"Items": value, "Target": value}).encode()})
    except ValueError as error:
        found = Sequence(problems=[str(error)])
    assert found.entries or found.problems
