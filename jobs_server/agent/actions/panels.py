"""What flat-field screens and switches do."""

from __future__ import annotations

import time

from ..devices.interfaces import Channel, Screen, Switch
from ..errors import Refused
from ..orders import shortened
from .work import Result, Work

COVER_SECONDS = 120.0
LIGHT_SECONDS = 60.0
SWITCH_SECONDS = 20.0
_LONGEST_PULSE_SECONDS = 3600
_TICK_SECONDS = 0.5


def turn_on(work: Work) -> Result:
    """Switch the light on, in per cent."""
    screen, percent = work.device(Screen), _percent(work)
    work.needs(screen, "turn_on", "be lit")
    work.report("SETTING")
    screen.turn_on(percent, LIGHT_SECONDS)
    return {"brightness_percent": percent}


def turn_off(work: Work) -> Result:
    """Switch the light off."""
    screen = work.device(Screen)
    work.needs(screen, "turn_off", "be lit")
    work.report("SETTING")
    screen.turn_off(LIGHT_SECONDS)
    return {}


def close_and_turn_on(work: Work) -> Result:
    """Close the cover, and then switch the light on."""
    screen, percent = work.device(Screen), _percent(work)
    work.needs(screen, "close_cover", "be closed: it has no cover")
    work.needs(screen, "turn_on", "be lit")
    work.report("CLOSING")
    screen.close_cover(COVER_SECONDS)
    work.report("SETTING")
    screen.turn_on(percent, LIGHT_SECONDS)
    return {"brightness_percent": percent}


def turn_off_and_close(work: Work) -> Result:
    """Switch the light off, and then close the cover."""
    return _darken(work, "close_cover", "be closed: it has no cover", "CLOSING")


def open_and_turn_off(work: Work) -> Result:
    """Switch the light off, and then open the cover."""
    return _darken(work, "open_cover", "be opened: it has no cover", "OPENING")


def _darken(work: Work, ability: str, what: str, status: str) -> Result:
    screen = work.device(Screen)
    work.needs(screen, ability, what)
    work.report("SETTING")
    if "turn_off" in screen.abilities():
        screen.turn_off(LIGHT_SECONDS)
    work.report(status)
    (screen.open_cover if ability == "open_cover" else screen.close_cover)(COVER_SECONDS)
    return {}


def _percent(work: Work) -> float:
    return work.order.number_within("brightness", 0, 100, 100.0)


def switch_on(work: Work) -> Result:
    """Set switches to their largest value."""
    return _set_all(work, on=True)


def switch_off(work: Work) -> Result:
    """Set switches to their least value."""
    return _set_all(work, on=False)


def _set_all(work: Work, *, on: bool) -> Result:
    switch = work.device(Switch)
    channels = _channels(work, switch)
    work.report("SETTING")
    for name, channel in channels:
        switch.set_channel(name, _value(channel, on=on), SWITCH_SECONDS)
    return {"switches": [channel.name for _, channel in channels], "on": on}


def _value(channel: Channel, *, on: bool) -> float:
    return channel.limits.largest if on else channel.limits.least


def _channels(work: Work, switch: Switch) -> list[tuple[str, Channel]]:
    """Return the switches that `values` names, by name or number, each with its word for the device.

    A box of one switch needs no name; of a box of several none is taken by chance.
    """
    every, asked = switch.channels(), work.order.value("values")
    names = ", ".join(channel.name for channel in every) or "none"
    if asked is None or asked in ([], ""):
        if len(every) == 1:
            return [("0", every[0])]
        raise Refused(f"{switch.name} has the switches {names}: name those that are meant as values")
    given = asked if isinstance(asked, list) else [asked]
    return [_named(switch, every, each, names) for each in given]


def _named(switch: Switch, every: tuple[Channel, ...], asked: object, names: str) -> tuple[str, Channel]:
    if isinstance(asked, str | int) and not isinstance(asked, bool):
        word = shortened(asked).strip("'\"") if isinstance(asked, int) else asked.strip()
        for channel in every:
            if channel.name.casefold() == word.casefold():
                return channel.name, channel
        if word.isdecimal() and len(word) < 6 and int(word) < len(every):
            return str(int(word)), every[int(word)]
    raise Refused(f"{switch.name} has no switch {shortened(asked)}: there are {names}, or numbers from 0")


def pulse(work: Work) -> Result:
    """Set switches for some seconds, and then the other way, also when something ends the job before."""
    switch = work.device(Switch)
    seconds = work.order.number_within("period", 0, _LONGEST_PULSE_SECONDS)
    on = work.order.switch("init_state", default=True)
    channels = _channels(work, switch)
    try:
        for name, channel in channels:
            switch.set_channel(name, _value(channel, on=on), SWITCH_SECONDS)
        _wait(work, seconds)
    finally:
        for name, channel in channels:
            switch.set_channel(name, _value(channel, on=not on), SWITCH_SECONDS)
    return {"switches": [channel.name for _, channel in channels], "on": not on}


def _wait(work: Work, seconds: float) -> None:
    """Wait, and look whether the job is to end: the report says so."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        work.report("PULSING", left)
        time.sleep(min(left, _TICK_SECONDS))
