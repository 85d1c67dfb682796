"""Which of the connections that keep the server waiting have to go."""

from __future__ import annotations

import ipaddress

import pytest

from jobs_server.config import Settings
from jobs_server.front.bounds import Bounds, bounds_of
from jobs_server.front.stalls import Stalls

SCHOOL, OTHER = "192.0.2.1", "192.0.2.2"


class Stalled:
    """A connection that keeps the server waiting."""

    def __init__(self, since: float, address: str = SCHOOL, held_bytes: int = 0, counted: bool = True) -> None:
        self.address, self.since, self.until = address, since, since + 10
        self.held_bytes, self._counted = held_bytes, counted
        self.is_cut = False

    def counts(self, _now: float) -> bool:
        return self._counted

    def cut(self) -> None:
        self.is_cut = True


def put(stalls: Stalls, *connections: Stalled) -> None:
    for each in connections:
        stalls.enter(each)


def cut(connections: list[Stalled]) -> list[int]:
    return [number for number, each in enumerate(connections) if each.is_cut]


def test_of_one_address_the_longest_stalled_goes_and_never_the_newest() -> None:
    stalls, connections = Stalls(Bounds()), [Stalled(number / 100) for number in reversed(range(50))]
    others = [Stalled(0, OTHER) for _ in range(48)]
    put(stalls, *connections, *others)
    stalls.sweep(1)
    assert cut(connections) == [48, 49]  # the last of the list have been stalled longest
    assert not cut(others)
    assert stalls.count == 96


def test_an_answer_that_is_being_taken_does_not_count() -> None:
    stalls, taken = Stalls(Bounds()), [Stalled(0, counted=False) for _ in range(100)]
    put(stalls, *taken)
    stalls.sweep(1)
    assert not cut(taken)


def test_what_is_overdue_goes() -> None:
    stalls, connections = Stalls(Bounds()), [Stalled(0), Stalled(5)]
    put(stalls, *connections)
    stalls.sweep(10)
    assert cut(connections) == [0]


def test_what_all_hold_is_bounded_across_addresses() -> None:
    stalls = Stalls(Bounds(held_bytes=100))
    connections = [Stalled(number, f"192.0.2.{number}", held_bytes=40) for number in range(1, 5)]
    put(stalls, *connections)
    stalls.sweep(5)
    assert cut(connections) == [0, 1]


def test_one_that_holds_more_than_all_may_is_left_alone() -> None:
    stalls, large = Stalls(Bounds(held_bytes=100)), Stalled(0, held_bytes=400)
    put(stalls, large)
    stalls.sweep(1)
    assert not large.is_cut


@pytest.mark.parametrize(
    ("address", "cap"),
    [("127.0.0.1", 256), ("::1", 256), ("127.0.0.2", 48), ("192.0.2.1", 48), ("fe80::1%eth0", 48), ("", None)],
)
def test_this_pc_has_a_larger_cap_and_a_unix_socket_none(address: str, cap: int | None) -> None:
    assert bounds_of(Settings(), {"trusted_proxies": "default"}).cap(address) == cap


def test_a_proxy_that_the_operator_named_is_exempt() -> None:
    settings = Settings(trusted_proxies=("192.0.2.0/24", "127.0.0.1"))
    bounds = bounds_of(settings, {"trusted_proxies": "environment JOBS_TRUSTED_PROXIES"})
    assert bounds.exempt == (ipaddress.ip_network("192.0.2.0/24"), ipaddress.ip_network("127.0.0.1/32"))
    assert [bounds.cap(each) for each in ("192.0.2.7", "127.0.0.1", "192.0.3.1")] == [None, None, 48]
