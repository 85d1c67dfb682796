"""Between two ranks there is always another, and a new job comes behind all that wait."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jobs_server.domain import ranks
from jobs_server.jobs.operations import next_ulid

MOVES = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=80)


def test_a_thousand_jobs_are_put_before_the_same_one_each_behind_the_one_before() -> None:
    first, last = next_ulid(None, 1), next_ulid(next_ulid(None, 1), 1)
    placed = [min(first, last)]
    for _ in range(1000):
        placed.append(ranks.between(placed[-1], max(first, last)))
    assert placed == sorted(set(placed))
    assert placed[-1] < max(first, last)


@given(st.integers(2, 12), MOVES)
def test_whatever_is_moved_comes_where_it_was_put_and_a_new_job_behind_all(
    jobs: int, moves: list[tuple[int, int]]
) -> None:
    waiting, newest = list[str](), ""
    for _ in range(jobs):
        newest = next_ulid(newest or None, 1_800_000_000_000)
        waiting.append(newest)
    for which, before in moves:
        waiting.pop(which % len(waiting))
        place = before % (len(waiting) + 1)
        low = waiting[place - 1] if place else ranks.LOWEST
        rank = ranks.between(low, waiting[place]) if place < len(waiting) else ranks.behind(low, newest)
        waiting.insert(place, rank)
        assert waiting == sorted(set(waiting))
        newest = next_ulid(newest, 1_800_000_000_000)
        assert newest > waiting[-1]
        waiting.append(newest)


def test_jobs_that_are_ranked_anew_keep_their_order_with_short_ranks() -> None:
    ulids = ["01C", "01A", "01B"]
    assert ranks.anew(ulids) == ["01A", "01B", "01C"]
