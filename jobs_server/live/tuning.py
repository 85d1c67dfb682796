"""How long the feed and its streams wait for what."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class FeedTimes:
    """Times of the feed, all in seconds."""

    gather_seconds: float = 0.01
    """What follows a commit within this time goes out with it, since each round wakes all viewers."""
    look_seconds: float = 0.01
    """How soon another process's commit is seen on SQLite while a poll waits for it."""
    watch_seconds: float = 0.025
    """How soon it is seen while only viewers wait: they see it soon enough, and every look wakes the processor."""
    slow_look_seconds: float = 0.5
    """How soon it is seen on PostgreSQL while the notices of other servers cannot be heard."""
    lost_notice_seconds: float = 5.0
    """How soon it is seen on PostgreSQL should a notice be lost."""
    tend_seconds: float = 1.0
    """How often the feed looks for clients that have disconnected or do not read."""
    first_pause_seconds: float = 0.25
    """How long the feed pauses after its first failure; each further pause is twice as long."""
    longest_pause_seconds: float = 4.0
    slow_reader_seconds: float = 30.0
    """How long a reader may take over one message before it is dropped."""
    comment_seconds: float = 15.0
    """After how long a stream without news carries a sign of life."""
