"""Where a request ends, so that only whole requests reach a thread; what a request says is left to the server's parser.

A request that is odd (two lengths, a length that is no number) counts as whole with what is there of it: the parser
refuses it, and finds no more to wait for. Source: RFC 9112, sections 6 and 7.
"""

from __future__ import annotations

import re

_END_OF_HEAD = b"\r\n\r\n"
_MOST_HEAD = 1024 * 1024  # more than the servers' parsers take
_MOST_CHUNK_LINE = 16 * 1024
_MOST_FRAMING = 8  # Chunks of one byte take six bytes each.
_PIECE_BYTES = 64 * 1024  # A parser reads at most so much at a time.
_FRAMING = re.compile(rb"\r\n(content-length|transfer-encoding|expect)[ \t]*:([^\r\n]*)", re.IGNORECASE)
_LENGTH, _CODING = b"\r\ncontent-length", b"\r\ntransfer-encoding"
_LARGER = (
    (re.compile(rb"POST [^ ?]*/preview[ ?]"), 2 * 1024 * 1024),
    (re.compile(rb"POST [^ ?]*/act/import-targets[ ?]"), 5 * 1024 * 1024),
    (re.compile(rb"POST [^ ?]*/(?:devicestate|capabilities)[ ?]"), 64 * 1024),
    (re.compile(rb"PUT [^ ?]*/config/?[ ?]"), 512 * 1024),
    (re.compile(rb"POST [^ ?]*/status/?[ ?]"), 256 * 1024),
)
"""Routes whose bodies have a bound of their own, whatever that of all others is."""
_DECIMAL = re.compile(rb"[0-9]{1,15}")
_HEXADECIMAL = re.compile(rb"[0-9a-fA-F]{1,15}")


def is_plain(piece: bytes, body_bytes: int) -> bool:
    """Whether a piece is one whole request without anything to look at closely, as nearly all are: the fast path."""
    end = piece.find(_END_OF_HEAD)
    if end < 0:
        return False
    head = piece[:end].lower()
    at = head.find(_LENGTH)
    if at < 0:
        return end + 4 == len(piece) and _CODING not in head
    line_end = head.find(b"\r\n", at + 2)
    said = head[at + len(_LENGTH) : line_end if line_end > 0 else end].lstrip(b": ")
    is_clear = said.isdigit() and len(said) < 10 and head.find(_LENGTH, at + 2) < 0 and _CODING not in head
    return is_clear and end + 4 + int(said) == len(piece) and int(said) <= body_bytes


class RequestEnd:
    """The bytes of one connection until a request is whole."""

    def __init__(self, body_bytes: int) -> None:
        self.data = bytearray()
        self.is_whole = False
        self.is_odd = False
        """Whether the server's parser will want more than there is, so that the connection ends with this request."""
        self.has_head = False
        self.size = 0
        """How many of the bytes are the request's, once it is whole."""
        self.expects_continue = False
        self._body_bytes = body_bytes
        self._searched = 0
        self._chunk_at: int | None = None
        self._decoded = 0
        self._needed: int | None = None

    def feed(self, piece: bytes) -> bool:
        """Take more bytes, and return whether a whole request is there."""
        self.data += piece
        if not self.has_head and not self._find_head():
            return self.is_whole
        if self._needed is not None:
            return len(self.data) >= self._needed and self._end_at(self._needed)
        return self.is_whole or self._follow_chunks()

    def break_off(self) -> None:
        """Take what is there for the whole: the client sends no more."""
        self._give_up()

    def _find_head(self) -> bool:
        end = self.data.find(_END_OF_HEAD, self._searched)
        if end < 0:
            self._searched = max(0, len(self.data) - 3)
            return len(self.data) > _MOST_HEAD and self._give_up()
        self.has_head = True
        self._read_head(bytes(self.data[: end + 2]), end + 4)
        return True

    def _read_head(self, head: bytes, body_at: int) -> None:
        self._body_bytes = max([self._body_bytes, *(most for route, most in _LARGER if route.match(head))])
        said: dict[bytes, list[bytes]] = {}
        for name, value in _FRAMING.findall(head):
            said.setdefault(name.lower(), []).append(value.strip(b" \t"))
        lengths, codings = said.get(b"content-length", []), b",".join(said.get(b"transfer-encoding", []))
        self.expects_continue = any(each.lower() == b"100-continue" for each in said.get(b"expect", []))
        if codings:
            is_chunked = codings.rpartition(b",")[2].strip(b" \t").lower() == b"chunked"
            if lengths or not is_chunked:
                self._give_up()
            self._chunk_at = body_at
        elif not lengths:
            self._needed = body_at
        elif len(lengths) > 1 or not _DECIMAL.fullmatch(lengths[0]) or int(lengths[0]) > self._body_bytes:
            self._give_up()  # too long a body is refused by its length alone
        else:
            self._needed = body_at + int(lengths[0])

    def _follow_chunks(self) -> bool:
        """Go from chunk to chunk, through the lines after the last one."""
        while self._chunk_at is not None:
            line_end = self.data.find(b"\r\n", self._chunk_at)
            if line_end < 0:
                return len(self.data) - self._chunk_at > _MOST_CHUNK_LINE and self._give_up()
            size = bytes(self.data[self._chunk_at : line_end]).partition(b";")[0].strip(b" \t")
            if not _HEXADECIMAL.fullmatch(size):
                return self._give_up()
            if not int(size, 16):
                return self._find_trailers_end(line_end)
            begin, length = line_end + 2, int(size, 16)
            if self._is_too_long(min(length, len(self.data) - begin)):
                return self._give_up()
            if len(self.data) < begin + length + 2:
                return False
            self._chunk_at = begin + length + 2
            self._decoded += length
        return self.is_whole

    def _find_trailers_end(self, last_line_end: int) -> bool:
        if self.data[last_line_end + 2 : last_line_end + 4] == b"\r\n":
            return self._end_at(last_line_end + 4)
        end = self.data.find(_END_OF_HEAD, last_line_end + 2)
        if end < 0:
            return len(self.data) - last_line_end > _MOST_HEAD and self._give_up()
        return self._end_at(end + 4)

    def _is_too_long(self, more: int) -> bool:
        """Whether the app is certain to refuse the body, with so many bytes more, by what is there of it."""
        is_beyond = self._decoded + more > self._body_bytes + _PIECE_BYTES
        return is_beyond or len(self.data) > _MOST_FRAMING * self._body_bytes + _MOST_HEAD

    def _end_at(self, size: int) -> bool:
        self.size, self.is_whole = size, True
        return True

    def _give_up(self) -> bool:
        self.size, self.is_whole, self.is_odd = len(self.data), True, True
        return True
