"""The gate that every request passes: what its route needs is checked, and who asks becomes an Actor."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from flask import Flask, Request, g, request
from werkzeug.exceptions import HTTPException

from .. import clock, program
from ..config import Settings
from ..config.checks import ANY_ORIGIN
from ..domain import actors, strict_json
from ..domain.actors import Actor, Known
from ..domain.commands import SubmitJob, SubmitSignedIn
from ..domain.values import is_named
from ..errors import Forbidden, Unauthorized, Unavailable, shown
from ..service import reading, service, transaction
from . import browser_guard, sessions, site_refusals, site_tokens
from .access import Access, declared
from .identity import Person
from .site_refusals import RefusalTimes
from .site_tokens import SiteTokenRow

if TYPE_CHECKING:
    from .access_tokens import Protector, Tokens
    from .issuer_keys import IssuerKeys

_MOST_BODY_BYTES = 64 * 1024
_NOBODY = Actor("", "nobody", Known.SAID)


class Named(Protocol):
    """A command that says who asks."""

    @property
    def user_id(self) -> str: ...
    @property
    def user_name(self) -> str: ...
    @property
    def model_fields_set(self) -> set[str]: ...


class Gate:
    """What an app needs to know who asks."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.is_open = settings.is_open
        self.keys: IssuerKeys | None = None
        self.tokens: Tokens | None = None
        self.protector: Protector | None = None
        self.used_ms: dict[int, int] = {}
        """When the use of each site token was last noted."""
        self.refusals = RefusalTimes()
        if not self.is_open:
            # Imported here: these take a fifth of a second and 15 MB, which no start without sign-in should pay.
            from .access_tokens import Protector, Tokens
            from .issuer_keys import KEYS_FILE, IssuerKeys

            self.keys = IssuerKeys(settings.issuer, Path(settings.instance) / KEYS_FILE)
            self.tokens = Tokens(self.keys, settings.audience, settings.roles_claim, client_id=settings.oidc_client_id)
            self.protector = Protector(self.tokens)


def guard(app: Flask, gate: Gate) -> None:
    """Check each request of an app against what its route needs."""

    @app.before_request
    def check() -> None:
        asked = cast(Request, request._get_current_object())  # type: ignore[attr-defined]  # The proxy costs time at each look.
        rule = asked.url_rule
        _know_session(gate)
        if rule is not None and asked.environ["REQUEST_METHOD"] != "OPTIONS":  # OPTIONS only asks about a route.
            _check(gate, declared(app, rule.endpoint))


def current() -> Gate:
    """Return the gate of the running app."""
    return service().gate


def person(command: Named) -> Actor:
    """Return the person who asks. Raises Forbidden when the command names somebody else and no admin asks."""
    gate = current()
    if gate.is_open:
        return actors.said(command.user_id, command.user_name, gate.settings.open_roles)
    actor = _actor(cast(Person, g.person), gate)
    named = _names_somebody(command)
    if named and command.user_id != actor.id and not actor.is_admin:
        raise Forbidden("Error: user_id is not yours; only an admin may act for somebody else")
    if actor.name:
        return actor
    own_name = not named or command.user_id == actor.id
    name = command.user_name if own_name and is_named(command.user_name) else actor.id
    return Actor(actor.id, name, actor.known, actor.roles, actor.is_admin)


def is_nameless(command: Named) -> bool:
    """Whether a command does not say who asks, and no sign-in is set by which it could be known."""
    return current().is_open and not _names_somebody(command)


def newjob_body() -> type[SubmitJob]:
    """Return what the body of `newjob` must hold: with sign-in the token says who asks, and the body need not."""
    return SubmitJob if current().is_open else SubmitSignedIn


def named(command: SubmitJob, actor: Actor) -> SubmitJob:
    """Return a command with the names of whoever asks where it leaves them blank; without sign-in it stays as it is."""
    if current().is_open or (is_named(command.user_id) and is_named(command.user_name)):
        return command
    user_id = command.user_id if is_named(command.user_id) else actor.id
    own_name = actor.name if user_id == actor.id else user_id
    name = command.user_name if is_named(command.user_name) else own_name
    return command.model_copy(update={"user_id": user_id, "user_name": name})


def issuer_tokens() -> Tokens:
    """Return what checks the tokens of the running app, which has a sign-in."""
    return cast("Tokens", current().tokens)


def issuer_keys() -> IssuerKeys:
    """Return the keys of the issuer of the running app, which has a sign-in."""
    return cast("IssuerKeys", current().keys)


def owner(command: Named, actor: Actor) -> tuple[str, str]:
    """Return id and name of the person for whom a command is: whom it names, which for all but admins is who asks."""
    if _names_somebody(command) and command.user_id != actor.id:
        return command.user_id, command.user_name
    return actor.id, actor.name


