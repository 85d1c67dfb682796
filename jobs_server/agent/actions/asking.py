"""What an exposure asks for, read out of an order and made fit for the camera."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ..devices.interfaces import Camera, Chip, Exposure, ImageKind
from ..errors import Refused
from ..orders import Order, shortened, word

MOST_FRAMES = 10_000
_LONGEST_SECONDS = 24 * 3600.0
_BINNINGS: Mapping[str, int] = {"optimal": 1, "fine": 1, "coarse": 2}
_PAIR = re.compile(r"\[?\s*(\d{1,2})\s*(?:[,x×]\s*(\d{1,2})\s*)?\]?", re.IGNORECASE)
_PERCENT = re.compile(r"(\d{1,4}(?:\.\d*)?)\s*%")
_TIMES = re.compile(r"(\d{1,2}(?:\.\d*)?)\s*x", re.IGNORECASE)
_WHOLE = frozenset(("full", "100%", "1x"))
_KINDS: Mapping[str, ImageKind] = {
    **dict.fromkeys(("light", "expose", "experimental", "focus", "focusconfirmation", "pointing"), "light"),
    **dict.fromkeys(("bias", "zero"), "bias"),
    "dark": "dark",
    **dict.fromkeys(("flat", "screenflat", "skyflat", "lampflat", "solarflat"), "flat"),
    **dict.fromkeys(("arcflat", "nearflat", "tharflat", "thorflat"), "flat"),
}
_NAMES: Mapping[ImageKind, str] = {
    "light": "Light Frame",
    "bias": "Bias Frame",
    "dark": "Dark Frame",
    "flat": "Flat Field",
}


@dataclass(frozen=True)
class Asked:
    """How often to take what, as an order says; `notes` are for the people who read the result."""

    exposure: Exposure
    image_type: str
    count: int
    notes: tuple[str, ...]

    @property
    def type_name(self) -> str:
        """Return the value of IMAGETYP, such as `Light Frame`."""
        return _NAMES[self.exposure.kind]

    @property
    def needs_filter(self) -> bool:
        """Whether a filter makes a difference: not to what is taken in the dark."""
        return self.exposure.kind in {"light", "flat"}


def read(order: Order, camera: Camera, binnings: Mapping[str, int]) -> Asked:
    """Return what an order asks of a camera; raise Refused for what it cannot take or do."""
    image_type = order.text("image_type", "light")
    kind = kind_of(image_type)
    count = order.whole("count" if order.has("count") else "repeat", 1, MOST_FRAMES, 1)
    _refuse_unable(order)
    least = 0.0 if kind == "bias" else None
    seconds = order.number_within("time", 0, _LONGEST_SECONDS, least)
    chip = camera.chip()
    exposure = Exposure(
        seconds=seconds,
        kind=kind,
        binning=binning(order.value("bin") if order.has("bin") else "optimal", chip, binnings),
        area=_area(order, chip),
        gain=_gain(order, chip),
        offset=order.number("offset") if order.has("offset") else None,
    )
    return Asked(exposure, image_type, count, _notes(order, exposure, chip, count))


def kind_of(given: str) -> ImageKind:
    """Return what the camera takes for an image type; raise Refused when there is no such type."""
    kind = _KINDS.get(re.sub(r"[\s_-]+", "", given).casefold())
    if kind is None:
        raise Refused(f"image_type {given[:40]!r} is not taken here: light, bias, dark and flats are")
    return kind


def _refuse_unable(order: Order) -> None:
    """Raise Refused for what the agent cannot do and what would change the pictures."""
    if order.value("modes"):
        raise Refused(f"readout modes cannot be chosen with this agent: {shortened(order.value('modes'))}")
    if order.value("subframe"):
        raise Refused("a part drawn on an older picture cannot be taken with this agent: give area or zoom")


def binning_names(names: Mapping[str, int]) -> tuple[str, ...]:
    """Return the names that binnings have here; those of agent.toml take the place of the usual ones."""
    return tuple(_known(names))


def _known(names: Mapping[str, int]) -> dict[str, int]:
    return {**_BINNINGS, **{name.casefold(): value for name, value in names.items()}}


def binning(asked: object, chip: Chip, names: Mapping[str, int]) -> tuple[int, int]:
    """Return a binning: by a name of agent.toml, one number, or two such as `2,1` or `2x1`; raise Refused otherwise."""
    known = _known(names)
    listed = ",".join(map(word, asked)) if isinstance(asked, list) else word(asked)
    found = str(known.get(listed.casefold(), listed))
    match = _PAIR.fullmatch(found.removesuffix(".0"))
    if match is None or isinstance(asked, bool):
        raise Refused(f"bin {shortened(asked)} is none: {', '.join(known)}, 2 or 2,1 are")
    pair = int(match[1]), int(match[2] or match[1])
    if not (1 <= pair[0] <= chip.largest_binning[0] and 1 <= pair[1] <= chip.largest_binning[1]):
        largest = " x ".join(map(str, chip.largest_binning))
        raise Refused(f"the camera bins up to {largest}, and {pair[0]} x {pair[1]} was asked for")
    return pair


def _area(order: Order, chip: Chip) -> tuple[int, int, int, int] | None:
    """Return the part of the chip around its middle that area, zoom and size leave; None for the whole chip."""
    width, height = float(chip.width), float(chip.height)
    for name in ("area", "zoom", "size"):
        if order.has(name):
            width, height = _part(name, order.value(name), width, height)
    part = max(1, int(width)), max(1, int(height))
    if part == (chip.width, chip.height):
        return None
    return (chip.width - part[0]) // 2, (chip.height - part[1]) // 2, *part


def _part(name: str, asked: object, width: float, height: float) -> tuple[float, float]:
    given = word(asked).casefold()
    if given in _WHOLE:
        return width, height
    if given in {"big sq.", "small sq."}:
        side = min(width, height) / (1 if given == "big sq." else 2)
        return side, side
    share = _share(name, given)
    if not 0 < share <= 1:
        raise Refused(f"{name} {shortened(asked)} cannot be taken: Full, Big sq., Small sq., up to 100% and 2X are")
    return width * share, height * share


def _share(name: str, given: str) -> float:
    """Return which share of each side a word means; 0 when it means none."""
    if match := _PERCENT.fullmatch(given):
        return float(match[1]) / 100
    if match := _TIMES.fullmatch(given):
        return 1 / (float(match[1]) or -1.0)
    try:
        return float(given) if name == "size" else 0.0
    except ValueError:
        return 0.0


def _gain(order: Order, chip: Chip) -> float | None:
    """Return a gain as the camera takes it: a value, or the index of a name."""
    if not order.has("gain"):
        return None
    given = word(order.value("gain")).casefold()
    names = [name.casefold() for name in chip.gains]
    if given in names:
        return float(names.index(given))
    if names and not given.removesuffix(".0").isdecimal():
        raise Refused(f"the camera has no gain {given[:40]!r}: {', '.join(chip.gains)} are there")
    return order.number("gain")


def _notes(order: Order, exposure: Exposure, chip: Chip, count: int) -> tuple[str, ...]:
    notes = []
    if exposure.kind == "light" and count > 1 and order.has("dither") and order.switch("dither"):
        notes.append("all frames point alike: this agent does not dither")
    if exposure.kind in {"dark", "bias"} and chip.has_shutter is False:
        notes.append(f"the camera has no shutter: a {exposure.kind} frame is dark when the telescope is covered")
    if word(order.value("smartstack")).casefold() in {"true", "yes", "on"}:
        notes.append("frames are kept one by one: this agent stacks none")
    return tuple(notes)
