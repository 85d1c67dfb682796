"""Two commands, then a picture: docs/agent.md step by step, on other people's simulators and a real desk.

The tests send from the page Send, as a person does. An indiserver listens on all addresses, so none is started: each of
its drivers stands behind a relay on 127.0.0.1, which `find` is told.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import httpx
import pytest

from jobs_server.agent import sky
from jobs_server.agent.devices.interfaces import Horizontal, Place

from ..support import servers
from ..support.waiting import until
from . import drivers

DRIVERS = ("telescope", "ccd", "wheel", "focus")
PLACE = Place(47.7, 12.0, 1838.0)
OF_THE_ALPACA_MOUNT = Place(48.0, 8.0)
PATIENCE_SECONDS = 180.0
END_SECONDS = 60.0


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    with servers.running("serve", tmp_path_factory.mktemp("desk") / "instance") as server:
        yield server


class Person:
    """Somebody at the pages of one site."""

    def __init__(self, desk: servers.Server, site: str) -> None:
        self.site = site
        self._browser = httpx.Client(base_url=desk.url, trust_env=False, timeout=60)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._browser.close()

    def sends(self, device: str, instance: str, action: str, **fields: str) -> None:
        """Press Send, and once more where the page asks whether one is sure."""
        form = {"site": self.site, "do": "send", "device": device, "instance": instance, "action": action} | fields
        answer = self._browser.post("/send", data=form)
        if sure := re.search(r'name="sure" value="(\w+)"', answer.text):
            answer = self._browser.post("/send", data=form | {"sure": sure[1]})
        assert answer.status_code == 303, re.sub(r"<[^>]+>", " ", answer.text)

    def reads(self, path: str) -> Any:
        return self._browser.get(path, params={"site": self.site}).json()

    def sees_end_of(self, action: str) -> str:
        """Wait for the end of a job, and return it with its reason."""

        def ended() -> dict[str, Any] | None:
            jobs = self._browser.post("/getrecentjobs", json={"site": self.site}).json()
            found = next(job for job in jobs if job["action"] == action)
            return found if found["statusId"].split("#")[0] in ("COMPLETE", "FAILED", "CANCELED", "EXPIRED") else None

        job = until(ended, PATIENCE_SECONDS)
        assert job is not None
        about = {"site": self.site, "ulid": job["ulid"]}
        history = self._browser.post("/getjob", json=about).json()["history"]
        return f"{job['statusId'].split('#')[0]} {history[-1].get('message') or ''}".strip()


def command(folder: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "jobs_server", "agent", *arguments, "--config", str(folder / "agent.toml")]


def finds(folder: Path, desk: servers.Server, site: str, *addresses: str) -> str:
    where = ("--url", desk.url, "--site", site, "--no-network")
    done = subprocess.run(
        command(folder, "find", *addresses, *where),
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def environment(folder: Path) -> Mapping[str, str]:
    return servers.environment(folder / "instance") | {"PYTHONPATH": str(servers.ROOT)}


@contextmanager
def agent(folder: Path) -> Iterator[Path]:
    """`flask agent run` for the length of a block, ended by Ctrl-C; the file is what it printed."""
    log = folder / "agent.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command(folder, "run"), cwd=folder, env=environment(folder), stdout=output, stderr=output
        )
    try:
        yield log
        process.send_signal(signal.SIGINT)
        assert process.wait(END_SECONDS) == 0, log.read_text(encoding="utf-8")
    finally:
        process.kill()
        process.wait()


def star(place: Place) -> dict[str, str]:
    """A direction high in the sky of this moment, as people write it: no test waits for the night."""
    now = datetime.now(UTC)
    high = [sky.direction(Horizontal(70.0, azimuth), place, now) for azimuth in (0.0, 90.0, 180.0, 270.0)]
    sun = sky.sun(now)
    far = max(high, key=lambda each: sky.separation_degrees(each, sun))
    return {"ra": f"{far.ra_hours:.4f}", "dec": f"{far.dec_degrees:.4f}"}


def takes_a_picture(person: Person, folder: Path, place: Place, image_type: str) -> None:
    """Unpark, go to a star, expose; then the file lies in the folder and the picture is on the page."""
    until(lambda: person.reads("/capabilities")["devices"].get("camera/camera_1_1", {}).get("actions"))
    person.sends("mount", "mount1", "unpark")
    assert person.sees_end_of("unpark") == "COMPLETE"
    person.sends("mount", "mount1", "go", **star(place))
    assert person.sees_end_of("go") == "COMPLETE"
    person.sends("camera", "camera_1_1", "expose", time="0.5", image_type=image_type, count="1")
    assert person.sees_end_of("expose") == "COMPLETE"
    assert [path.suffix for path in (folder / "images").rglob("*") if path.is_file()] == [".fits"]
    assert until(lambda: person.reads("/previews"))


def test_the_first_picture_on_indi(desk: servers.Server, tmp_path: Path) -> None:
    """The INDI drivers of Debian."""
    where = ("--latitude", str(PLACE.latitude_degrees), "--longitude", str(PLACE.longitude_degrees))
    with ExitStack() as stack:
        person = stack.enter_context(Person(desk, "wmd"))
        running = [stack.enter_context(drivers.running(kind, tmp_path)) for kind in DRIVERS]
        found = finds(tmp_path, desk, "wmd", *(f"indi://127.0.0.1:{driver.port}" for driver in running), *where)
        assert [line.partition(":")[0] for line in found.splitlines()[:4]] == [
            *("mount mount1", "camera camera_1_1", "filter_wheel filter_wheel1", "focuser focuser1")
        ]
        with agent(tmp_path):
            takes_a_picture(person, tmp_path, PLACE, "light")


def test_the_first_picture_on_alpaca(desk: servers.Server, alpaca: str, tmp_path: Path) -> None:
    """The Alpaca simulators, which draw the sky of a light frame from a catalogue on the internet: a dark is taken.

    The place is the mount's own.
    """
    found = finds(tmp_path, desk, "mrc", alpaca)
    assert {"mount mount1", "camera camera_1_1"} <= {line.partition(":")[0] for line in found.splitlines()}
    with Person(desk, "mrc") as person, agent(tmp_path):
        takes_a_picture(person, tmp_path, OF_THE_ALPACA_MOUNT, "dark")
