"""Measure what it costs to count requests, beside not counting them: `python -m benchmarks.limiter`.

By the service's own window; by Flask-Limiter with its hooks, as its manual sets it up; and by
Flask-Limiter's decorator without the hooks.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

from flask import Flask
from flask_limiter import Limiter
from werkzeug.test import EnvironBuilder

from jobs_server.jobs.limits import MovingWindow

_MANY = 10**9  # a second: none is refused


def plain() -> Flask:
    """Make an app that counts nothing."""
    return _app(lambda: None)


def counted_by_the_window() -> Flask:
    """Make an app that counts as the service does."""
    window = MovingWindow(_MANY, "second")
    return _app(lambda: window.hit("vera"))


def with_the_hooks() -> Flask:
    """Make an app with Flask-Limiter whose route has no limit."""
    app = plain()
    _limiter().init_app(app)
    return app


def counted_by_the_decorator() -> Flask:
    """Make an app whose view calls what Flask-Limiter's decorator limits, without the hooks."""
    limiter = _limiter()

    def count() -> None: ...

    # Called and not written above the function: mypy calls it untyped where Flask-Limiter is missing.
    app = _app(limiter.shared_limit(f"{_MANY} per second", "jobs")(count))
    _set_up_without_hooks(limiter, app)
    return app


APPS = {
    "the service's own window, where it counts": counted_by_the_window,
    "Flask-Limiter with its hooks, on a route without a limit": with_the_hooks,
    "Flask-Limiter's decorator without the hooks, where it counts": counted_by_the_decorator,
}


def _limiter() -> Limiter:
    return Limiter(lambda: "vera", storage_uri="memory://", strategy="moving-window")


def _set_up_without_hooks(limiter: Limiter, app: Flask) -> None:
    app.extensions["limiter"] = {limiter}  # it takes its hooks for set already
    limiter.init_app(app)


def measure(rounds: int, requests: int) -> dict[str, float]:
    """Return, by what counts, the median over the rounds of how many times the plain app's work a request takes."""
    floor, apps = plain(), {name: make() for name, make in APPS.items()}
    ratios: dict[str, list[float]] = {name: [] for name in apps}
    for _ in range(rounds):
        floor_seconds = _run(floor, requests)
        for name, app in apps.items():
            ratios[name].append(_run(app, requests) / floor_seconds)
    return {name: statistics.median(found) for name, found in ratios.items()}


def _app(count: Callable[[], object]) -> Flask:
    app = Flask("limiter")

    @app.get("/")
    def view() -> str:
        count()
        return "done"

    return app


def _run(app: Flask, requests: int) -> float:
    environ = EnvironBuilder("/").get_environ()
    began = time.thread_time()
    for _ in range(requests):
        b"".join(app.wsgi_app(dict(environ), lambda *_: lambda _: None))
    return time.thread_time() - began


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--requests", type=int, default=2000)
    given = parser.parse_args()
    print("| what counts | times the work of a request that nobody counts |\n| --- | --- |")
    for name, ratio in measure(given.rounds, given.requests).items():
        print(f"| {name} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
