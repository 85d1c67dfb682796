"""Bring the catalogues of the pages' texts up to date: what is marked goes in, what is used no more goes out.

    python tools/texts.py             all languages: the .po files, the .mo files and the scripts' texts made of them
    python tools/texts.py --check     only say what is missing; 1 when anything is
    python tools/texts.py --add fr    begin a catalogue, with nothing translated yet

What is missing stands in `jobs_server/web/translations/CODE/LC_MESSAGES/messages.po` with an empty `msgstr`.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from babel.numbers import get_decimal_symbol

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "jobs_server"
FOLDER = PACKAGE / "web" / "translations"
STATIC = PACKAGE / "web" / "static"
WIRE = "wire"
"""The context of names of the wire, as `jobs_server.web.languages` has it."""
UNMARKED = ("docs.html", "unchanged.html")
"""Templates in English alone: the wire's own documentation, and what no person sees."""
_MARKS: dict[str, Any] = {"marked": None, "gettext": None, "ngettext": (1, 2)}
_OF_LANGUAGES: dict[str, Any] = {"text": None, "count": (1, 2)}
_IN_TEMPLATES: dict[str, Any] = {"_": None, "gettext": None, "ngettext": (1, 2)}
_IN_SCRIPTS: dict[str, Any] = {"text": None, "said": None}
_TEMPLATE_OPTIONS = {"trimmed": "true", "trim_blocks": "true", "lstrip_blocks": "true"}
_BEGUN = datetime(2026, 11, 30, tzinfo=UTC)

Text = str | tuple[str, ...]


def in_code() -> Iterator[Text]:
    """Yield what Python marks: `marked` and `gettext` anywhere, a language's own methods where pages are written."""
    for path in sorted(PACKAGE.rglob("*.py")):
        writes_pages = path.parent.name == "web" or path.name == "describe.py"
        keywords = _MARKS | (_OF_LANGUAGES if writes_pages and path.name != "texts.py" else {})
        yield from _extracted("python", path, keywords)


def in_templates() -> Iterator[Text]:
    """Yield what templates mark by `_()` and `{% trans %}`."""
    for path in sorted((PACKAGE / "web" / "templates" / "pages").glob("*.html")):
        if path.name not in UNMARKED:
            yield from _extracted("jinja2.ext:babel_extract", path, _IN_TEMPLATES, _TEMPLATE_OPTIONS)


def in_scripts() -> Iterator[str]:
    """Yield what scripts mark."""
    for path in sorted(STATIC.glob("*.js")):
        if path.name != "texts.js" and not path.name.startswith("texts."):
            yield from (text for text in _extracted("javascript", path, _IN_SCRIPTS) if isinstance(text, str))


def of_devices() -> Iterator[str]:
    """Yield what the catalogue of devices says to people: notes of parameters, and risks."""
    catalogue = _devices()
    yield from (risk["sentence"] for risk in catalogue["risks"])
    yield from (spec["note"] for _, spec in _parameters(catalogue) if spec.get("note"))


def wire_names() -> Iterator[str]:
    """Yield the names of the wire that people read: devices, actions, parameters, kinds of objects."""
    catalogue = _devices()
    yield from catalogue["devices"]
    yield from (action for device in catalogue["devices"].values() for action in device.get("actions", {}))
    yield from (key for key, _ in _parameters(catalogue))
    yield from ("telescope", "dome", "roof", "weather", "safety monitor", "observing conditions", "guider")
    lines = (PACKAGE / "observatory" / "sky_objects.txt").read_text(encoding="utf-8").splitlines()
    yield from (line.split("|")[1] for line in lines if line.count("|") >= 3)
    yield from ("sun", "moon", "planet", "dwarf planet")


def template() -> Catalog:
    """Return all texts, untranslated."""
    found = Catalog(creation_date=_BEGUN)
    for text in (*in_code(), *in_templates(), *in_scripts(), *of_devices()):
        found.add(text)
    for name in wire_names():
        found.add(name.replace("_", " ").strip(), context=WIRE)
    return found


