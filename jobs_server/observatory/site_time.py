"""Times as people write them, who mean the clock on the wall of the site."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo


def time_ms(written: datetime, zone: tzinfo, name: str) -> int:
    """Return a time in ms since 1970 UTC; one without a zone is meant by the clocks of `zone`, which is called `name`.

    Raises ValueError in words for one that those clocks never show, or show twice, when they are set for summer time.
    """
    if written.tzinfo is not None:
        return _ms(written)
    first, second = (written.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if first.utcoffset() == second.utcoffset():
        return _ms(first)
    if _back(first, zone) != written:
        raise ValueError(
            f"{written:%H:%M} on {written:%Y-%m-%d} does not exist in {name}: the clocks go forward then; write another"
            f" time, or one with its offset such as {_with_offset(first)}"
        )
    raise ValueError(
        f"{written:%H:%M} on {written:%Y-%m-%d} comes twice in {name}: the clocks go back then; write it with its"
        f" offset, {_with_offset(first)} or {_with_offset(second)}"
    )


def _back(time: datetime, zone: tzinfo) -> datetime:
    return time.astimezone(UTC).astimezone(zone).replace(tzinfo=None, fold=0)


def _with_offset(time: datetime) -> str:
    return time.isoformat(timespec="minutes")


def _ms(time: datetime) -> int:
    since = time - datetime(1970, 1, 1, tzinfo=UTC)
    return since // timedelta(milliseconds=1)
