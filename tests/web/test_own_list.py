"""A site's own list on the page Site: added to, taken off, brought in from planning programs, and taken out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from ..support import databases
from ..support.commands import run

LIST = "name,ra_hours,dec_degrees\nField 7,12.5,-0.5\nField 8,24.5,1\n"


@pytest.fixture
def browser(app: Flask) -> FlaskClient:
    return app.test_client()


def saves(browser: FlaskClient, **form: str) -> int:
    return browser.post("/act/save-target", data={"site": "wmd", **form}).status_code


def brings_in(browser: FlaskClient, data: bytes, name: str = "list.csv") -> tuple[int, str]:
    head = f'--x\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    body = head.encode() + data + b"\r\n--x--\r\n"
    reply = browser.post("/act/import-targets?site=wmd", data=body, content_type="multipart/form-data; boundary=x")
    return reply.status_code, reply.text


def listed(browser: FlaskClient) -> list[str]:
    return [each["name"] for each in browser.get("/jobs/targets?site=wmd").json or []]


def test_a_target_is_saved_with_a_pasted_pair_or_a_known_name_and_deleted(browser: FlaskClient) -> None:
    assert saves(browser, name="Field 7", where="12h30m -0\u00b030\u2032", note="ours") == 303
    assert saves(browser, name="jupiter") == 303
    page = browser.get("/settings?site=wmd").text
    assert "12h 30m 00.0s -00\u00b0 30\u2032 00\u2033" in page
    assert "looked up by its name" in page
    assert browser.post("/act/delete-target", data={"site": "wmd", "name": "Field 7"}).status_code == 303
    assert listed(browser) == ["jupiter"]


@pytest.mark.parametrize(
    "form",
    [
        {"name": ""},
        {"name": "x" * 101, "where": "1 2 3 +4 5 6"},
        {"name": "Field", "where": "1 2 3"},
        {"name": "Field", "where": "10.5 +40.1"},
        {"name": "no such thing"},
    ],
)
def test_what_cannot_be_saved_is_refused(browser: FlaskClient, form: dict[str, str]) -> None:
    assert saves(browser, **form) in (400, 404)
    assert listed(browser) == []


def test_a_list_comes_in_and_what_is_not_understood_is_said_line_by_line(browser: FlaskClient) -> None:
    status, page = brings_in(browser, LIST.encode())
    assert status == 200
    assert "CSV: 1 target is in the list. This is to be said:" in page
    assert "line 3: Field 8 has the right ascension 24.5 h" in page
    assert listed(browser) == ["Field 7"]


def test_a_list_of_ten_thousand_comes_in_whole(browser: FlaskClient) -> None:
    rows = "\n".join(f"Field {number} of a survey of ours,{number % 24},{number % 90}" for number in range(10_000))
    status, page = brings_in(browser, f"name,ra_hours,dec_degrees\n{rows}\n".encode())
    assert (status, "10000 targets are in the list." in page) == (200, True)
    assert "The first 100 by name" in page
    assert browser.get("/own-targets.csv?site=wmd").text.count("\n") == 10_001


def test_what_is_no_list_and_what_is_too_large_is_refused(browser: FlaskClient) -> None:
    status, page = brings_in(browser, b'{"a": 1}', "x.json")
    assert (status, "the JSON is no list of Stellarium" in page) == (400, True)
    assert brings_in(browser, b'{"observingLists": {' + b" " * 50_000_000 + b"}}")[0] == 413
    assert browser.post("/act/import-targets?site=wmd").status_code == 400
    assert listed(browser) == []


def test_a_list_goes_out_as_csv_and_for_stellarium_and_comes_back(browser: FlaskClient) -> None:
    brings_in(browser, LIST.encode())
    saves(browser, name="jupiter")
    for path in ("/own-targets.csv", "/own-targets.sol"):
        reply = browser.get(f"{path}?site=wmd")
        assert reply.headers["Content-Disposition"].startswith("attachment; filename=targets-wmd")
        for name in listed(browser):
            browser.post("/jobs/deletetarget", json={"site": "wmd", "name": name})
        assert brings_in(browser, reply.data)[0] == 200
        assert listed(browser) == ["Field 7", "Jupiter"]
    assert json.loads(browser.get("/own-targets.sol?site=wmd").text)["shortName"] == "Observing list for Stellarium"


def test_a_list_comes_in_and_goes_out_at_a_terminal(tmp_path: Path) -> None:
    from jobs_server import create_app
    from jobs_server.upkeep import startup

    startup.prepare(create_app(databases.at(tmp_path)))
    (tmp_path / "list.csv").write_text(LIST)
    site = ("--site", "wmd")
    tried = run(tmp_path, "targets", "import", "--dry-run", str(tmp_path / "list.csv"), *site)
    assert "1 targets would come into the list of wmd, 1 remarks" in tried.stdout
    assert run(tmp_path, "targets", "list", *site).stdout == ""
    done = run(tmp_path, "targets", "import", str(tmp_path / "list.csv"), *site)
    assert "line 3: Field 8" in done.stderr
    assert run(tmp_path, "targets", "list", *site).stdout.startswith("Field 7")
    out = tmp_path / "out.sol"
    assert run(tmp_path, "targets", "export", "--stellarium", str(out), *site).returncode == 0
    assert json.loads(out.read_text())["version"] == "2.1"
    assert "Field 7" in run(tmp_path, "targets", "export", *site).stdout
    (tmp_path / "odd.json").write_text("{")
    assert run(tmp_path, "targets", "import", str(tmp_path / "odd.json"), *site).returncode == 1
