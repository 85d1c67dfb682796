"""What every page needs: which site, which visitor, which theme, what the time is, and its one read transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import NamedTuple, cast
from urllib.parse import quote, unquote, urlencode

from flask import Response, abort, g, redirect, request, url_for
from werkzeug.utils import cached_property  # functools' has one lock for all pages, up to Python 3.11

from .. import clock
from ..auth import console_links, gate, site_refusals
from ..auth.site_refusals import Refusal
from ..config import Settings
from ..domain.actors import Actor
from ..domain.language import Language, marked
from ..domain.lifecycle import Queue
from ..errors import Unavailable
from ..history import now
from ..history.now import JobWithTiming
from ..jobs import lockouts, pauses, queries, reservations
from ..jobs.lockouts import LockoutRow
from ..jobs.pauses import PauseRow
from ..jobs.reservations import Held
from ..live import readers, sse
from ..live.presence import Seen, State
from ..observatory import sky
from ..observatory.abilities import Abilities
from ..observatory.profiles import Profile
from ..service import service
from ..state import capabilities
from ..state.devices import SeenDevice
from ..storage.statement import Connection
from . import forms, languages, wall_clocks
from .forms import Form
from .wall_clocks import WallClock

THEMES = ("light", "dark", "night")
BROWSERS_OWN = "auto"
"""The theme that leaves the choice to the browser."""
STRANGER = "somebody on the LAN"
NAME_LONGEST = 80
SENT_WITH_CAUTION = "sent-with-caution"
"""Of a job that was sent though the site is not known to have all that it asks for: the line then begins with that."""
SHOWN_SITES = 20
"""So many sites beside those of the profiles are in the menu: anybody can make up site codes."""
_YEAR_SECONDS = 365 * 24 * 60 * 60
_RECEIPT_MS = 3 * 60 * 1000
_FEW_VIEWERS = 12
_APART_MS = 90


class Frame(NamedTuple):
    """What every page shows of its site around its own matter, as it was at one moment."""

    sites: list[str]
    """Codes of the sites in the menu."""
    position: str
    """Where the stream stood: an open page follows from there. Blank while the database cannot be read."""
    stops: list[JobWithTiming]
    """Stop commands whose receipts are shown."""
    lockout: LockoutRow | None
    holders: list[Held]
    """Who holds the telescope now; of a calendar elsewhere, by what is known of it."""
    marks: Sequence[tuple[object, ...]] = ()
    """What stands at the site of lock-outs and reservations."""
    refusal: Refusal | None = None
    """Whether the site's software is refused for want of a site token."""


class Done(NamedTuple):
    """What was done, and to which job where it was done to one."""

    what: str
    ulid: str = ""
    line: str = ""
    caution: str = ""


