"""`GET /metrics`, for Prometheus: what is counted as it happens, and what is looked up when somebody asks.

A request costs one observation on a child that is found in a dict; everything that needs the database or the disk is
read at the scrape. Where one server is several processes they count into files in one folder (`SHARED`), and
whichever is asked adds them up.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any

from flask import Blueprint, Flask, Response, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from sqlalchemy import func, select

from .. import clock
from ..auth.access import Access, needs
from ..domain.lifecycle import (
    CANCELED,
    EXPIRED,
    LOST,
    RECEIVED,
    STARTED,
    UNFINISHED,
    UNREAD,
    Mark,
    Phase,
    Queue,
    Report,
    classify,
)
from ..errors import Forbidden, Unavailable
from ..jobs.operations import CommittedChange
from ..jobs.sql import in_phase
from ..service import Service, service
from ..storage import migrations
from ..storage.models import Job
from ..storage.statement import Connection, Statement
from ..upkeep import backups, checks
from ..upkeep.request_ids import Answer
from .describe import describe
from .shared_counts import SHARED

bp = Blueprint("metrics", __name__)

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_MOST_SITES = 100  # anybody can make up site codes
_OTHERS = "(others)"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})  # anybody can make up others
_OTHER = "(other)"
_NO_STEPS = (Mark.REPEATED, Mark.MOVED, Mark.EDITED)
"""Marks of events after which a job waits as before."""
_SERVER_STATUSES = {UNREAD, RECEIVED, STARTED, CANCELED, EXPIRED, LOST}
_WAITING = Statement(select(Job.site, func.count()).where(in_phase(Queue.PRIMARY, Phase.WAITING)).group_by(Job.site))
_IN_HANDS = Statement(
    select(Job.site, Job.phase, func.count()).where(in_phase(Queue.PRIMARY, *UNFINISHED)).group_by(Job.site, Job.phase)
)
_OLDEST = Statement(
    select(Job.site, func.min(Job.accepted_ms)).where(in_phase(Queue.PRIMARY, Phase.WAITING)).group_by(Job.site)
)


@bp.get("/metrics")
@describe(gives=str, refusals=(Forbidden,), media="text/plain")
@needs(Access.ANYBODY)
def get_metrics() -> Response:
    """Return all figures in Prometheus' text format, to those whom the settings let see them."""
    address = request.remote_addr or ""
    if not may_see(address, service().settings.metrics_from):
        raise Forbidden(f"Error: metrics are not for {address}; JOBS_METRICS_FROM names the networks that may see them")
    return Response(generate_latest(service().metrics.scraped), content_type=CONTENT_TYPE_LATEST)


def may_see(address: str, networks: Iterable[str]) -> bool:
    """Whether an address is in one of these networks."""
    try:
        asks = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    asks = getattr(asks, "ipv4_mapped", None) or asks
    return any(asks in ip_network(network, strict=False) for network in networks)


