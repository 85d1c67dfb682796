"""FITS headers, card by card: what a driver wrote stays, and what the agent knows takes its place."""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import BadReply
from .orders import shortened

BLOCK = 2880
CARD = 80
Buffer = bytes | bytearray | memoryview
_MOST_BLOCKS = 200  # of a header; a driver's has one to three
_LONGEST_TEXT = 500
_STRUCTURE = re.compile(
    r"SIMPLE|BITPIX|NAXIS\d*|EXTEND|XTENSION|PCOUNT|GCOUNT|GROUPS|BZERO|BSCALE|BLANK|END|CHECKSUM|DATASUM"
    r"|TFIELDS|TFORM\d*|TTYPE\d*|THEAP|Z[A-Z]+\d*|CONTINUE|COMMENT|HISTORY"
)
_PLAIN_KEY = re.compile(r"[A-Z0-9_-]{1,8}")


@dataclass(frozen=True)
class Entry:
    """One line of a header."""

    key: str
    value: str | int | float | bool
    comment: str = ""


@dataclass(frozen=True)
class Header:
    """The header of one part of a file: its cards, the byte at which it begins, and the first byte after it."""

    cards: tuple[bytes, ...]
    begin: int
    end: int

    def value(self, key: str) -> Any:
        """Return the value of a key; None when it is missing or none that FITS knows."""
        from astropy.io import fits

        start = key.ljust(8).encode()
        card = next((card for card in self.cards if card.startswith(start)), None)
        if card is None:
            return None
        try:
            return fits.Card.fromstring(card).value
        except (ValueError, fits.VerifyError):
            return None

    def whole(self, key: str, default: int = 0) -> int:
        """Return a whole number, or the default."""
        value = self.value(key)
        return value if isinstance(value, int) and not isinstance(value, bool) else default

    @property
    def sizes(self) -> tuple[int, ...]:
        """Return the lengths of the axes, the fastest first."""
        count = self.whole("NAXIS")
        return tuple(self.whole(f"NAXIS{each}") for each in range(1, min(count, 999) + 1))

    @property
    def data_bytes(self) -> int:
        """Return how many bytes of pixels follow, without the filling of the last block."""
        if not self.sizes:
            return 0
        elements = 1
        for size in self.sizes:
            elements *= max(0, size)
        return abs(self.whole("BITPIX")) // 8 * self.whole("GCOUNT", 1) * (self.whole("PCOUNT") + elements)


def read(data: Buffer, begin: int = 0) -> Header:
    """Return the header that begins at a byte; raise BadReply when it is none."""
    view = memoryview(data)
    cards: list[bytes] = []
    for start in range(begin, min(len(view), begin + _MOST_BLOCKS * BLOCK), BLOCK):
        block = bytes(view[start : start + BLOCK])
        for card in (block[at : at + CARD] for at in range(0, len(block), CARD)):
            if card.rstrip() == b"END":
                return _checked(Header(tuple(cards), begin, start + BLOCK), len(view))
            cards.append(card)
    raise BadReply("what the driver sent as a picture is no FITS file: its header has no end")


def _checked(header: Header, size: int) -> Header:
    first = header.cards[0] if header.cards else b""
    if not first.startswith((b"SIMPLE  =", b"XTENSION=")):
        raise BadReply("what the driver sent as a picture is no FITS file")
    if header.whole("BITPIX") not in {8, 16, 32, 64, -32, -64}:
        raise BadReply("what the driver sent as a picture is a FITS file without a kind of pixels")
    if header.end + header.data_bytes > size:
        raise BadReply(f"the driver's FITS file of {size} bytes is cut short: {header.data_bytes} of pixels were due")
    return header


def of_picture(data: Buffer) -> Header:
    """Return the header of the first picture: the first one, or the extension's of a compressed file."""
    header = read(data)
    return header if header.sizes or header.end >= len(data) else read(data, header.end)


