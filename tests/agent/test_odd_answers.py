"""Devices whose drivers say what nobody would: NaN for a limit, a list for a frame, a declination beyond the pole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from jobs_server.agent.devices.alpaca_mount import AlpacaMount
from jobs_server.agent.errors import BadReply
from jobs_server.client import SiteClient

from ..support.waiting import until
from . import fake_alpaca, fake_indi
from .conftest import Opens
from .fake_alpaca import FakeAlpaca
from .fake_indi import FakeIndi
from .running import STAR, table
from .site import Site


@pytest.fixture
def telescope() -> Iterator[FakeAlpaca]:
    with fake_alpaca.serving() as server:
        fake_alpaca.be_mount(server)
        server.values |= {"sitelatitude": 47.7, "sitelongitude": 12.0, "siteelevation": 0.0}
        yield server


@pytest.mark.parametrize("limits", [("nan", "nan"), ("inf", "-inf"), ("x", "")])
def test_limits_that_are_no_numbers_are_none(opens: Opens, limits: Any) -> None:
    with closing(fake_indi.camera()) as server:
        server.define("Number", "CCD_BINNING", {"HOR_BIN": 1, "VER_BIN": 1}, limits=limits)
        server.define("Number", "CCD_EXPOSURE", {"CCD_EXPOSURE_VALUE": 0.0}, limits=limits)
        chip = opens("camera", server.address).chip()
        assert (chip.largest_binning, chip.shortest_seconds, chip.longest_seconds) == ((1, 1), 0.0, None)
    with closing(FakeIndi()) as server:
        server.define("Number", "FILTER_SLOT", {"FILTER_SLOT_VALUE": 1}, limits=limits)
        server.define("Text", "FILTER_NAME", {"FILTER_SLOT_NAME_1": "Red", "FILTER_SLOT_NAME_2": "Green"})
        assert opens("filter_wheel", server.address).filters() == ("Red", "Green")


def test_members_that_are_not_there_have_no_limits(opens: Opens) -> None:
    with closing(fake_indi.camera()) as server:
        server.define("Number", "CCD_BINNING", {"OTHER": 1})
        assert opens("camera", server.address).chip().largest_binning == (1, 1)
    with closing(FakeIndi()) as server:
        server.define("Number", "ABS_FOCUS_POSITION", {"OTHER": 1})
        assert opens("focuser", server.address).limits() is None


def test_a_wheel_of_a_thousand_million_slots_has_those_that_fit_in_memory(opens: Opens) -> None:
    with closing(FakeIndi()) as server:
        server.define("Number", "FILTER_SLOT", {"FILTER_SLOT_VALUE": 1}, limits=(1, 1e9))
        assert len(opens("filter_wheel", server.address).filters()) == 100


def test_a_clock_at_the_end_of_all_time_is_none(opens: Opens, mount: FakeIndi) -> None:
    mount.set("TIME_UTC", "Ok", UTC="9999-12-31T23:59:59")
    device = opens("mount", mount.address)
    until(lambda: device.clock() is None)


@pytest.mark.parametrize("dec", [1e300, -2147483648, 90.5])
def test_a_declination_beyond_the_pole_is_no_direction(
    opens: Opens, mount: FakeIndi, telescope: FakeAlpaca, dec: float
) -> None:
    mount.set("EQUATORIAL_EOD_COORD", "Ok", DEC=dec)
    telescope.values["declination"] = dec
    for device in (opens("mount", mount.address), opens("mount", telescope.address("telescope"))):
        with pytest.raises(BadReply, match="are no direction"):
            device.position()
        assert device.state()["connected"] in {True, False}


def test_a_frame_that_is_a_list_is_taken_for_that_of_date(opens: Opens, telescope: FakeAlpaca) -> None:
    telescope.values["equatorialsystem"] = [1, 2]
    state = opens("mount", telescope.address("telescope")).state()
    assert (state["connected"], state["status"]) == (True, "tracking")


def test_a_device_comes_back_from_what_nobody_thought_of(
    client: SiteClient, telescope: FakeAlpaca, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the thread that keeps it, nor the one that looks at it, nor that of its state ends by such an answer."""
    odd = {"_prepare": 2, "is_moving": 2, "state": 2}

    def stumbles(name: str) -> Any:
        real = getattr(AlpacaMount, name)

        def stumble(*asked: Any) -> Any:
            if odd[name]:
                odd[name] -= 1
                raise ZeroDivisionError(name)
            return real(*asked)

        return stumble

    for name in odd:
        monkeypatch.setattr(AlpacaMount, name, stumbles(name))
    with Site(client, tmp_path, table("mount", telescope, alpaca_kind="telescope")) as site:
        assert site.ends(site.sends("mount", "go", STAR)) == ("COMPLETE", "")
        until(lambda: site.state("mount/mount1").get("status") == "tracking")
    assert not any(odd.values())
