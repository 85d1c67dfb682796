"""XML with the lines on which its elements begin, so that what is wrong can be named by the line."""

from __future__ import annotations

import re
from typing import NamedTuple
from xml.etree import ElementTree as Tree
from xml.parsers import expat

_LOOSE = re.compile(r"&(?!#?\w{1,10};)")


class Document(NamedTuple):
    """What was parsed."""

    root: Tree.Element
    lines: dict[Tree.Element, int]

    def where(self, element: Tree.Element, name: str) -> str:
        """Return where an element stands, for people, such as line 12 (job 3)."""
        return f"line {self.lines[element]} ({name})"


def parsed(text: str) -> Document:
    """Parse XML; an ampersand that stands for itself, as Ekos writes it, is one. Raises ValueError with a sentence."""
    if re.search(r"<!(?:DOCTYPE|ENTITY)", text, re.IGNORECASE):
        raise ValueError("the XML defines things of its own (DOCTYPE), which no planning program does")
    declared = re.sub(r"^\s*<\?xml[^>]*\?>", lambda found: "\n" * found[0].count("\n"), text)
    builder, parser = Tree.TreeBuilder(), expat.ParserCreate()
    lines: dict[Tree.Element, int] = {}

    def begins(tag: str, attributes: dict[str, str]) -> None:
        lines[builder.start(tag, attributes)] = parser.CurrentLineNumber

    parser.StartElementHandler, parser.EndElementHandler = begins, builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(_LOOSE.sub("&amp;", declared), True)
        return Document(builder.close(), lines)
    except expat.ExpatError as error:
        raise ValueError(f"the file is no XML: {error}") from None
