"""Times in bodies: ISO 8601 with a zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from .values import as_next_midnight

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_END = datetime(9001, 1, 1, tzinfo=UTC)


def time_ms(text: object) -> int | None:
    """Read a time in ISO 8601 with its zone as milliseconds since 1970 UTC. Raises ValueError."""
    if text is None:
        return None
    if not isinstance(text, str):
        raise ValueError
    midnight, days = as_next_midnight(text.strip())
    read = datetime.fromisoformat(midnight)
    if read.tzinfo is None or not _EPOCH + timedelta(days=1) <= read < _END:
        raise ValueError
    since = read - _EPOCH + timedelta(days=days)
    return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000


_DATE, _CLOCK = r"(19[7-9]\d|2\d{3})-(0[1-9]|1[0-2])-([0-2]\d|3[01])", r"([01]\d|2[0-3]):[0-5]\d"
_ISO = rf"^{_DATE}T{_CLOCK}(:[0-5]\d(\.\d{{1,6}})?)?(Z|[+-]{_CLOCK})$"
TimeOrNone = Annotated[int | None, BeforeValidator(time_ms)]


def time_field(name: str, title: str) -> Any:
    """Return the field of a time that the wire calls by a name."""
    return Field(
        title=title,
        alias=name,
        description="a time in ISO 8601 with its zone, such as 2026-11-24T20:15:00Z or 2026-11-24T21:15:00+01:00",
        examples=["2026-11-24T20:15:00Z"],
        json_schema_extra={"anyOf": [{"type": "string", "pattern": _ISO}, {"type": "null"}]},
    )