def visitor(user_id: str, user_name: str) -> Actor:
    """Return who looks at a page: by their word while no sign-in is set, else whoever is signed in, or nobody."""
    gate = current()
    if gate.is_open:
        return actors.said(user_id, user_name, gate.settings.open_roles)
    found = signed_in()
    if found is None:
        return _NOBODY
    actor = _actor(found, gate)
    return actor if actor.name else Actor(actor.id, actor.id, actor.known, actor.roles, actor.is_admin)


def site(code: str) -> Actor:
    """Return the software of a site as an actor. Raises Forbidden when it shows the token of another site."""
    token: SiteTokenRow | None = g.get("site_token")
    if token is None:
        return actors.site(code)
    if token.site != code:
        _note_refusal(current(), code)
        raise Forbidden(f"Error: this token is one of site {shown(token.site)}, not of {shown(code)}")
    return Actor(code, token.name, Known.SITE)


def require_signed_in() -> None:
    """Raise Unauthorized when nobody is signed in, and what keeps it from being known whether somebody is."""
    _require_person()


def signed_in() -> Person | None:
    """Return who is signed in with this request, by token or by the pages' session; None when nobody is."""
    if "person" not in g:
        g.person = None  # for whoever asks again while it cannot be known
        g.person = _find_person()
    return cast("Person | None", g.person)


def _names_somebody(command: Named) -> bool:
    return "user_id" in command.model_fields_set and is_named(command.user_id)


def _know_session(gate: Gate) -> None:
    """Find out who is signed in by the pages' session before anything is read: whoever asks later waits for nothing."""
    if gate.is_open or not sessions.is_shown() or "Authorization" in request.headers:
        return
    try:
        signed_in()
    except Unavailable as error:
        g.person_unknown = error


def _check(gate: Gate, access: Access | None) -> None:
    if access is None:
        raise Forbidden(f"Error: it is not declared who may use {shown(request.path)}")
    if access is Access.SITE:
        _check_site(gate)
    elif access is Access.PERSON and not gate.is_open:
        _require_person()
    elif access is Access.ADMIN:
        _require_admin(gate)


def _check_site(gate: Gate) -> None:
    if gate.settings.site_tokens == "required":
        g.site_token = _site_token(gate)
    elif ANY_ORIGIN in gate.settings.allowed_origins and not browser_guard.from_our_pages():
        raise Forbidden("Error: a web page from elsewhere is no site; with a site token it would be believed to be one")


def _require_person() -> None:
    if signed_in() is None:
        if "person_unknown" in g:
            raise g.person_unknown
        raise Unauthorized("Error: sign in first: this needs a valid access token")


def _require_admin(gate: Gate) -> None:
    if gate.is_open:
        raise Forbidden("Error: nobody is an admin of this server while no sign-in is set; use `flask` on its PC")
    _require_person()
    if not _actor(cast(Person, g.person), gate).is_admin:
        raise Forbidden("Error: only an admin may do this")


def _find_person() -> Person | None:
    protector = current().protector
    if protector is None:
        return None
    if "Authorization" in request.headers:
        return protector.person()
    # A page from elsewhere may bring a token of its own, but not make use of a cookie that the browser adds.
    return sessions.person() if browser_guard.from_our_pages() else None


def _actor(found: Person, gate: Gate) -> Actor:
    is_admin = not set(gate.settings.admin_roles).isdisjoint(found.roles)
    return Actor(found.sub, found.name or "", Known.SIGNED_IN, found.roles, is_admin)


def _site_token(gate: Gate) -> SiteTokenRow:
    kind, _, shown_token = request.headers.get("Authorization", "").partition(" ")
    with reading() as connection:
        found = site_tokens.find(connection, shown_token.strip()) if kind.lower() == "bearer" else None
    if found is None:
        _note_refusal(gate, _site_in_body())
        raise Unauthorized(f"Error: this needs a valid site token; make one with `{program.command('tokens create')}`")
    now = clock.read()
    if now.wall_ms - gate.used_ms.get(found.id, 0) >= site_tokens.USED_EVERY_MS:
        gate.used_ms[found.id] = now.wall_ms
        with suppress(Unavailable), transaction(found.site) as connection:
            site_tokens.note_use(connection, found, now)
            site_refusals.note_over(connection, found.site)
    return found


def _note_refusal(gate: Gate, site: str) -> None:
    """Note now and then that the software of a site is refused: it may not tell anybody."""
    now = clock.read()
    is_one = not gate.settings.sites or site in gate.settings.sites
    if is_one and gate.refusals.is_due(site, now.wall_ms):
        with suppress(Unavailable), transaction(site) as connection:
            site_refusals.note(connection, site, request.headers.get("User-Agent", ""), now)


def _site_in_body() -> str:
    """Return the code of the site that a body names, or the address of a body that is a picture; blank for none."""
    if not 0 < (request.content_length or 0) <= _MOST_BODY_BYTES:
        return _site_in_address()
    try:
        site = strict_json.read_object(request.get_data(), "the body").get("site")
    except (ValueError, HTTPException):
        return _site_in_address()
    return site if isinstance(site, str) else ""


def _site_in_address() -> str:
    return request.args.get("site", "") if request.path.endswith("/preview") else ""
