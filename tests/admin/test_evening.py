"""The evening of a demonstration is believable: dark where it is, with jobs of every end, pictures and what comes."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from jobs_server import clock, create_app
from jobs_server.admin import evening_sky
from jobs_server.admin.evening import CODE, Evening
from jobs_server.history import now
from jobs_server.jobs import plan_queries, reservations
from jobs_server.observatory import sky
from jobs_server.service import service_of
from jobs_server.simulator import stars, weather
from jobs_server.upkeep import startup

from ..support import databases

HOUR_MS = evening_sky.HOUR_MS


@pytest.mark.parametrize("hour", range(0, 24, 3))
@pytest.mark.parametrize("month", [3, 6, 9, 12])
def test_whenever_the_demo_is_begun_it_is_night_at_its_site_for_hours(month: int, hour: int) -> None:
    at_ms = round(datetime(2027, month, 20, hour, 30, tzinfo=UTC).timestamp() * 1000)
    spot, since_ms = evening_sky.spot_at_night(at_ms)
    (span,) = sky.spans(spot.place, at_ms, at_ms + 2 * HOUR_MS)
    assert span.light == "night"
    assert HOUR_MS <= at_ms - since_ms <= 7 * HOUR_MS
    assert evening_sky.high(spot, at_ms, at_ms + HOUR_MS)


def test_the_evening_has_jobs_of_every_end_pictures_a_plan_and_reservations_that_keep_nobody_away(
    tmp_path: Path,
) -> None:
    app = create_app({"TESTING": True, "BALLAST_MB": 0} | databases.at(tmp_path))
    startup.prepare(app)
    Evening(app, stars.picture, weather.at, seed=5).write()
    service, at_ms = service_of(app), clock.now_ms()
    with service.database.snapshot() as connection:
        present = now.present(connection, CODE)
        assert {each.timing.result for each in present.latest if each.timing.result} >= {"done", "failed"}
        assert all(each.timing.why for each in present.latest if each.timing.result == "failed")
        assert [plan.title for plan in plan_queries.open_at(connection, CODE)]
        assert len(reservations.between(connection, CODE, at_ms, at_ms + 72 * HOUR_MS)) == 3
        assert not reservations.at(connection, CODE, at_ms + 2 * HOUR_MS)
        assert present.waiting_count == 3
    assert service.profiles.all()[CODE].place
    assert len(service.previews.since(CODE, 0)) == 5
    service.database.close()
