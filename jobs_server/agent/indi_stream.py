"""The XML of INDI, read piece by piece from a stream that never ends, within bounds.

Expat reads; a BLOB is decoded as it comes, so that one copy of it is in memory. The bounds stand against servers that
are none: what has no end, what is nested, and what is no XML at all is a `BadStream`.
"""

from __future__ import annotations

import binascii
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from xml.parsers import expat

ELEMENT_CHARACTERS = 1 << 20  # of all texts and attributes of one message, BLOBs excepted
TOKEN_BYTES = 1 << 20  # of one tag, which expat keeps until it ends
MEMBERS = 4096
TAGS = 256  # different names of tags; expat keeps each for ever
BLOB_BYTES = 1 << 30
_BUFFER = 1 << 20
_BLANKS = b" \t\r\n"
_DECLARATION = re.compile(rb"<\?xml[^<>]{0,200}\?>")
_DECLARATION_BYTES = 256


class BadStream(Exception):
    """What came is no INDI, or beyond the bounds."""


@dataclass
class Member:
    """One member of a message: its attributes, and its text, or the bytes of a BLOB."""

    attributes: dict[str, str]
    text: str = ""
    data: bytearray | None = None


@dataclass
class Element:
    """One message: the tag, its attributes and its members."""

    tag: str
    attributes: dict[str, str]
    members: list[Member] = field(default_factory=list)


class Base64Sink:
    """Decodes base64 as it comes, in pieces of any length."""

    def __init__(self, limit: int = BLOB_BYTES) -> None:
        """Take the most bytes that a BLOB may have."""
        self.data = bytearray()
        self._rest = b""
        self._limit = limit

    def feed(self, text: bytes) -> None:
        """Decode a piece; raise BadStream when it is no base64 or too much."""
        if not text.isascii():
            raise BadStream("a BLOB is no base64: it has other letters")
        clean = self._rest + text.translate(None, _BLANKS)
        whole = len(clean) // 4 * 4
        self._rest = clean[whole:]
        try:
            self.data += binascii.a2b_base64(memoryview(clean)[:whole])
        except binascii.Error as error:
            raise BadStream(f"a BLOB is no base64: {error}") from error
        if len(self.data) > self._limit:
            raise BadStream(f"a BLOB is larger than {self._limit} bytes")

    def end(self) -> bytearray:
        """Return what was decoded; raise BadStream when the text broke off inside a group of four."""
        if self._rest:
            raise BadStream("a BLOB broke off in the middle")
        return self.data


def inflated(data: bytearray, limit: int = BLOB_BYTES) -> bytearray:
    """Return what a zlib stream holds; raise BadStream when it is broken or holds more than the limit."""
    unpacking, whole, rest = zlib.decompressobj(), bytearray(), memoryview(data)
    try:
        while rest and not unpacking.eof:
            piece, rest = rest[:_BUFFER], rest[_BUFFER:]
            whole += unpacking.decompress(piece, limit + 1 - len(whole))
            if len(whole) > limit:
                raise BadStream(f"a compressed BLOB holds more than {limit} bytes")
    except zlib.error as error:
        raise BadStream(f"a compressed BLOB is broken: {error}") from error
    if not unpacking.eof:
        raise BadStream("a compressed BLOB broke off")
    return whole