class Metrics:
    """Hold one app's figures."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.scraped = self.registry
        """What is scraped: what this process counts, or what all do, and what is looked up."""
        if SHARED in os.environ:
            self.scraped = CollectorRegistry()
            MultiProcessCollector(self.scraped)  # type: ignore[no-untyped-call]
        names = ("route", "method", "status")
        self._requests = Histogram(
            "jobs_request_seconds", "Time to answer.", names, buckets=_SECONDS, registry=self.registry
        )
        self._commits = Histogram(
            "jobs_commit_seconds", "Time that a commit took.", buckets=_SECONDS, registry=self.registry
        )
        self._events = Counter("jobs_events", "Steps of jobs.", ("site", "step"), registry=self.registry)
        self._request_children: dict[tuple[str, str, int], Any] = {}
        self._event_children: dict[tuple[str, str], Any] = {}
        self._sites: set[str] = set()

    def answered(self, answer: Answer) -> None:
        """Count a request."""
        rule = answer.request.url_rule
        method = answer.environ["REQUEST_METHOD"]
        key = (rule.rule if rule else "(none)", method if method in _METHODS else _OTHER, answer.status)
        child = self._request_children.get(key)
        if child is None:
            child = self._request_children[key] = self._requests.labels(*key)
        child.observe(answer.seconds)

    def committed(self, seconds: float) -> None:
        """Note how long a commit took."""
        self._commits.observe(seconds)

    def changed(self, changes: Sequence[CommittedChange]) -> None:
        """Count what happened to jobs."""
        for change in changes:
            if change.event.mark in _NO_STEPS:
                continue
            key = (self._site(change.job.site), _step(change.event.status))
            child = self._event_children.get(key)
            if child is None:
                child = self._event_children[key] = self._events.labels(*key)
            child.inc()

    def _site(self, site: str) -> str:
        if site not in self._sites:
            if len(self._sites) >= _MOST_SITES:
                return _OTHERS
            self._sites.add(site)
        return site


class LookedUp(Collector):
    """Look up, at each scrape, what nobody counts."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> Iterator[Metric]:
        """Return the figures; those that cannot be had now are left out."""
        try:
            with self._service.database.reading() as connection:
                yield from _queue_figures(connection)
                yield from _sizes(database=migrations.storage(connection).size_bytes)
        except Unavailable:
            yield GaugeMetricFamily("jobs_database_up", "Whether the database can be read.", 0)
        else:
            yield GaugeMetricFamily("jobs_database_up", "Whether the database can be read.", 1)
        yield from self._live()
        yield from self._files()

    def _live(self) -> Iterator[Metric]:
        live = self._service.feed
        streams, polls = live.counts()
        yield GaugeMetricFamily("jobs_streams", "Live streams.", streams)
        yield GaugeMetricFamily("jobs_waiting_polls", "Polls that wait for a job.", polls)
        if self._service.sockets is not None:
            yield GaugeMetricFamily("jobs_sockets", "WebSockets of the public UI.", self._service.sockets.count)
        yield GaugeMetricFamily("jobs_replays", "Polls answered with what their claim id had got before.", live.replays)
        silence = GaugeMetricFamily("jobs_site_silence_seconds", "Since a site's software asked.", labels=("site",))
        for site in sorted(live.presence.sites())[:_MOST_SITES]:
            last_ms = live.presence.seen(site, Queue.PRIMARY).last_poll_ms
            if last_ms is not None:
                silence.add_metric((site,), max(0, clock.now_ms() - last_ms) / 1000)
        yield silence

    def _files(self) -> Iterator[Metric]:
        settings = self._service.settings
        yield from _sizes(**checks.file_sizes(settings.url))
        try:
            made = backups.listed(settings.backups) if checks.file_of(settings.url) else []
        except OSError:
            return
        now = clock.utc_now()
        if newest := backups.newest(made, now):
            age = max(0.0, (now - newest.made).total_seconds())
            yield GaugeMetricFamily("jobs_backup_age_seconds", "Since the newest backup was made.", age)


def _sizes(**files: int | None) -> Iterator[Metric]:
    sizes = GaugeMetricFamily("jobs_database_bytes", "Size of the database's files.", labels=("file",))
    for name, size_bytes in files.items():
        if size_bytes is not None:
            sizes.add_metric((name,), size_bytes)
    if sizes.samples:
        yield sizes


def _queue_figures(connection: Connection) -> Iterator[Metric]:
    steps = GaugeMetricFamily("jobs_in_step", "Unfinished jobs by how far they are.", labels=("site", "step"))
    for site, count in connection.rows(_WAITING)[:_MOST_SITES]:
        steps.add_metric((site, Phase.WAITING.value), count)
    for site, phase, count in connection.rows(_IN_HANDS)[: _MOST_SITES * len(UNFINISHED)]:
        steps.add_metric((site, phase), count)
    yield steps
    oldest = GaugeMetricFamily("jobs_oldest_waiting_seconds", "Age of the oldest waiting job.", labels=("site",))
    for site, accepted_ms in connection.rows(_OLDEST)[:_MOST_SITES]:
        oldest.add_metric((site,), max(0, clock.now_ms() - accepted_ms) / 1000)
    yield oldest


@lru_cache(256)
def _step(said: str) -> str:
    """Name a step; a status of the site's own is counted by what it means, lest each makes a figure of its own."""
    status = said.upper()
    if status in _SERVER_STATUSES:
        return status.lower()
    return "ended" if classify(status) is Report.END else "running"


def register(app: Flask, service: Service) -> None:
    """Count what a service does, and register the route that returns the figures."""
    metrics = service.metrics
    metrics.scraped.register(LookedUp(service))
    service.database.on_changes.append(metrics.changed)
    service.database.on_commit_seconds.append(metrics.committed)
    service.answer_listeners.append(metrics.answered)
    app.register_blueprint(bp)
