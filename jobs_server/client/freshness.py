"""How old a job is, by clocks that may differ and may be set."""

from __future__ import annotations

_CLOCKS_DIFFER_MS = 60_000  # how far a clock may be set back before that counts


def age_seconds(accepted_ms: int, server_ms: int | None, received_ms: int, here_ms: int) -> float | None:
    """Return a job's age, the larger of what the service's clock and this machine's show; None when nobody knows it.

    Two machines' clocks may differ, so each is compared with itself alone: the service's now (the `Date` of its reply)
    with when it accepted the job, this machine's now with when the job came here. A job that the service accepted in
    its own future, its clock having been set back, has an age that nobody knows.
    """
    if server_ms is None or server_ms < accepted_ms - _CLOCKS_DIFFER_MS:
        return None
    return max(server_ms - accepted_ms, here_ms - received_ms) / 1000