@dataclass
class Page:
    """The page that is asked for."""

    now_ms: int
    settings: Settings
    profiles: Mapping[str, Profile]
    leads_on: bool = False
    """Whether the page is about a site, so that it leads to the set-up while no site is known."""
    _connection: Connection | None = None
    _forms: dict[tuple[str, str, str], Form | None] = field(default_factory=dict)

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Open the page's read transaction; a block inside this block has the same one.

        Neither a rendering nor a wait belongs into the block, since it holds a connection.
        """
        if self._connection is not None:
            yield self._connection
            return
        with service().database.snapshot() as connection:
            self._connection = connection
            try:
                yield connection
            finally:
                self._connection = None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open the page's read transaction for a page that is shown, and read its frame first."""
        with self.snapshot() as connection:
            self.frame = self._read_frame(connection)
            if self.leads_on and not self.site:
                abort(redirect(url_for("pages.set_up")))
            yield connection

    @cached_property
    def frame(self) -> Frame:
        """Return the frame of the page: the one of `reading`, for a page that reads nothing else one of its own."""
        with self.snapshot() as connection:
            return self._read_frame(connection)

    def _read_frame(self, connection: Connection) -> Frame:
        site, at_ms = self.site, self.now_ms
        if not site:
            return Frame(self.sites, str(sse.now(connection, site)), [], None, [])
        _ = self.presence  # in the page's own transaction
        return Frame(
            sites=self.sites,
            position=str(sse.now(connection, site)),
            stops=now.stops(connection, site, at_ms - _RECEIPT_MS),
            lockout=lockouts.in_force(connection, site),
            holders=self._read_holders(connection),
            marks=sorted(mark for mark in readers.site_marks(connection, at_ms) if mark[0] == site),
            refusal=site_refusals.at(connection, site, at_ms) if self.settings.site_tokens == "required" else None,
        )

    def _read_holders(self, connection: Connection) -> list[Held]:
        if (elsewhere := service().calendar) is not None:
            return elsewhere.known(self.site, self.now_ms) or []
        return reservations.at(connection, self.site, self.now_ms)

    @property
    def mark(self) -> str:
        """Return a mark of what the frame shows beside the jobs; when that changes, the mark is another one."""
        frame, stops = self.frame, [each.job.ulid for each in self.frame.stops]
        shown = (
            frame.sites,
            stops,
            frame.lockout,
            frame.holders,
            frame.marks,
            frame.refusal,
            self.presence.state.value,
            service().previews.number(self.site),
        )
        return hashlib.sha256(repr(shown).encode()).hexdigest()[:16]

    @property
    def has_room(self) -> bool:
        """Whether a place for a stream is free."""
        return service().feed.has_room

    @property
    def pace_ms(self) -> int:
        """Return in how many ms the open pages share out a change among themselves; 0 while they are few."""
        streams, _ = service().feed.counts()
        return streams * _APART_MS if streams > _FEW_VIEWERS else 0

    def read_what_can_be_read(self) -> None:
        """Read the frame; while the database cannot be read, leave the frame blank, since a refusal is shown anyhow."""
        try:
            _ = self.frame
        except Unavailable:
            self.read_nothing()

    def read_nothing(self) -> None:
        """Leave the frame blank, so that the page needs no database: of the sites stay those that are known anyhow."""
        last = unquote(request.cookies.get("site", ""))
        known = self.settings.sites or {*self.profiles, *([last] if last else [])}
        self.sites = sorted(known)
        self.presence = self._polled
        self.frame = Frame(self.sites, "", [], None, [])

    @cached_property
    def sites(self) -> list[str]:
        """Return the codes of the sites in the menu: by setting, or by profile and by the jobs they had last."""
        if self.settings.sites:
            return list(self.settings.sites)
        with self.snapshot() as connection:
            return sorted({*self.profiles, *queries.recent_sites(connection, SHOWN_SITES)})

    @cached_property
    def site(self) -> str:
        """Return the code of the site that the page is about; blank when none is known."""
        asked = request.values.get("site", "").strip()
        if asked and "\0" not in asked:  # which is refused before, and the refusal's page is about another site
            return asked
        last = unquote(request.cookies.get("site", ""))
        return last if self.knows(last) else next(iter([*self.profiles, *self.sites]), "")

    def knows(self, site: str) -> bool:
        """Whether a site is one of the settings, or without these one that has a profile or had a job."""
        if site in self.sites:
            return True
        if self.settings.sites or not site or "\0" in site:
            return False
        with self.snapshot() as connection:
            return queries.has_jobs(connection, site)

    @property
    def profile(self) -> Profile:
        """Return what is known of the site; an empty profile when nothing is."""
        return self.profiles.get(self.site) or Profile(code=self.site or "?")

    @cached_property
    def abilities(self) -> Abilities:
        """Return what the site has and can do; while the database cannot be read, what the profile alone says."""
        try:
            with self.snapshot() as connection:
                said = capabilities.of_site(connection, self.site)
        except Unavailable:
            said = None
        return Abilities(self.profile, said.devices if said else {})

    def form(self, device: str, action: str, script: str = "") -> Form | None:
        """Return the form of an action with what the site has, made once for a page; see `forms.form`."""
        key = device, action, script
        if key not in self._forms:
            self._forms[key] = forms.form(device, action, self.abilities, script)
        return self._forms[key]

    @cached_property
    def pause(self) -> PauseRow | None:
        """Return the pause of the site's queue; None where it goes on, and while the database cannot be read."""
        try:
            with self.snapshot() as connection:
                return pauses.in_force(connection, self.site)
        except Unavailable:
            return None

    @cached_property
    def is_busy(self) -> bool:
        """Whether what is sent to the site now comes after other jobs, or has to wait for a paused queue to go on."""
        if not self.site:
            return False
        try:
            with self.snapshot() as connection:
                return self.pause is not None or now.runs_or_waits(connection, self.site)
        except Unavailable:
            return False

    @property
    def query(self) -> str:
        """Return the query of an address that leads to another page of the same site."""
        return urlencode({"site": self.site})

    @property
    def sidereal_hours(self) -> float | None:
        """Return the site's local mean sidereal time in hours; none when its place is not known."""
        place = self.profile.place
        return None if place is None else sky.sidereal_hours(self.now_ms, place.longitude_deg)

    @cached_property
    def language(self) -> Language:
        """Return the language of the page: the one that was chosen in this browser, else the one that it likes best.

        The script of a page says which one the page has, so that what it fetches is in the same.
        """
        chosen = request.headers.get("X-Language") or request.cookies.get("language", "")
        if chosen not in languages.LANGUAGES:
            chosen = languages.wished(request.headers.get("Accept-Language", ""))
        return languages.language(chosen)

    @property
    def theme(self) -> str:
        """Return the chosen theme; blank leaves it to the browser's own preference."""
        chosen = request.cookies.get("theme", "")
        return chosen if chosen in THEMES else ""

    @property
    def day_theme(self) -> str:
        """Return the theme to which one comes back from the red night."""
        if self.theme != "night":
            return self.theme or BROWSERS_OWN
        before = request.cookies.get("day-theme", "")
        return before if before in THEMES and before != "night" else BROWSERS_OWN

    @cached_property
    def times(self) -> WallClock:
        """Return the clock by which times are shown; a page that is open stays with the one that it was made by."""
        open_by = "" if self.wants_page else request.headers.get("X-Clock", "")
        clock_of = wall_clocks.chosen(self.profile, open_by or request.cookies.get("clock", ""))
        return clock_of._replace(language=self.language)

    @property
    def done(self) -> Done | None:
        """Return what the page before this one did, which is said once; None when there is nothing to say."""
        what, *job = unquote(request.cookies.get("done", "")).split(" ", 2)
        if what == SENT_WITH_CAUTION and len(job) == 2:
            caution, _, line = job[1].partition("\n")
            return Done("sent", job[0], line, caution)
        return Done(what, *job) if what else None

    @property
    def name(self) -> str:
        """Return the name that the visitor has chosen; blank when none was."""
        chosen = unquote(request.cookies.get("name", ""))[:NAME_LONGEST].strip()
        return "" if "\0" in chosen else chosen

    @property
    def caller(self) -> str:
        """Return in a word or two who the visitor is, or what the visitor has yet to do."""
        if self.is_open:
            return self.name or self.language.text(marked("No name yet"))
        return self.actor.name if self.signed_in else self.language.text(marked("Sign in"))

    @property
    def actor(self) -> Actor:
        """Return who acts through this page."""
        name = self.name or STRANGER
        return gate.visitor(f"lan|{name.casefold()}", name)

    @property
    def silent(self) -> bool:
        """Whether the site's software has not asked for jobs for a while."""
        return self.presence.state is State.SILENT

    @cached_property
    def presence(self) -> Seen:
        """Return how the site's software polled, up to now; of software that was never there nothing is known."""
        seen = self._polled
        is_news = seen.state is State.SILENT and seen.last_poll_ms is None
        return (
            replace(seen, state=State.UNKNOWN, silent_since_ms=None) if is_news and not self._had_software() else seen
        )

    @property
    def _polled(self) -> Seen:
        presence = service().feed.presence
        presence.serves_beside_others(request.is_multiprocess)
        return presence.seen(self.site, Queue.PRIMARY)

    def _had_software(self) -> bool:
        """Whether software of the site was ever there: before, nothing is silent. Taken for true where nobody knows."""
        if self.devices:
            return True
        try:
            with self.snapshot() as connection:
                return queries.was_ever_handed_over(connection, self.site)
        except Unavailable:
            return True

    @cached_property
    def devices(self) -> list[SeenDevice]:
        """Return what the site says of its devices, each with its age."""
        return service().devices.seen(self.site) if self.site else []

    @property
    def fault(self) -> str | None:
        """Return what keeps the database from being used, as far as that is known without asking it."""
        return service().database.fault

    @property
    def is_disk_full(self) -> bool:
        """Whether the disk of the jobs is full, as far as that is known without asking the database."""
        return service().database.is_full

    @property
    def signed_in(self) -> bool:
        """Whether somebody is signed in."""
        return gate.signed_in() is not None

    @property
    def is_open(self) -> bool:
        """Whether no sign-in is set, so that anyone may command."""
        return self.settings.is_open

    @property
    def may_administer(self) -> bool:
        """Whether the visitor may change the server: an admin may; without sign-in, whoever sits at its PC."""
        is_here = console_links.is_local(request.remote_addr, self.settings.host)
        return self.actor.is_admin or (self.is_open and is_here)

    @property
    def wants_page(self) -> bool:
        """Whether a browser asks for a page, and not a script of a page for a line of JSON."""
        return request.headers.get("X-Requested-By") != "script"


def page() -> Page:
    """Return the page that is asked for."""
    if "page" not in g:
        g.page = Page(clock.now_ms(), service().settings, service().profiles.all())
    return cast(Page, g.page)


def remember(response: Response, name: str, value: str) -> Response:
    """Keep a choice in the browser for a year."""
    response.set_cookie(
        name,
        quote(value),
        max_age=_YEAR_SECONDS,
        httponly=True,
        samesite="Lax",
        secure=request.is_secure,
        path=cookie_path(),
    )
    return response


def cookie_path() -> str:
    """Return the path that the pages' cookies are for: the one below which a proxy has this service."""
    return request.root_path or "/"
