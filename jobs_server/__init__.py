"""The command desk of an observatory: people post jobs, the telescope's software carries them out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flask import Flask

    from .config import Loaded, Settings
    from .live.feed import Feed
    from .service import Service
    from .storage.database import Database


def create_app(config: Mapping[str, object] | None = None) -> Flask:
    """Make the app; `config` holds settings by name (such as `DATABASE_URL`) and Flask's own keys.

    Nothing is written: the database is prepared when serving begins (`startup.begin`), except one in memory, which
    lives no longer than the app. Raises ConfigError when a setting is wrong or unknown.
    """
    # Imported here, so that `import jobs_server.client` loads nothing of the server.
    from .upkeep.loading import collecting_seldom

    with collecting_seldom():
        return _app(config or {})


def _app(config: Mapping[str, object]) -> Flask:
    from pathlib import Path

    from . import cli, web
    from . import config as configuration
    from .api import calendar, health, jobs, live, metrics, plans, problems, queue, state, targets
    from .api.fast_path import App
    from .auth import browser_guard, cors, gate, sessions
    from .front import bounds, flask_run
    from .service import EXTENSION
    from .storage import database
    from .upkeep import logs, request_ids, startup

    app = App(__name__, instance_relative_config=True)
    flask_keys, overrides = configuration.split(config, app.default_config)
    loaded = configuration.load(Path(app.instance_path), overrides)
    settings = loaded.settings
    app.config.from_mapping(
        {
            "MAX_CONTENT_LENGTH": settings.max_body_bytes,
            "SQLALCHEMY_DATABASE_URI": settings.url,
            "SQLALCHEMY_ENGINE_OPTIONS": database.engine_options(
                settings.url,
                settings.threads,
                settings.database_connections,
                settings.database_timeout_seconds,
            ),
        }
        | flask_keys
    )
    # Clients must never meet a redirect: some forbid them, and a redirected POST loses its body.
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.extensions[EXTENSION] = made = _service(app, loaded, flask_keys)
    request_ids.register(app, made.answer_listeners)
    logs.register(made)
    for blueprint in (jobs.bp, queue.bp, plans.bp, live.bp, state.bp, targets.bp):
        app.register_blueprint(blueprint, url_prefix="/jobs")
        app.register_blueprint(blueprint, name=f"{blueprint.name}_at_root")
    app.register_blueprint(health.bp)
    app.register_blueprint(calendar.bp)
    if made.companion is not None:
        from .api import companion

        companion.register(app)
    metrics.register(app, made)
    web.register(app, made)
    problems.register(app)
    browser_guard.guard(app, settings)
    gate.guard(app, made.gate)
    sessions.set_up(app, settings)
    cors.allow(app, settings.allowed_origins, changes=("PUT", "DELETE") if made.companion is not None else ())
    cli.register(app)
    startup.set_up(app)
    flask_run.set_up(app, bounds.bounds_of(settings, loaded.origins))
    return app


def _service(app: Flask, loaded: Loaded, flask_keys: Mapping[str, object]) -> Service:
    """Make what an app is made of."""
    from pathlib import Path

    from .api.metrics import Metrics
    from .auth import oidc_login
    from .auth.gate import Gate
    from .history.plan_times import PlanTimes
    from .jobs.desk import Desk
    from .jobs.limits import Limits
    from .jobs.plan_desk import PlanDesk
    from .jobs.plan_hindrances import Releasing
    from .jobs.remote_calendar import RemoteCalendar
    from .live import sse
    from .live.feed import feed_of
    from .observatory.profiles import ProfilesFile
    from .service import Service
    from .state.plan_targets import PlanTargets
    from .storage.app_database import database_of
    from .storage.notifications import listener_of
    from .upkeep.checks import Health
    from .upkeep.maintenance import DailyWork

    settings = loaded.settings
    database = database_of(app, settings, flask_keys)
    listener = listener_of(database)
    limits = Limits(settings)
    calendar = RemoteCalendar(settings.calendar_url) if settings.calendar_url else None

    def on_duty() -> bool:
        return listener is None or listener.on_duty

    profiles = ProfilesFile(Path(settings.instance))
    releasing = Releasing(settings=settings, is_at_once=profiles.is_at_once, targets=PlanTargets(profiles))
    feed = feed_of(database, settings, sse.render)
    said, forget = _said_by_sites(settings, database, feed, on_duty)
    return Service(
        settings=settings,
        origins=loaded.origins,
        database=database,
        listener=listener,
        feed=feed,
        limits=limits,
        calendar=calendar,
        desk=Desk(settings=settings, database=database, limits=limits, calendar=calendar),
        plans=PlanDesk(releasing=releasing, database=database, limits=limits, calendar=calendar),
        plan_times=PlanTimes(),
        profiles=profiles,
        gate=Gate(settings),
        sign_in=oidc_login.client_of(app, settings),
        **said,
        daily_work=DailyWork(settings, database, on_duty, forget=forget),
        health=Health(),
        metrics=Metrics(),
        answer_listeners=[],
    )


def _said_by_sites(
    settings: Settings, database: Database, feed: Feed, on_duty: Callable[[], bool]
) -> tuple[dict[str, Any], Callable[[int], None]]:
    """Make what keeps and shows what sites say of themselves, and what forgets the old of it at a time."""
    from functools import partial

    from .live.site_news import SiteNews
    from .state.devices import DeviceStates
    from .state.previews import Previews, before_days
    from .state.storing import Storing, stored_states
    from .state.storing import prune as prune_states

    devices = DeviceStates(partial(stored_states, database))
    storing = Storing(database, devices, on_duty)
    previews = Previews(database, settings.previews, settings.preview_mb)
    feed.site_news = SiteNews(devices, previews, database)
    for source in (devices, previews):
        source.on_news.append(feed.wake_viewers)
    storing.also.append(previews.look)
    companion = sockets = None
    if settings.companion == "on":
        from .live.datastream import sockets_of
        from .state.companion import Companion

        companion = Companion(database, devices, storing)
        sockets = sockets_of(companion, feed)

    def forget(now_ms: int) -> None:
        prune_states(database, now_ms)
        if companion is not None:
            companion.prune(now_ms)
        previews.prune(before_days(now_ms, settings.preview_days))

    said = {"devices": devices, "storing": storing, "previews": previews, "companion": companion, "sockets": sockets}
    return said, forget
