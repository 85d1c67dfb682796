"""What came of a job: said with reports, merged key by key, kept with the job and its history, and never lost late."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from jobs_server.jobs import events
from jobs_server.service import service_of
from jobs_server.upkeep import archive, retention

from ..conftest import inside
from ..support.clocks import Clocks
from ..support.observatory import Observatory


def whole(desk: Observatory, job: dict[str, Any]) -> Any:
    return desk.shows(job).get("result")


def test_results_are_merged_key_by_key_and_the_history_has_each(desk: Observatory) -> None:
    job = desk.sends()
    assert "result" not in desk.shows(job)
    assert desk.reports(job, "EXPOSING", result={"frames": 1, "files": ["a.fits"], "ra": 2**70}).status == 200
    assert desk.reports(job, "READING").status == 200
    assert desk.reports(job, "COMPLETE", result={"frames": 2, "fwhm_arcsec": 2.1}).status == 200
    assert whole(desk, job) == {"frames": 2, "files": ["a.fits"], "ra": 2**70, "fwhm_arcsec": 2.1}
    steps = [step.get("result") for step in desk.shows(job)["history"]]
    assert steps == [None, {"frames": 1, "files": ["a.fits"], "ra": 2**70}, None, {"frames": 2, "fwhm_arcsec": 2.1}]


def test_a_retry_of_the_end_makes_no_second_step_and_one_that_says_more_is_kept(desk: Observatory) -> None:
    job = desk.sends()
    for _ in range(2):
        assert desk.reports(job, "COMPLETE", result={"frames": 2}).status == 200
    assert len(desk.shows(job)["history"]) == 2
    assert desk.reports(job, "COMPLETE", result={"fwhm_arcsec": 2.1}).status == 200
    assert whole(desk, job) == {"frames": 2, "fwhm_arcsec": 2.1}
    assert [step["to"] for step in desk.shows(job)["history"]] == ["UNREAD", "COMPLETE", "COMPLETE"]
    assert desk.reports(job, "FAILED", result={"frames": 0}).status == 409
    assert whole(desk, job) == {"frames": 2, "fwhm_arcsec": 2.1}


@pytest.mark.parametrize("result", [1, "m31.fits", [], True, [{}]])
def test_what_is_no_object_is_refused_and_changes_nothing(desk: Observatory, result: object) -> None:
    job = desk.sends()
    refusal = desk.reports(job, "COMPLETE", result=result)
    assert (refusal.status, refusal.text) == (400, "Error: result must be an object of at most 16 KiB")
    assert desk.status(job) == "UNREAD"


def test_one_larger_than_16_kib_is_refused_and_changes_nothing(desk: Observatory) -> None:
    job = desk.sends()
    refusal = desk.reports(job, "COMPLETE", result={"text": "x" * 16 * 1024})
    assert (refusal.status, "at most 16 KiB" in refusal.text) == (400, True)
    assert desk.status(job) == "UNREAD"


def test_all_results_of_a_job_together_are_bounded(desk: Observatory) -> None:
    job = desk.sends()
    statuses = [desk.reports(job, "EXPOSING", result={f"k{number}": "x" * 16_000}).status for number in range(5)]
    assert statuses == [200, 200, 200, 200, 400]
    assert desk.reports(job, "COMPLETE", result={"k0": "short", "k9": "x" * 9_000}).status == 200


@pytest.mark.parametrize("text", ["\0", "\U0001f600", "é" * 100, '"}],"'])
def test_any_text_comes_back(desk: Observatory, text: str) -> None:
    job = desk.sends()
    assert desk.reports(job, "COMPLETE", result={text: [text, None]}).status == 200
    assert whole(desk, job) == {text: [text, None]}


def test_a_stream_tells_what_had_come_by_each_step(app: Flask) -> None:
    desk = inside(app)
    other, job = desk.sends(), desk.sends()
    desk.reports(job, "EXPOSING", result={"frames": 1})
    desk.reports(job, "READING")
    desk.reports(other, "EXPOSING")
    desk.reports(job, "COMPLETE", result={"frames": 2})
    with service_of(app).database.reading() as connection:
        for site in (None, "wmd"):
            found, _ = events.after(connection, 0, 100, site)
            told = [each.result and json.loads(each.result) for each in found if each.job.ulid == job["ulid"]]
            assert told == [None, {"frames": 1}, {"frames": 1}, {"frames": 2}]
            assert all(each.result is None for each in found if each.job.ulid == other["ulid"])


def test_a_long_history_has_it_too(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = inside(app)
    job = desk.sends()
    desk.reports(job, "EXPOSING", result={"first": 1})
    for _ in range(1200):
        desk.reports(job, "EXPOSING")
    desk.reports(job, "COMPLETE", result={"last": 2})
    assert len(desk.shows(job)["history"]) == 1203
    assert whole(desk, job) == {"first": 1, "last": 2}


def test_pruned_and_read_back_it_is_there(app: Flask, clocks: Clocks, tmp_path: Path) -> None:
    desk, database = inside(app), service_of(app).database
    job = desk.sends()
    desk.reports(job, "COMPLETE", result={"frames": 2})
    clocks.pass_by(3 * 24 * 3600)
    pruned = retention.prune(database, clocks.now.wall_ms - 24 * 3600 * 1000, tmp_path)
    assert (pruned.jobs, pruned.file is not None) == (1, True)
    assert pruned.file
    line = json.loads(gzip.decompress(pruned.file.read_bytes()))
    spoilt = json.loads(json.dumps(line))
    spoilt["events"][1]["result"] = "[]"
    (tmp_path / "spoilt.jsonl").write_text(json.dumps(spoilt))
    assert archive.read_back(database, tmp_path / "spoilt.jsonl", clocks.now.wall_ms).faults
    assert archive.read_back(database, pruned.file, clocks.now.wall_ms).added == 1
    assert whole(desk, job) == {"frames": 2}


def test_a_line_of_before_there_were_results_is_read(app: Flask, clocks: Clocks, tmp_path: Path) -> None:
    desk, database = inside(app), service_of(app).database
    desk.reports(desk.sends(), "COMPLETE")
    clocks.pass_by(3 * 24 * 3600)
    pruned = retention.prune(database, clocks.now.wall_ms - 24 * 3600 * 1000, tmp_path)
    assert pruned.file
    line = json.loads(gzip.decompress(pruned.file.read_bytes()))
    for event in line["events"]:
        for name in archive.ADDED_TO_EVENTS:
            del event[name]
    (tmp_path / "old.jsonl").write_text(json.dumps(line))
    told = archive.read_back(database, tmp_path / "old.jsonl", clocks.now.wall_ms)
    assert (told.added, told.faults) == (1, [])