def completed(header: Header, entries: Iterable[Entry]) -> bytes:
    """Return a driver's header with our entries in place of its own of the same keys; all others stay as they are."""
    ours = {entry.key.upper(): entry for entry in entries if not is_structure(entry.key)}
    kept = _without({key.ljust(8).encode() for key in ours if len(key) <= 8}, header.cards)
    return _blocks([*kept, *(card for entry in ours.values() for card in cards_of(entry))])


def _without(keys: set[bytes], cards: Iterable[bytes]) -> list[bytes]:
    """Return the cards of other keys; a CONTINUE goes with the card that it continues."""
    kept: list[bytes] = []
    dropped = False
    for card in cards:
        if not card.startswith(b"CONTINUE"):
            dropped = card[:8] in keys
        if not dropped and card.strip():
            kept.append(card)
    return kept


def made(bitpix: int, sizes: Iterable[int], zero: int, entries: Iterable[Entry]) -> bytes:
    """Return the header of a picture; `sizes` are its axes, the fastest first, and `zero` is added to each value."""
    axes = tuple(sizes)
    structure = [
        Entry("SIMPLE", value=True),
        Entry("BITPIX", bitpix),
        Entry("NAXIS", len(axes)),
        *(Entry(f"NAXIS{number}", size) for number, size in enumerate(axes, 1)),
        *((Entry("BSCALE", 1), Entry("BZERO", zero)) if zero else ()),
    ]
    ours = {entry.key.upper(): entry for entry in entries if not is_structure(entry.key)}
    return _blocks([card for entry in (*structure, *ours.values()) for card in cards_of(entry)])


def is_structure(key: str) -> bool:
    """Whether a key says how the file is built, so that nobody else may write it."""
    return _STRUCTURE.fullmatch(key.upper()) is not None


def _blocks(cards: Iterable[bytes]) -> bytes:
    whole = b"".join(cards) + b"END".ljust(CARD)
    return whole + b" " * (-len(whole) % BLOCK)


def cards_of(entry: Entry) -> list[bytes]:
    """Return an entry as cards of 80 bytes; a long text goes on in further ones."""
    from astropy.io import fits

    key = entry.key.upper()
    value = ascii_text(entry.value) if isinstance(entry.value, str) else entry.value
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fits.verify.VerifyWarning)  # a comment that is cut is no harm
        name = key if _PLAIN_KEY.fullmatch(key) else f"HIERARCH {key}"
        image = fits.Card(name, value, ascii_text(entry.comment)).image.encode("ascii")
    return [image[at : at + CARD].ljust(CARD) for at in range(0, len(image), CARD)]


def ascii_text(text: str) -> str:
    """Return a text as FITS can hold it: accents left out, Greek letters by their names, one line."""
    plain = unicodedata.normalize("NFKD", text)
    shown = "".join(each for each in map(_ascii, plain) if each)
    return " ".join(shown.split())[:_LONGEST_TEXT]


def _ascii(letter: str) -> str:
    if letter.isascii():
        return letter if letter.isprintable() else " "
    if unicodedata.combining(letter):
        return ""
    words = unicodedata.name(letter, "").split()
    if words[:1] == ["GREEK"] and "LETTER" in words:
        name = words[words.index("LETTER") + 1].capitalize()
        return name if "CAPITAL" in words else name.lower()
    return "?"


def entries_of_keywords(given: object) -> list[Entry]:
    """Return a job's own `keywords`, a list of objects or one object, as entries; what is none is left out."""
    parts = given if isinstance(given, list) else [given]
    pairs = [pair for part in parts if isinstance(part, Mapping) for pair in part.items()]
    return [
        Entry(key, value if isinstance(value, bool | int | float | str) else shortened(value))
        for key, value in ((_key(name), _plain(value)) for name, value in pairs[:50])
        if key and not is_structure(key)
    ]


def _plain(value: object) -> object:
    """Return a value that a card can hold; a number beyond its bounds or none at all as a text."""
    if isinstance(value, int | float) and not isinstance(value, bool) and not abs(value) < 1e15:
        return shortened(value)
    return value


def _key(name: object) -> str:
    return re.sub(r"[^A-Z0-9_-]+", "_", ascii_text(str(name)).upper())[:30].strip("_")