def read(code: str) -> Catalog:
    """Return a language's catalogue as it is written."""
    with (FOLDER / code / "LC_MESSAGES" / "messages.po").open("rb") as file:
        return read_po(file, locale=code)


def codes() -> list[str]:
    """Return the languages that have a catalogue."""
    return sorted(path.name for path in FOLDER.iterdir() if path.is_dir())


def untranslated(catalogue: Catalog) -> list[Message]:
    """Return the messages of a catalogue that say nothing yet, or that nobody has looked at."""
    return [message for message in catalogue if message.id and (message.fuzzy or not _is_full(message))]


def updated(code: str, texts: Catalog) -> Catalog:
    """Return a language's catalogue with these texts, and none beside them."""
    catalogue = read(code)
    catalogue.update(texts, no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    return catalogue


def script_texts(catalogue: Catalog) -> str:
    """Return the module that gives scripts the texts of a language."""
    wanted = sorted(set(in_scripts()))
    said = {text: message.string for text in wanted if (message := catalogue.get(text)) and message.string}
    whole = {"point": get_decimal_symbol(catalogue.locale), "texts": said}
    return f"// Made by tools/texts.py.\nexport default {json.dumps(whole, ensure_ascii=False, indent=2)};\n"


def write(code: str, catalogue: Catalog) -> None:
    """Write a language's catalogue and what is made of it."""
    folder = FOLDER / code / "LC_MESSAGES"
    folder.mkdir(parents=True, exist_ok=True)
    catalogue.revision_date = _BEGUN
    catalogue.header_comment = f"# {catalogue.locale.english_name}: translate here, then run tools/texts.py."
    catalogue.msgid_bugs_address = catalogue.version = ""
    catalogue.last_translator = catalogue.language_team = "jobs_server"
    text, compiled = io.BytesIO(), io.BytesIO()
    write_po(text, catalogue, width=110, no_location=True, sort_output=True, ignore_obsolete=True)
    write_mo(compiled, catalogue)
    (folder / "messages.po").write_bytes(text.getvalue())
    (folder / "messages.mo").write_bytes(compiled.getvalue())
    (STATIC / f"texts.{code}.js").write_text(script_texts(catalogue), encoding="utf-8")


def main() -> int:
    """Do what the command line asks."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only say what is missing")
    parser.add_argument("--add", metavar="CODE", help="begin a catalogue for another language")
    asked = parser.parse_args()
    if asked.add:
        write(asked.add, Catalog(locale=asked.add, project="jobs_server", creation_date=_BEGUN))
    texts, missing = template(), 0
    for code in codes():
        catalogue = updated(code, texts)
        blank = untranslated(catalogue)
        missing += len(blank)
        print(f"{code}: {len(catalogue)} texts, {len(blank)} without a translation")
        if asked.check:
            print(*(f"  {message.id}" for message in blank), sep="\n")
        else:
            write(code, catalogue)
    return 1 if asked.check and missing else 0


def _is_full(message: Message) -> bool:
    return bool(message.string) and (isinstance(message.string, str) or all(message.string))


def _extracted(
    method: str, path: Path, keywords: dict[str, Any], options: dict[str, str] | None = None
) -> Iterator[Text]:
    with path.open("rb") as file:
        for _, text, *_ in extract(method, file, keywords, options=options or {}):
            yield text if isinstance(text, str) else tuple(text)


def _devices() -> dict[str, Any]:
    text = (PACKAGE / "observatory" / "catalogue.json").read_text(encoding="utf-8")
    whole: dict[str, Any] = json.loads(text)
    return whole


def _parameters(catalogue: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for device in catalogue["devices"].values():
        for action in device.get("actions", {}).values():
            groups = [action.get(name, {}) for name in ("required_params", "optional_params")]
            groups += [script.get("params", {}) for script in action.get("scripts", {}).values()]
            for group in groups:
                yield from group.items()


if __name__ == "__main__":
    sys.exit(main())
