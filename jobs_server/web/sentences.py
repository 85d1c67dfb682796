"""Sentences of the service that pages show in the page's language, though they are English on the wire and in the log.

A refusal, a caution or a reason is written where it is decided, once, in the wire's words. A page looks for its pattern
among the commonest, and writes what the catalogue has for that; a sentence of which none is known stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from ..domain.language import ENGLISH, Language, marked

TITLES = (
    marked("The request was refused"),
    marked("The request's body is not what this route needs"),
    marked("Nobody knows who asks, or somebody else holds the telescope"),
    marked("This may not be done by whoever asks, or not from there"),
    marked("There is no such job or reservation"),
    marked("The job is past the point where this can be done, or what is there already stands in the way"),
    marked("The idempotency key came before with another command"),
    marked("The telescope is locked out"),
    marked("The queue of the site is paused"),
    marked("There are too many requests, or too many jobs wait"),
    marked("The database is busy, full or broken; nothing was changed"),
    marked("As many clients wait for news already as may at once"),
)
"""What refusals are called, as `errors` has it."""
PATTERNS = (
    # What somebody typed into a form.
    marked("%(field)s is needed"),
    marked("%(field)s must be a number, not %(text)s"),
    marked("%(field)s must be a whole number, not %(text)s"),
    marked("%(field)s must be yes or no"),
    marked("%(field)s must be JSON: %(why)s"),
    marked("%(field)s must be at least %(number)s, not %(value)s"),
    marked("%(field)s must be at least %(number)s %(unit)s, not %(value)s"),
    marked("%(field)s must be %(low)s to %(high)s, not %(value)s"),
    marked("%(field)s must be %(low)s to %(high)s %(unit)s, not %(value)s"),
    marked("%(field)s must be %(low)s to %(high)s %(unit)s, not %(value)s; if it is in degrees, write %(text)s"),
    marked("%(low)s to %(high)s"),
    marked("at least %(low)s"),
    marked("at most %(high)s"),
    marked("%(text)s is no number of seconds"),
    marked("%(text)s can be read in two ways: write %(one)s or %(other)s"),
    marked("%(text)s is too large for an angle"),
    marked("%(text)s is no angle; write it as %(example)s"),
    marked("%(text)s has minutes or seconds of 60 or more"),
    marked("%(text)s has a fraction of minutes and seconds as well"),
    marked("%(text)s is no pair of coordinates; write it as 00 42 44.3 +41 16 09"),
    marked("%(text)s can be one number or two: write a blank or a semicolon between two"),
    marked("no target here is called %(text)s"),
    marked("choose which of these is meant"),
    marked("is the right ascension in hours or in degrees? choose which of these is meant"),
    marked("is the right ascension in hours or in degrees? Write h or deg behind it"),
    marked("right ascension in degrees"),
    marked("right ascension in hours"),
    marked("name the camera"),
    marked("name the device"),
    marked("name the instance"),
    marked("name the action"),
    marked("name a site"),
    marked("choose a file"),
    marked("choose a script; a run without one stops the public site software's polling"),
    marked("choose a filter: each is a row of its own"),
    marked("row %(number)s: %(why)s"),
    marked("write a time such as 21:30, 2026-11-24 21:30 or 20:30 UTC, not %(text)s"),
    marked("write a time at most %(number)s hours ahead; a plan may begin later"),
    marked("so many rounds must be a whole number from 1 to %(number)s, not %(text)s"),
    marked("a plan may have %(number)s steps, and this one would have %(value)s: part it"),
    marked("leave it blank, since the targets stand in the list; or empty the list"),
    marked("the steps must be a list with at least one step in it"),
    marked("the steps must be JSON: %(why)s"),
    marked("the body is not JSON: %(why)s"),
    marked("this form has sent another job already; press Send to send what stands here now"),
    marked("this form has sent another plan already; press Send to send what stands here now"),
    marked("this was sent already, at %(time)s; press Send to send it once more"),
    marked("write a name, so that others see who commands"),
    marked("say why, so that others know what they would disturb"),
    marked("write why, in a few words, so that others know"),
    marked("write how people call the observatory"),
    marked("write a city, or coordinates such as 47.70 N 12.01 E; it can stay blank"),
    marked("write latitude and longitude, such as 47.70 N 12.01 E, or 47.70, 12.01"),
    marked("this city is not in the list: write a larger one near it, or coordinates"),
    marked("the time zone is that of %(city)s"),
    marked("write a short code without a slash, such as wmd"),
    marked("a site %(text)s is set up already; the page Site changes it"),
    marked("each device needs a name of its own, such as camera"),
    marked("From must be a time in UTC such as 2026-11-23 or 2026-11-23 21:30, not %(text)s"),
    marked("Until must be a time in UTC such as 2026-11-23 or 2026-11-23 21:30, not %(text)s"),
    marked("%(text)s is no night; write one as 2026-11-23"),
    # What a job, a queue or a reservation does not allow.
    marked("site %(site)s has no job %(text)s"),
    marked("site %(site)s has no plan %(text)s"),
    marked("job %(text)s is %(status)s; there is nothing left to cancel"),
    marked("this job waits no more, so that it cannot be moved"),
    marked("this job waits no more, so that it cannot be changed; send it again with other values"),
    marked("this job was not canceled, so that there is nothing to undo"),
    marked("this step was released or left out meanwhile; look at the plan again"),
    marked(
        "%(site)s is locked out by %(name)s since %(time)s UTC: %(note)s; only stop commands reach the telescope"
        " until it is lifted"
    ),
    marked("%(site)s is locked out by %(name)s since %(time)s UTC: %(note)s"),
    marked("%(site)s is not locked out"),
    marked("the queue of %(site)s is paused by %(name)s since %(time)s UTC: %(note)s"),
    marked("the queue of %(site)s is not paused"),
    marked("%(site)s is reserved by %(name)s from %(begin)s to %(end)s"),
    marked("%(name)s has reserved %(begin)s to %(end)s UTC"),
    marked("sign in first: this needs a valid access token"),
    marked("only an admin may do this"),
    marked("canceled by %(name)s"),
    marked("step %(number)s is %(status)s"),
    # What a plan waits for.
    marked("its time"),
    marked("its turn"),
    marked("the site to take %(why)s"),
    marked("the site to say that %(why)s has ended"),
    marked("step %(number)s (%(text)s)"),
    marked("the calendar that says who holds the telescope"),
    # What is to be said before something is sent.
    marked("%(name)s stands %(degrees)s° below the horizon"),
    marked("%(name)s stands %(degrees)s° high, below this site's limit of %(limit)s°"),
    marked("%(name)s is %(degrees)s° from the sun, which is up: light from there can burn eyes and cameras"),
    marked("%(site)s names no %(device)s among its devices"),
    marked("%(site)s has no %(device)s %(text)s; it has %(list)s"),
    marked("%(site)s has no filter %(text)s; it has %(list)s"),
    marked("%(name)s does not say that it can %(text)s; it can %(list)s"),
)
"""What the commonest sentences look like; values stand where `%(name)s` is."""

_PLACE = re.compile(r"%\((\w+)\)s")
_NUMBERS = frozenset(("number", "value", "low", "high", "degrees", "limit"))
_NAMES = frozenset(("field", "device"))


class _Known(NamedTuple):
    pattern: str
    matcher: re.Pattern[str]


def said(sentence: str, language: Language) -> str:
    """Return what a sentence of the service is in a language; the sentence itself where nobody has translated it."""
    if language is ENGLISH or not sentence:
        return sentence
    bare = sentence.removeprefix("Error: ")
    for text in (bare, bare[:1].lower() + bare[1:]):
        if found := _find(text, language):
            return found if text is bare else found[:1].upper() + found[1:]
    return bare


def _find(text: str, language: Language) -> str:
    for known in _all_known():
        if match := known.matcher.fullmatch(text):
            values = {name: _value(name, value, language) for name, value in match.groupdict().items()}
            return language.text(known.pattern, **values)
    return ""


def _value(name: str, value: str, language: Language) -> str:
    if name in _NUMBERS:
        return language.number(value)
    if name in _NAMES:
        return language.named(value)
    return said(value, language) if name == "why" else value


@cache
def _all_known() -> list[_Known]:
    """Return the patterns as what finds them, those first that say most in their own words."""
    ordered = sorted(PATTERNS, key=lambda pattern: -len(_PLACE.sub("", pattern)))
    return [_Known(pattern, re.compile("".join(_parts(pattern)), re.DOTALL)) for pattern in ordered]


def _shape(name: str) -> str:
    if name in _NUMBERS:
        return r"[-+]?[0-9][0-9.e+-]*"
    return r"[\w ]+?" if name in _NAMES else ".+?"


def _parts(pattern: str) -> Iterator[str]:
    for number, part in enumerate(_PLACE.split(pattern)):
        if number % 2 == 0:
            yield re.escape(part)
        else:
            yield f"(?P<{part}>{_shape(part)})"
