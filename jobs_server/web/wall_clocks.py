"""Times as the pages show and read them: in UTC, or by the clock on the wall of the site, as each visitor chooses.

`static/clock.js` writes times in the same way.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ..domain.language import ENGLISH, Language
from ..domain.values import as_next_midnight
from ..errors import BadRequest, shown
from ..observatory import site_time
from ..observatory.profiles import Profile

UTC_NAME = "UTC"
OF_UTC, OF_SITE = "utc", "site"
"""What a visitor chooses between."""
CHOICES = (OF_UTC, OF_SITE)
_LONG_AGO_MS = 20 * 60 * 60 * 1000
_QUARTER_MS = 15 * 60 * 1000


class WallClock(NamedTuple):
    """A clock by which times are shown and read, and the other one, which is shown beside it where somebody plans."""

    name: str
    """`UTC`, or the time zone of the site."""
    zone: tzinfo
    other_name: str
    other_zone: tzinfo
    language: Language = ENGLISH
    """In which days and clocks are named."""

    @property
    def is_of_site(self) -> bool:
        """Whether the clock is the site's, and not UTC."""
        return self.name != UTC_NAME

    @property
    def choice(self) -> str:
        """Return what a visitor chose who sees this clock."""
        return OF_SITE if self.is_of_site else OF_UTC

    @property
    def unit(self) -> str:
        """Return what stands beside times in lists."""
        return self.language.text("site time") if self.is_of_site else UTC_NAME

    @property
    def label(self) -> str:
        """Return what stands beside a field in which a time is typed."""
        return f"{self.unit}, {self.name}" if self.is_of_site else UTC_NAME

    def at(self, at_ms: int) -> datetime:
        """Return what the clock shows."""
        return datetime.fromtimestamp(at_ms / 1000, self.zone)

    def instant(self, at_ms: int) -> str:
        """Write a time of day with its seconds."""
        return f"{self.at(at_ms):%H:%M:%S}"

    def hour(self, at_ms: int) -> str:
        """Write a time of day."""
        return f"{self.at(at_ms):%H:%M}"

    def day(self, at_ms: int) -> date:
        """Return the day of a time."""
        return self.at(at_ms).date()

    def minute(self, at_ms: int) -> str:
        """Write a day with its weekday, and a time of day."""
        return f"{self._weekday(self.at(at_ms))} {self.at(at_ms):%Y-%m-%d %H:%M}"

    def moment(self, at_ms: int) -> str:
        """Write a day with its weekday, and a time of day with its seconds."""
        return f"{self._weekday(self.at(at_ms))} {self.at(at_ms):%Y-%m-%d %H:%M:%S}"

    def lately(self, at_ms: int, now_ms: int) -> str:
        """Write a time of day; of one that is long ago the weekday and the day instead of seconds."""
        if abs(now_ms - at_ms) < _LONG_AGO_MS:
            return self.instant(at_ms)
        return f"{self._weekday(self.at(at_ms))} {self.at(at_ms):%d} {self.hour(at_ms)}"

    def both(self, at_ms: int) -> str:
        """Write a moment by both clocks, of the second with its date where that is another one."""
        if not self._has_two:
            return f"{self.minute(at_ms)} UTC"
        here, there = self.at(at_ms), datetime.fromtimestamp(at_ms / 1000, self.other_zone)
        day = "" if here.date() == there.date() else f"{self._weekday(there)} {there:%Y-%m-%d} "
        return f"{self.minute(at_ms)} {self.unit}, {day}{there:%H:%M} {self.beside}"

    def both_hours(self, at_ms: int, now_ms: int) -> str:
        """Write a time of day by both clocks, and with its date where it is not within a day from now."""
        if abs(at_ms - now_ms) >= _LONG_AGO_MS:
            return self.both(at_ms)
        beside = f" ({self.hour_beside(at_ms)} {self.beside})" if self._has_two else ""
        return f"{self.hour(at_ms)} {self.unit}{beside}"

    def _weekday(self, day: date) -> str:
        return self.language.short_days[day.weekday()]

    @property
    def _has_two(self) -> bool:
        return self.name != self.other_name

    @property
    def beside(self) -> str:
        """Return what stands beside times by the other clock."""
        return UTC_NAME if self.is_of_site else self.language.text("at the site")

    def hour_beside(self, at_ms: int) -> str:
        """Write a time of day by the other clock."""
        return f"{datetime.fromtimestamp(at_ms / 1000, self.other_zone):%H:%M}"

    def full_hours(self, from_ms: int, to_ms: int, every: int) -> list[int]:
        """Return when the clock shows a full hour that so many hours divide, after one time and before another."""
        first_ms = (from_ms // _QUARTER_MS + 1) * _QUARTER_MS  # the zones of our time are whole quarters from UTC
        quarters = range(first_ms, to_ms, _QUARTER_MS)
        return [at_ms for at_ms in quarters if (at := self.at(at_ms)).minute == 0 and at.hour % every == 0]

    def midnight_ms(self, day: date) -> int:
        """Return when a day begins, in ms since 1970 UTC: where no clock shows midnight, just after."""
        return round(datetime.combine(day, datetime.min.time(), self.zone).timestamp() * 1000)

    def written(self, at_ms: int) -> str:
        """Write a time to the minute as a form holds it: `read` reads it back; with an offset when in doubt."""
        here = self.at(at_ms).replace(second=0, microsecond=0)
        text = f"{here:%Y-%m-%d %H:%M}"
        is_once = here.replace(fold=0).utcoffset() == here.replace(fold=1).utcoffset()
        return text if is_once else f"{text}{here.isoformat()[-6:]}"

    def read(self, text: str, after_ms: int) -> int:
        """Read a time that stands in a form, in ms since 1970 UTC; see `site_time.read_ms`."""
        return site_time.read_ms(text, self.zone, self.name, after_ms)

    def as_iso(self, text: str, field: str) -> str:
        """Return what stands in a field as a time in ISO 8601 that says its zone; in UTC just what stands there.

        Raises BadRequest in words.
        """
        if not self.is_of_site or not text:
            return text
        try:
            midnight, days = as_next_midnight(text)
            time = datetime.fromisoformat(midnight) + timedelta(days=days)
        except (ValueError, OverflowError):
            raise BadRequest(
                f"Error: {field} must be a time by the site's clock such as 2026-11-24 21:30, not {shown(text[:40])}"
            ) from None
        try:
            at_ms = site_time.time_ms(time, self.zone, self.name)
            return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat()
        except (ValueError, OverflowError, OSError) as error:
            raise BadRequest(f"Error: {field}: {error}") from None


ALONE = WallClock(UTC_NAME, UTC, UTC_NAME, UTC)
"""UTC where no site is."""


def of_site(profile: Profile) -> WallClock:
    """Return the clock on the wall of a site; UTC where no other is known."""
    return WallClock(profile.timezone, profile.zone, UTC_NAME, UTC)


def of_utc(profile: Profile) -> WallClock:
    """Return UTC, with the clock of a site beside it."""
    return WallClock(UTC_NAME, UTC, profile.timezone, profile.zone)


def chosen(profile: Profile, choice: str) -> WallClock:
    """Return the clock that a visitor chose; UTC where the site's time zone is not known."""
    return of_site(profile) if choice == OF_SITE else of_utc(profile)


def called(name: str, profile: Profile) -> WallClock:
    """Return the clock that a form names as the one of its times. Raises BadRequest when there is none of that name."""
    if name == UTC_NAME:
        return of_utc(profile)
    try:
        return WallClock(name, ZoneInfo(name), UTC_NAME, UTC)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadRequest(
            f"Error: clock must be UTC or a time zone such as Europe/Madrid, not {shown(name[:40])}"
        ) from None


def day(night: date, language: Language = ENGLISH) -> str:
    """Write a day with its weekday."""
    return f"{language.short_days[night.weekday()]} {night:%Y-%m-%d}"


def short_day(night: date, language: Language = ENGLISH) -> str:
    """Write a day of these weeks."""
    return f"{language.short_days[night.weekday()]} {night:%d}"
