"""Every text of the pages is marked, and every catalogue has all of them, translated, with the same places in it."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import read_mo
from flask import Flask

from jobs_server import errors
from jobs_server.web import languages, sentences

from ..support import marked
from ..support.servers import ROOT

TEMPLATES = sorted((ROOT / "jobs_server" / "web" / "templates" / "pages").glob("*.html"))
SCRIPTS = sorted((ROOT / "jobs_server" / "web" / "static").glob("*.js"))
OTHERS = [code for code in languages.LANGUAGES if code != "en"]
PLACES = re.compile(r"%\(\w+\)s|\{\w*\}|%%")


def tool() -> ModuleType:
    """The program that brings the catalogues up to date."""
    spec = importlib.util.spec_from_file_location("texts", ROOT / "tools" / "texts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TEXTS = tool()


@pytest.fixture(scope="module")
def wanted() -> Catalog:
    """All texts that are marked."""
    found = TEXTS.template()
    assert isinstance(found, Catalog)
    return found


def forms(message: Message) -> list[str]:
    """A translation in each of its plural forms."""
    return [message.string] if isinstance(message.string, str) else list(message.string or ())


def places(*texts: str) -> set[str]:
    """The places for values in texts."""
    return {place for text in texts for place in PLACES.findall(text)}


@pytest.mark.parametrize(
    "path", [path for path in TEMPLATES if path.name not in TEXTS.UNMARKED], ids=lambda path: path.name
)
def test_no_template_writes_a_text_that_is_not_marked(path: Path) -> None:
    assert marked.in_template(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "path", [path for path in SCRIPTS if not path.name.startswith("texts")], ids=lambda path: path.name
)
def test_no_script_writes_a_text_that_is_not_marked(path: Path) -> None:
    assert marked.in_script(path) == []


@pytest.mark.parametrize(
    "source",
    [
        "<p>The queue is empty.</p>",
        '<button aria-label="Move it up">↑</button>',
        '<input placeholder="none">',
        '<p>{{ "Signed in" if page.signed_in else "" }}</p>',
        '<h2>{% if many %}Pictures{% else %}{{ _("Picture") }}{% endif %}</h2>',
        '{% for key, label in (("a", "Time zone"),) %}{{ label }}{% endfor %}',
        '<a title="{{ name ~ " of the site" }}">x</a>',
        "<p>{% trans name %}by {{ name }}{% endtrans %} and others</p>",
    ],
)
def test_a_text_that_is_not_marked_is_found_wherever_a_template_has_it(source: str) -> None:
    assert marked.in_template(source) != []


def test_a_text_that_is_not_marked_is_found_in_a_script(tmp_path: Path) -> None:
    script = tmp_path / "some.js"
    for line in ('note("Nothing was sent.");', "note(`Sent to ${name} again`);", 'put("no job waited long");'):
        script.write_text(line)
        assert marked.in_script(script) != [], line
    script.write_text('note(text("Nothing was sent."));')
    assert marked.in_script(script) == []


@pytest.mark.parametrize("code", OTHERS)
def test_a_catalogue_has_every_text_and_nothing_else(code: str, wanted: Catalog) -> None:
    catalogue = TEXTS.read(code)
    missing = [message.id for message in wanted if message.id and catalogue.get(message.id, message.context) is None]
    unused = [message.id for message in catalogue if message.id and wanted.get(message.id, message.context) is None]
    assert (missing, unused) == ([], []), "run tools/texts.py"


@pytest.mark.parametrize("code", OTHERS)
def test_every_text_is_translated_and_looked_at(code: str) -> None:
    assert [message.id for message in TEXTS.untranslated(TEXTS.read(code))] == []


def test_no_catalogue_has_what_another_language_says() -> None:
    """Of Spanish texts, two dozen were German."""
    said: dict[tuple[object, str | None], set[str]] = {}
    alike = []
    for code in OTHERS:
        for message in TEXTS.read(code):
            known = said.setdefault((message.id, message.context), set())
            for text in set(forms(message)) - set(forms(Message(message.id, message.id))):
                if " " in text and text in known:
                    alike.append((code, text))
                known.add(text)
    assert alike == []


@pytest.mark.parametrize("code", OTHERS)
def test_a_translation_has_the_places_of_its_text(code: str) -> None:
    for message in TEXTS.read(code):
        if not message.id:
            continue
        english = [message.id] if isinstance(message.id, str) else list(message.id)
        for said in forms(message):
            assert places(said) <= places(*english), (message.id, said)
            assert places(*english[:1]) <= places(said), (message.id, said)
            assert re.findall(r"</?\w+", said) == re.findall(r"</?\w+", english[0]), (message.id, said)
        assert places(*english) == places(*forms(message)), message.id


@pytest.mark.parametrize("code", OTHERS)
def test_what_is_shipped_was_made_of_the_catalogue(code: str) -> None:
    catalogue = TEXTS.read(code)
    with (TEXTS.FOLDER / code / "LC_MESSAGES" / "messages.mo").open("rb") as file:
        shipped = read_mo(file)
    for message in catalogue:
        if message.id:
            found = shipped.get(message.id, message.context)
            assert found is not None, message.id
            assert forms(found) == forms(message), message.id
    script = (TEXTS.STATIC / f"texts.{code}.js").read_text(encoding="utf-8")
    assert script == TEXTS.script_texts(catalogue), "run tools/texts.py"


def test_there_is_a_catalogue_for_each_language_of_the_menu() -> None:
    assert TEXTS.codes() == sorted(OTHERS)
    assert TEXTS.WIRE == languages.WIRE


def test_every_kind_of_refusal_has_its_title_in_the_catalogues(app: Flask) -> None:
    kinds, waiting = set[type[errors.JobsError]](), [errors.JobsError]
    while waiting:
        kind = waiting.pop()
        kinds.add(kind)
        waiting += kind.__subclasses__()
    titles = {kind("").title for kind in kinds if kind.__module__ == errors.__name__}
    assert titles == set(sentences.TITLES)
    with app.app_context():
        assert all(languages.language("de").text(title) != title for title in titles)


def test_a_known_sentence_is_one_that_the_service_writes() -> None:
    """A sentence that is changed where it is written is changed among the known ones too."""
    written = " ".join(
        re.sub(r"[\"']\s*\n\s*f?[\"']", "", path.read_text(encoding="utf-8"))
        for path in sorted((ROOT / "jobs_server").rglob("*.py"))
        if path.name != "sentences.py"
    )
    for pattern in sentences.PATTERNS:
        parts = [part for part in re.split(r"%\(\w+\)s|(?<=\?) |^(?:From|Until) ", pattern) if len(part.split()) > 3]
        assert all(part.strip(" ;:,") in written for part in parts), pattern
