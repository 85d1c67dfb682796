"""The pages on the LAN: server-rendered, without a database statement or a write of their own."""

from __future__ import annotations

from pathlib import Path

from flask import Flask
from flask_bootstrap import Bootstrap5
from werkzeug.exceptions import NotFound

from ..service import Service
from . import (  # noqa: F401  each adds its routes to the blueprint
    actions,
    api_docs,
    assets,
    configs,
    devices,
    failures,
    insights,
    jobs,
    kept_templates,
    night,
    notifications,
    now,
    own_list,
    pictures,
    plan_lists,
    plan_send,
    plan_steps,
    plans,
    queue,
    reservations,
    send,
    send_again,
    set_up,
    sign_in,
    site,
    site_admin,
    strip,
    texts,
    unchanged,
)
from .blueprint import bp
from .compiled_templates import FOLDER, CompiledTemplates

__all__ = ["register"]


def register(app: Flask, service: Service) -> None:
    """Add the pages to an app."""
    if not service.database.in_memory:
        app.jinja_env.bytecode_cache = CompiledTemplates(Path(service.settings.instance) / FOLDER)
    app.config["BOOTSTRAP_SERVE_LOCAL"] = True
    Bootstrap5(app)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    texts.install(app)
    app.register_blueprint(bp)
    app.register_error_handler(NotFound, set_up.lead_browsers)
