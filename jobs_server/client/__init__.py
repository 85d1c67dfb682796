"""The site's side: a small client for the software beside the telescope; it loads nothing of the server."""

from __future__ import annotations

from . import params
from .errors import (
    BadReply,
    BadRequest,
    Conflict,
    Forbidden,
    KeyReused,
    LockedOut,
    NotFound,
    Refused,
    SiteClientError,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    Unreachable,
)
from .job import HistoryEvent, Job
from .params import BadParameter, may_run_beside
from .readings import Preview
from .running_job import CANCELED, COMPLETE, FAILED, Canceled, ClaimedJob
from .site import SiteClient
from .stream import DevicesChange, JobChange, PresenceChange, PreviewChange, Reset

__all__ = [
    "CANCELED",
    "COMPLETE",
    "FAILED",
    "BadParameter",
    "BadReply",
    "BadRequest",
    "Canceled",
    "ClaimedJob",
    "Conflict",
    "DevicesChange",
    "Forbidden",
    "HistoryEvent",
    "Job",
    "JobChange",
    "KeyReused",
    "LockedOut",
    "NotFound",
    "PresenceChange",
    "Preview",
    "PreviewChange",
    "Refused",
    "Reset",
    "SiteClient",
    "SiteClientError",
    "TooManyRequests",
    "Unauthorized",
    "Unavailable",
    "Unreachable",
    "may_run_beside",
    "params",
]
