"""Finds texts that people read and that no catalogue knows of: in templates, by what is drawn, and in scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from jinja2 import Environment, nodes

MARKS = ("_", "gettext", "ngettext", "command")
HUMAN_ATTRIBUTES = ("aria-label", "title", "placeholder", "alt")
UNITS = frozenset(
    (
        "UTC",
        "JSON",
        "CSV",
        "ULID",
        "LST",
        "Tab",
        "px",
        "jobs_server",
        "Python",
        "Gotify",
        "Webhook",
        ".ics",
        "RA",
        "deg",
        "dim",
    )
)
"""What is written the same in every language."""
EXAMPLES = (
    "field-message",
    "light dark",
    "Vera",
    "m31, NGC 7000, jupiter",
    "Wendelstein Dome",
    "L, R, G, B, Ha",
    "dome pc",
    "camera_1_1",
    "Europe/Berlin",
)
_LETTERS = re.compile(r"[A-Za-z]{2}")
_SENTENCE = re.compile(r"[A-Z][a-z]+( .+)?|[A-Za-z’'-]+( [A-Za-z’'-]+)+[.…]?")
_SILENT = ("script", "style", "code", "kbd", "pre")
_ATTRIBUTE = re.compile(r"([\w-]+)\s*=\s*[\"']?$")


class Reader:
    """Follows the HTML that a template writes, and says where in it the next piece stands."""

    def __init__(self) -> None:
        self.attribute = ""
        self._tag = ""
        self._silent = ""
        self._before = ""

    @property
    def is_read(self) -> bool:
        """Whether people read what stands here."""
        return not self._silent and (not self._tag or self.attribute in HUMAN_ATTRIBUTES)

    def reads(self, html: str) -> Iterator[str]:
        """Go on over a piece of HTML, and yield what people read of it."""
        for part in re.split(r"(<!--.*?-->|</?[a-zA-Z][\w-]*|[<>\"])", html):
            if self._tag:
                yield from self._in_a_tag(part)
            elif part.startswith("<") and len(part) > 1:
                self._tag, self._before, self.attribute = part, "", ""
            elif not self._silent:
                yield part

    def _in_a_tag(self, part: str) -> Iterator[str]:
        if part == '"':
            named = _ATTRIBUTE.search(self._before)
            self.attribute = "" if self.attribute else (named[1] if named else "")
            self._before = ""
        elif part == ">" and not self.attribute:
            name = self._tag.strip("</")
            is_end = self._tag.startswith("</")
            if name in _SILENT:
                self._silent = "" if is_end else name
            self._tag = ""
        elif self.attribute in HUMAN_ATTRIBUTES:
            yield part
        else:
            self._before = part


def in_template(source: str) -> list[str]:
    """Return the texts of a template that nothing translates."""
    environment = Environment(extensions=["jinja2.ext.i18n"], autoescape=True)
    tree, reader, found = environment.parse(_without_attributes_alone(source)), Reader(), list[str]()
    for node in _in_order(tree):
        if isinstance(node, nodes.TemplateData):
            found += reader.reads(node.data)
        elif isinstance(node, nodes.Expr) and reader.is_read:
            found += _written_by(node)
    found += [text for text in _constants(tree) if _SENTENCE.fullmatch(text)]
    return [text.strip() for text in found if _is_human(text)]


def _without_attributes_alone(source: str) -> str:
    """Leave out what stands outside of a tag only as this template sees it: attributes, and a class in a block."""
    source = re.sub(r"<!doctype[^>]*>|<\{\{.*?\}\} class=\"[^\"]*\">", "", source)
    source = re.sub(r"\{% block main_class %\}.*?\{% endblock %\}", "", source)
    source = re.sub(r"\{% macro described\(.*?endmacro %\}", "", source)
    return "" if re.match(r"(\{#.*?#\}\s*)*data-", source) else source


def in_script(path: Path) -> list[str]:
    """Return the texts of a script that nothing translates."""
    source = re.sub(r"^\s*//.*$|\s// .*$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    source = re.sub(r"\b(?:text|said)\(\s*\"(?:[^\"\\]|\\.)*\"", "", source)
    found = re.findall(r"\"((?:[^\"\\\n]|\\.)*)\"", source)
    found += [re.sub(r"\$\{[^{}]*\}", "", text) for text in re.findall(r"`([^`]*)`", source)]
    return [text for text in found if re.search(r"[A-Z][a-z]+ [a-z]+|[a-z]{2,} [a-z]{2,} [a-z]{2,}", text)]


def _is_human(text: str) -> bool:
    words = [word for word in re.split(r"[^\w.’'-]+", re.sub(r"&#?\w+;", " ", text)) if _LETTERS.search(word)]
    return bool(set(words) - UNITS) and not text.strip().startswith(EXAMPLES)


def _in_order(node: nodes.Node) -> Iterator[nodes.Node]:
    """Yield what a template writes, in the order in which it stands there."""
    for child in node.iter_child_nodes():
        if isinstance(child, nodes.Output):
            yield from child.nodes
        elif not isinstance(child, nodes.Expr):
            yield from _in_order(child)


def _written_by(node: nodes.Node) -> Iterator[str]:
    """Yield the constants that an expression may come to."""
    if isinstance(node, nodes.Const) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, nodes.CondExpr):
        yield from (text for each in (node.expr1, node.expr2) if each is not None for text in _written_by(each))
    elif isinstance(node, nodes.Or | nodes.And | nodes.Add):
        yield from (text for each in (node.left, node.right) for text in _written_by(each))
    elif isinstance(node, nodes.Concat):
        yield from (text for each in node.nodes for text in _written_by(each))


def _constants(node: nodes.Node) -> Iterator[str]:
    """Yield the constants of a template that stand in no mark, such as those that are given to a macro."""
    if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name) and node.node.name in MARKS:
        for each in node.kwargs:
            yield from _constants(each)
        return
    if isinstance(node, nodes.Compare):
        return  # with what is looked at, and not written
    if isinstance(node, nodes.Const) and isinstance(node.value, str):
        yield node.value
    for child in node.iter_child_nodes():
        yield from _constants(child)