class IndiStream:
    """Reads messages out of bytes; calls `on_element` with each whole one."""

    def __init__(
        self, on_element: Callable[[Element], None], *, wants_blobs: bool = False, blob_limit: int = BLOB_BYTES
    ) -> None:
        """Begin a stream; BLOBs that are not wanted are dropped as they come."""
        self._on_element, self._wants_blobs, self._blob_limit = on_element, wants_blobs, blob_limit
        self._element: Element | None = None
        self._member: Member | None = None
        self._sink: Base64Sink | None = None
        self._texts: list[str] = []
        self._depth = self._characters = self._unended = 0
        self._tags: set[str] = set()
        self._held = b""
        self._tag_begun = False
        """Whether a tag or the like began inside a BLOB's text: expat alone knows where the text goes on."""
        self._parser = expat.ParserCreate()
        self._parser.buffer_size, self._parser.buffer_text = _BUFFER, True
        self._parser.StartElementHandler = self._begin
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._take
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._parser.Parse(b"<stream>", False)  # a stream of messages has no root of its own

    def feed(self, data: bytes | memoryview) -> None:
        """Read on; raise BadStream when it is no INDI or beyond the bounds."""
        rest = self._after_blob(bytes(data))
        self._unended += len(rest)
        try:
            self._parser.Parse(self._without_declarations(rest), False)
        except expat.ExpatError as error:
            raise BadStream(f"this is no INDI: {error}") from error
        self._tag_begun |= bool(self._held) or _may_be_open(rest)
        if self._unended > TOKEN_BYTES + _BUFFER:
            raise BadStream(f"a tag without an end after {self._unended} bytes")

    def _after_blob(self, data: bytes) -> bytes:
        """Decode what is nothing but a BLOB's text, for which expat is slow, and return what follows it."""
        if self._sink is None or self._tag_begun:
            return data
        if b"&" in data:
            self._tag_begun = True
            return data
        end = data.find(b"<")
        self._tag_begun = end >= 0
        text = data if end < 0 else data[:end]
        if self._wants_blobs:
            self._sink.feed(text)
        return data[len(text) :]

    def _without_declarations(self, data: bytes) -> bytes:
        """Return what came without `<?xml ...?>`, which drivers send before each message, against XML."""
        data, self._held = self._held + data, b""
        if b"<?" in data:
            data = _DECLARATION.sub(b"", data)
        begun = len(data) - 1 if data.endswith(b"<") else data.rfind(b"<?")
        if begun >= 0 and len(data) - begun < _DECLARATION_BYTES:
            data, self._held = data[:begun], data[begun:]
        return data

    def _refuse(self, *_: object) -> None:
        raise BadStream("this is no INDI: a document type")

    def _count(self, characters: int) -> None:
        self._unended = 0
        self._characters += characters
        if self._characters > ELEMENT_CHARACTERS:
            raise BadStream(f"a message longer than {ELEMENT_CHARACTERS} characters")

    def _begin(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth == 1:
            return
        self._tags.add(tag)
        if len(self._tags) > TAGS:
            raise BadStream(f"more than {TAGS} kinds of tags")
        self._count(len(tag) + sum(len(key) + len(value) for key, value in attributes.items()))
        if self._depth == 2:
            self._element = Element(tag, attributes)
        elif self._depth == 3 and self._element is not None:
            self._begin_member(self._element, tag, attributes)
        else:
            raise BadStream("this is no INDI: tags inside a member")

    def _begin_member(self, element: Element, tag: str, attributes: dict[str, str]) -> None:
        if len(element.members) >= MEMBERS:
            raise BadStream(f"a message with more than {MEMBERS} members")
        self._member = Member(attributes)
        self._texts = []
        element.members.append(self._member)
        self._sink = Base64Sink(self._blob_limit) if tag == "oneBLOB" and element.tag == "setBLOBVector" else None
        self._tag_begun = False

    def _take(self, text: str) -> None:
        if self._sink is not None:
            self._unended = 0
            if self._wants_blobs:
                self._sink.feed(text.encode("utf-8", "replace"))
            return
        if self._depth == 1 and text.strip():
            raise BadStream("this is no INDI: text outside of tags")
        self._count(len(text) if self._depth > 1 else 0)
        if self._member is not None:
            self._texts.append(text)

    def _end(self, _tag: str) -> None:
        self._depth -= 1
        if self._depth == 0:
            raise BadStream("this is no INDI: an end tag without its beginning")
        self._unended = 0
        if self._depth == 2:
            self._end_member()
        elif self._depth == 1 and self._element is not None:
            element, self._element, self._characters = self._element, None, 0
            self._on_element(element)

    def _end_member(self) -> None:
        if self._member is not None:
            self._member.text = "".join(self._texts).strip()
            if self._sink is not None and self._wants_blobs:
                self._member.data = self._sink.end()
        self._member, self._sink = None, None


def _may_be_open(data: bytes) -> bool:
    """Whether something other than a BLOB's text may go on after a piece in which a BLOB began, or went on."""
    last = data.rfind(b"<")
    return data.find(b"&", max(last, 0)) >= 0 or (last >= 0 and not data.startswith(b"<oneBLOB", last))
