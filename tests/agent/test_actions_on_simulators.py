"""Jobs carried out on parts that others made: a filter, a slew and pictures, behind INDI and behind Alpaca."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from astropy.io import fits

from jobs_server.agent import abilities, actions
from jobs_server.agent.devices.settings import Settings
from jobs_server.agent.errors import Refused
from jobs_server.agent.observatory import Observatory
from jobs_server.agent.orders import Order
from jobs_server.agent.site_file import read

from ..support.waiting import PATIENCE_SECONDS
from . import drivers

HEAD = """
site = "wmd"
latitude_degrees = 47.7
longitude_degrees = 12.0
elevation_m = 1838
"""
REAL = Settings(settle_seconds=5.0, poll_seconds=0.1)
MOUNT = "min_altitude_degrees = -90\nsun_distance_degrees = 0\nset_place = true"


class Night:
    """An observatory of real parts, and what was shown of its frames."""

    def __init__(self, folder: Path, toml: str) -> None:
        path = folder / "agent.toml"
        path.write_text(HEAD + toml, encoding="utf-8")
        self.observatory = Observatory(read(path), REAL)
        self.shown: list[bytes] = []
        self.images = self.observatory.site_file.images

    def begin(self) -> None:
        self.observatory.start()
        for device in self.observatory.devices.values():
            device.wait_ready(PATIENCE_SECONDS)

    def carry_out(self, kind: str, action: str, **params: Any) -> dict[str, Any]:
        order = Order("01K0000000000000000000REAL", kind, f"{kind}1", action, params, user_name="Ada")
        with self.observatory.holding(*actions.devices_of(order, self.observatory)):
            return actions.carry_out(
                order, self.observatory, lambda *_: None, lambda shown, _: self.shown.append(shown)
            )

    def header(self, name: str) -> Any:
        (path,) = self.images.rglob(name)
        with fits.open(path) as parts:
            parts.verify("exception")
            return parts[0].header.copy()


@contextlib.contextmanager
def night(folder: Path, toml: str) -> Iterator[Night]:
    night = Night(folder, toml)
    try:
        night.begin()
        yield night
    finally:
        night.observatory.close()


def test_a_slew_a_filter_and_pictures_behind_indi(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        kinds = {"mount": "telescope", "camera": "ccd", "filter_wheel": "wheel", "focuser": "focus"}
        started = {kind: stack.enter_context(drivers.running(driver, tmp_path)) for kind, driver in kinds.items()}
        more = {"mount": MOUNT, "filter_wheel": 'aliases = { HA = "H_Alpha" }', "focuser": "um_per_step = 2.0"}
        toml = "\n".join(
            f'[{kind}.{kind}1]\ndriver = "{driver.address}"\n{more.get(kind, "")}' for kind, driver in started.items()
        )
        site = stack.enter_context(night(tmp_path, toml))
        can = abilities.of(site.observatory)
        assert "expose" in can["camera/camera1"]["actions"]
        assert "Red" in can["camera/camera1"]["filters"]
        site.carry_out("mount", "unpark")
        went = site.carry_out("mount", "go", ra="3.0", dec="+60 00 00")
        assert (went["ra"], went["dec"]) == pytest.approx((3.0, 60.0), abs=0.05)
        moved = site.carry_out("focuser", "move_absolute", position="100200")
        assert moved["position_um"] == 100_200
        taken = site.carry_out(
            "camera", "expose", time="0.2", image_type="light", filter="HA", count=2, bin=2, object_name="Ω Per"
        )
        assert taken["frames"] == 2
        for name in taken["files"]:
            found = site.header(name)
            assert (found["FILTER"], found["OBJECT"], found["IMAGETYP"]) == ("H_Alpha", "Omega Per", "Light Frame")
            assert (found["EXPTIME"], found["XBINNING"], found["FOCUSUM"]) == (0.2, 2, 100_200)
            assert (found["RA"], found["DEC"]) == pytest.approx((45.0, 60.0), abs=0.3)
            assert len(found["DATE-OBS"]) == len("2026-11-30T01:02:03.000")
        assert len(site.shown) == 2
        assert site.carry_out("camera", "expose", image_type="bias")["frames"] == 1
        with pytest.raises(Refused, match="there is no filter 'nothing'"):
            site.carry_out("camera", "expose", time=1, filter="nothing")
        site.carry_out("mount", "park")
        with pytest.raises(Refused, match="unpark it first"):
            site.carry_out("mount", "go", ra=3, dec=60)


def test_a_slew_a_filter_and_a_dark_behind_alpaca(alpaca: str, tmp_path: Path) -> None:
    kinds = {"mount": "telescope", "camera": "camera", "filter_wheel": "filterwheel", "enclosure": "dome"}
    toml = "\n".join(
        f'[{kind}.{kind}1]\ndriver = "{alpaca}/{path}/0"\n{MOUNT if kind == "mount" else ""}'
        for kind, path in kinds.items()
    )
    with night(tmp_path, toml) as site:
        give_place(site)
        site.carry_out("mount", "unpark")
        went = site.carry_out("mount", "go", az="100", alt="50")
        assert (went["az_degrees"], went["alt_degrees"]) == pytest.approx((100, 50), abs=0.2)
        wheel = site.observatory.wheel_of("camera1")
        assert wheel is not None
        name = wheel.filters()[1]
        assert site.carry_out("filter_wheel", "set_name", filter_name=name.upper()) == {"filter": name}
        taken = site.carry_out("camera", "expose", time="0.2", image_type="dark", zoom="2X")
        found = site.header(taken["files"][0])
        assert (found["FILTER"], found["IMAGETYP"], found["EXPTIME"]) == (name, "Dark Frame", 0.2)
        chip = site.observatory.devices["camera/camera1"].chip()  # type: ignore[attr-defined]
        assert (found["NAXIS1"], found["NAXIS2"]) == (chip.width // 2, chip.height // 2)
        assert len(site.shown) == 1
        assert site.carry_out("enclosure", "open")["shutter"] == "open"
        assert site.carry_out("enclosure", "slew_az", azimuth=390)["azimuth_degrees"] == pytest.approx(30, abs=1)
        assert site.carry_out("enclosure", "close")["shutter"] == "closed"


def give_place(site: Night) -> None:
    """Have the simulated mount stand where the file says; it stands somewhere else when it starts."""
    place = site.observatory.site_file.place
    assert place is not None
    site.observatory.devices["mount/mount1"].set_place(place, datetime.now(UTC))  # type: ignore[attr-defined]
