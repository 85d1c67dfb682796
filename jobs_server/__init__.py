"""The command desk of an observatory: people post jobs, the telescope's software carries them out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask


def create_app(config: Mapping[str, object] | None = None) -> Flask:
    """Make the app; `config` holds settings by name (such as `DATABASE_URL`) and Flask's own keys.

    Nothing is written: the database is prepared when serving begins (`serving.begin`), except one in memory, which
    lives no longer than the app. Raises ConfigError when a setting is wrong or unknown.
    """
    # Imported here, so that `import jobs_server.client` loads nothing of the server.
    from pathlib import Path

    from . import auth, cli, web
    from . import config as configuration
    from .api import calendar, health, jobs, live, metrics, problems
    from .auth import browser_guard, cors
    from .jobs import limits, remote_calendar
    from .live import feed, sse
    from .storage import database, notifications
    from .upkeep import logs, request_ids, startup

    app = request_ids.App(__name__, instance_relative_config=True)
    flask_keys, overrides = configuration.split(config or {}, app.default_config)
    loaded = configuration.load(Path(app.instance_path), overrides)
    settings = loaded.settings
    app.extensions[configuration.EXTENSION] = loaded
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
    database.init_app(app, settings.database_timeout_seconds)
    request_ids.register(app)
    logs.register(app)
    notifications.init_app(app)
    feed.init_app(app, app.extensions[database.EXTENSION], settings, sse.render)
    for blueprint in (jobs.bp, live.bp):
        app.register_blueprint(blueprint, url_prefix="/jobs")
        app.register_blueprint(blueprint, name=f"{blueprint.name}_at_root")
    health.register(app)
    app.register_blueprint(calendar.bp)
    metrics.register(app)
    web.register(app)
    problems.register(app)
    browser_guard.guard(app, settings)
    auth.register(app)
    limits.register(app)
    remote_calendar.register(app)
    auth.sessions.set_up(app, settings)
    auth.oidc_login.set_up(app, settings)
    cors.allow(app, settings.allowed_origins)
    cli.register(app)
    startup.set_up(app)
    return app
