"""Templates are compiled once for all starts, and none is ever shown that is not of its source."""

from __future__ import annotations

from pathlib import Path

import jinja2
import pytest
from flask import Flask

from jobs_server.web.compiled_templates import FOLDER, CompiledTemplates

from ..conftest import inside


def environment(folder: Path, source: str) -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.DictLoader({"page.html": source}), bytecode_cache=CompiledTemplates(folder), autoescape=True
    )


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> str:
        raise AssertionError("a template was compiled")

    monkeypatch.setattr(jinja2.Environment, "_generate", fail)


def test_a_second_start_compiles_nothing(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    folder = tmp_path / FOLDER
    assert environment(folder, "{{ 1 + 1 }}").get_template("page.html").render() == "2"
    request.getfixturevalue("no_compiler")
    assert environment(folder, "{{ 1 + 1 }}").get_template("page.html").render() == "2"


def test_a_changed_template_is_compiled_anew_in_the_same_file(tmp_path: Path) -> None:
    folder = tmp_path / FOLDER
    assert environment(folder, "before").get_template("page.html").render() == "before"
    assert environment(folder, "after").get_template("page.html").render() == "after"
    assert len(list(folder.iterdir())) == 1


def test_another_jinja_compiles_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / FOLDER
    environment(folder, "same").get_template("page.html")
    (file,) = folder.iterdir()
    before = file.read_bytes()
    monkeypatch.setattr(jinja2, "__version__", "9.9")
    assert environment(folder, "same").get_template("page.html").render() == "same"
    assert file.read_bytes() != before


@pytest.mark.parametrize("kept", [10, 80, 0])
def test_a_file_that_was_cut_is_written_anew(tmp_path: Path, kept: int) -> None:
    folder = tmp_path / FOLDER
    environment(folder, "{{ 1 + 1 }} whole").get_template("page.html")
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:kept])
    assert environment(folder, "{{ 1 + 1 }} whole").get_template("page.html").render() == "2 whole"
    assert file.read_bytes() == whole


def test_pages_are_shown_where_nothing_can_be_kept(tmp_path: Path) -> None:
    (tmp_path / FOLDER).write_text("a file is in the way")
    assert environment(tmp_path / FOLDER, "shown").get_template("page.html").render() == "shown"
    assert environment(tmp_path / "not there" / FOLDER, "shown").get_template("page.html").render() == "shown"
    assert [path.name for path in tmp_path.iterdir()] == [FOLDER]


def test_the_page_now_is_compiled_once(file_app: Flask, request: pytest.FixtureRequest) -> None:
    site = inside(file_app).site
    assert file_app.test_client().get(f"/?site={site}").status_code == 200
    request.getfixturevalue("no_compiler")
    file_app.jinja_env.cache.clear()  # type: ignore[union-attr]
    assert file_app.test_client().get(f"/?site={site}").status_code == 200
