"""The texts of a page in the language of whoever asks for the page, for templates and for what the pages' code writes.

A percent sign is written `%%` in every text, since values go into texts by `%(name)s`.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from flask import Flask
from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame
from markupsafe import Markup

from ..domain.language import ENGLISH, Language, marked
from . import sentences
from .context import page

_STATUSES = frozenset((marked("RECEIVED"), marked("CANCELED"), marked("EXPIRED"), marked("LOST")))
"""Statuses that this service puts; all others are the site's own words."""
SHOWN_BY_KEY = (
    *(marked("done"), marked("failed"), marked("canceled"), marked("expired"), marked("lost")),
    *(marked("waiting"), marked("unfinished"), marked("running"), marked("paused"), marked("stopped")),
    *(marked("moved"), marked("edited"), marked("Light"), marked("Dark"), marked("Night")),
    *(marked("Sun"), marked("Moon"), marked("target"), marked("Device"), marked("Instance"), marked("Action")),
    *(marked("Temperature"), marked("Humidity"), marked("Wind"), marked("Focus"), marked("Camera temperature")),
    *(marked("site time"), marked("at the site")),
)
"""What templates look up by a key of the data: how jobs came out, themes, marks, what is drawn and measured."""


def gettext(text: str, **values: object) -> str:
    """Return what stands for an English text in the page's language, with values in the place of `%(name)s`."""
    return page().language.text(text, **values)


def ngettext(one: str, many: str, num: int, **values: object) -> str:
    """Return what stands for an English text about one or several things; `%(num)s` is how many."""
    return page().language.count(one, many, num, **values)


def said(sentence: str) -> str:
    """Return a sentence of the service in the page's language."""
    return sentences.said(sentence, page().language)


def named(name: str) -> str:
    """Return a name of the wire, of a device, an action or a parameter, as people read it."""
    return page().language.named(name.replace("_", " "))


def noted(notes: Iterable[str]) -> str:
    """Return what is noted of a field, its notes one after the other."""
    return ". ".join(page().language.text(note.replace("%", "%%")) for note in notes)


def status_word(status: str) -> str:
    """Return a status as people read it: what a site says stays as it is."""
    return gettext(status) if status in _STATUSES else status


def in_a_sentence(line: str) -> str:
    """Return a job's line as it stands inside of a sentence; in German nouns keep their capitals."""
    language = page().language
    if language is ENGLISH:
        return line.lower()
    return line if language.code == "de" else line[:1].lower() + line[1:]


def first_upper(text: str) -> str:
    """Return a text with a capital at its beginning."""
    return text[:1].upper() + text[1:]


def install(app: Flask) -> None:
    """Let templates mark their texts by `_()`, `gettext()` and `{% trans %}`; each is looked up at each rendering."""
    environment = app.jinja_env
    environment.code_generator_class = LookingUp
    environment.add_extension("jinja2.ext.i18n")
    environment.policies["ext.i18n.trimmed"] = True
    environment.newstyle_gettext = True  # type: ignore[attr-defined]  # values go into a text as they do here
    environment.globals |= {each.__name__: each for each in (said, named, noted, status_word, in_a_sentence)}
    environment.globals |= {"_": _OfThePage(), "gettext": _OfThePage(), "ngettext": _counted}
    environment.filters |= {each.__name__: each for each in (said, named, first_upper)}


class LookingUp(CodeGenerator):
    """Compiles a text without values to a look-up: there are over a hundred on a page, and calls cost more."""

    def visit_Call(  # noqa: N802  # as Jinja calls it
        self, node: nodes.Call, frame: Frame, forward_caller: bool = False
    ) -> None:
        """Write `_["Queue"]` for `_("Queue")`."""
        text = node.args[0] if len(node.args) == 1 and not (node.kwargs or node.dyn_args or node.dyn_kwargs) else None
        is_mark = isinstance(node.node, nodes.Name) and node.node.name in ("_", "gettext")
        if is_mark and isinstance(text, nodes.Const):
            self.visit(node.node, frame)
            self.write(f"[{text.value!r}]")
        else:
            super().visit_Call(node, frame, forward_caller=forward_caller)


class TemplateTexts(dict[str, Markup]):
    """The texts of one language as templates write them, with their tags; what was looked up is kept."""

    def __init__(self, language: Language) -> None:
        super().__init__()
        self._language = language
        self._patterns: dict[str, Markup] = {}

    def __missing__(self, text: str) -> Markup:
        self[text] = found = self._pattern(text) % ()
        return found

    def __call__(self, text: str, **values: object) -> Markup:
        """Return what stands for an English text, with values, escaped, in their places."""
        return self._pattern(text) % values if values else self[text]

    def ngettext(self, one: str, many: str, num: int, **values: object) -> Markup:
        """Return what stands for an English text about one or several things."""
        return Markup(self._language.ngettext(one, many, num)) % {"num": num, **values}  # noqa: S704  # of the catalogues

    def _pattern(self, text: str) -> Markup:
        if (found := self._patterns.get(text)) is None:
            found = self._patterns[text] = Markup(self._language.gettext(text))  # noqa: S704  # of the catalogues
        return found


@cache
def template_texts(language: Language) -> TemplateTexts:
    """Return the texts of a language for templates."""
    return TemplateTexts(language)


class _OfThePage:
    """The texts of the page's language, for macros that are imported without their context."""

    def __getitem__(self, text: str) -> Markup:
        return template_texts(page().language)[text]

    def __call__(self, text: str, **values: object) -> Markup:
        return template_texts(page().language)(text, **values)


def _counted(one: str, many: str, num: int, **values: object) -> Markup:
    return template_texts(page().language).ngettext(one, many, num, **values)
