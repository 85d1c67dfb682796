"""What every page needs to know: which site, who looks, in which theme, and what the time is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import cast
from urllib.parse import quote, unquote

from flask import Response, g, request

from .. import auth, clock
from ..config import Settings
from ..domain.actors import Actor
from ..domain.lifecycle import Queue
from ..history import now
from ..jobs import lockouts, queries, reservations
from ..jobs.lockouts import LockoutRow
from ..jobs.reservations import Held
from ..live.presence import Seen, State
from ..observatory import sky
from ..observatory.profiles import Profile
from ..service import reading, service

THEMES = ("light", "dark", "night")
STRANGER = "somebody on the LAN"
NAME_LONGEST = 80
_YEAR_SECONDS = 365 * 24 * 60 * 60
_RECEIPT_MS = 3 * 60 * 1000


@dataclass
class Page:
    """The page that is asked for."""

    now_ms: int
    settings: Settings
    profiles: Mapping[str, Profile]
    position: str = ""
    """Where the stream stood before the page was read; blank when that cannot be told."""

    @cached_property
    def sites(self) -> list[str]:
        """List the sites that are known: by setting, by profile, and by the jobs they had."""
        if self.settings.sites:
            return list(self.settings.sites)
        with reading() as connection:
            return sorted({*self.profiles, *queries.sites(connection)})

    @cached_property
    def site(self) -> str:
        """Give the site that the page is about; blank when none is known."""
        asked = request.values.get("site", "").strip()
        if asked:
            return asked
        last = unquote(request.cookies.get("site", ""))
        return last if last in self.sites else next(iter([*self.profiles, *self.sites]), "")

    @property
    def profile(self) -> Profile:
        """Give what is known of the site; an empty profile when nothing is."""
        return self.profiles.get(self.site) or Profile(code=self.site or "?")

    @property
    def sidereal_hours(self) -> float | None:
        """Give the site's sidereal time, when its place is known."""
        place = self.profile.place
        return None if place is None else sky.sidereal_hours(self.now_ms, place[1])

    @property
    def theme(self) -> str:
        """Give the chosen theme; blank leaves it to the browser's own preference."""
        chosen = request.cookies.get("theme", "")
        return chosen if chosen in THEMES else ""

    @property
    def name(self) -> str:
        """Give the name that whoever looks has chosen; blank when none was."""
        return unquote(request.cookies.get("name", ""))[:NAME_LONGEST].strip()

    @property
    def caller(self) -> str:
        """Say in a word or two who looks, or what they have yet to do."""
        if self.is_open:
            return self.name or "No name yet"
        return self.actor.name if self.signed_in else "Sign in"

    @property
    def actor(self) -> Actor:
        """Tell who acts through this page."""
        name = self.name or STRANGER
        return auth.visitor(f"lan|{name.casefold()}", name)

    @cached_property
    def stops(self) -> list[now.Told]:
        """List the stop commands whose receipts are shown."""
        if not self.site:
            return []
        with reading() as connection:
            return now.stops(connection, self.site, self.now_ms - _RECEIPT_MS)

    @cached_property
    def lockout(self) -> LockoutRow | None:
        """Give the lock-out of the site, if it is locked out."""
        if not self.site:
            return None
        with reading() as connection:
            return lockouts.in_force(connection, self.site)

    @cached_property
    def held(self) -> list[Held]:
        """List who holds the telescope now; of a calendar elsewhere, by what it last told."""
        if not self.site:
            return []
        if self.settings.calendar_url:
            elsewhere = service().calendar
            return (elsewhere.known(self.site, self.now_ms) if elsewhere else None) or []
        with reading() as connection:
            return reservations.at(connection, self.site, self.now_ms)

    @property
    def silent(self) -> bool:
        """Tell whether the site's software has not asked for jobs for a while."""
        return self.presence.state is State.SILENT

    @cached_property
    def presence(self) -> Seen:
        """Tell whether the site's software is there."""
        presence = service().feed.presence
        presence.serves_beside_others(request.is_multiprocess)
        return presence.seen(self.site, Queue.PRIMARY)

    @property
    def signed_in(self) -> bool:
        """Tell whether somebody is signed in."""
        return auth.signed_in() is not None

    @property
    def is_open(self) -> bool:
        """Tell whether no sign-in is set, so that anyone may command."""
        return self.settings.is_open

    @property
    def keeps_house(self) -> bool:
        """Tell whether whoever looks may look after the server: an admin; without sign-in, who sits at its PC."""
        is_here = auth.console_links.is_local(request.remote_addr, self.settings.host)
        return self.actor.is_admin or (self.is_open and is_here)

    @property
    def wants_page(self) -> bool:
        """Tell whether a browser asks for a page, and not a script of ours for an answer."""
        return request.headers.get("X-Requested-By") != "script"


def page() -> Page:
    """Give the page that is asked for."""
    if "page" not in g:
        kept = service().profiles
        loaded = service()
        g.page = Page(clock.now_ms(), loaded.settings, kept.all())
    return cast(Page, g.page)


def remember(response: Response, name: str, value: str) -> Response:
    """Keep a choice in the browser for a year."""
    response.set_cookie(
        name, quote(value), max_age=_YEAR_SECONDS, httponly=True, samesite="Lax", secure=request.is_secure
    )
    return response
