"""`flask agent find` and `check`: a first agent.toml from what is there, and a table of what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from jobs_server.__main__ import main
from jobs_server.agent import finding, site_file
from jobs_server.agent.devices.interfaces import Place
from jobs_server.agent.discovery import Found
from jobs_server.cli import agent as command

from . import fake_alpaca, fake_indi
from .fake_alpaca import FakeAlpaca
from .fake_indi import FakeIndi
from .test_alpaca import answers_discovery

PLACE = ("--latitude", "47.7", "--longitude", "12", "--elevation", "1838")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the file is to be, beside an installation that knows nothing."""
    monkeypatch.setenv("JOBS_INSTANCE", str(tmp_path / "instance"))
    return tmp_path / "agent.toml"


@pytest.fixture
def mount() -> Iterator[FakeIndi]:
    with closing(fake_indi.mount()) as server:
        yield server


@pytest.fixture
def alpaca() -> Iterator[FakeAlpaca]:
    with fake_alpaca.serving() as server:
        fake_alpaca.be_camera(server)
        server.values["configureddevices"] = [
            {"DeviceName": "Sky Camera", "DeviceType": "Camera", "DeviceNumber": 0, "UniqueID": "x"}
        ]
        yield server


def calls(name: str, config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["agent", name, "--config", str(config), *arguments], catch_exceptions=False)


def finds(config: Path, *arguments: str) -> Result:
    return calls("find", config, "--no-network", *arguments)


def server_of(mount: FakeIndi) -> str:
    return f"indi://127.0.0.1:{mount.port}"


def test_a_first_file_names_what_servers_have_and_is_right(config: Path, mount: FakeIndi, alpaca: FakeAlpaca) -> None:
    done = finds(config, server_of(mount), f"alpaca://127.0.0.1:{alpaca.port}", "--site", "mrc", *PLACE)
    assert done.exit_code == 0
    assert "mount mount1: Mount\ncamera camera_1_1: Sky Camera\n" in done.stdout
    found = site_file.read(config)
    assert (found.site, found.url, found.place) == ("mrc", "http://127.0.0.1:5000", Place(47.7, 12.0, 1838.0))
    assert {key: lines.driver for key, lines in found.devices.items()} == {
        "mount/mount1": mount.address,
        "camera/camera_1_1": alpaca.address("camera"),
    }
    lines = found.devices["mount/mount1"]
    assert isinstance(lines, site_file.MountLines)
    assert lines.set_place
    assert 'mount = "mount1"' in config.read_text(encoding="utf-8")


def test_alpaca_servers_of_the_network_are_asked_for(
    config: Path, alpaca: FakeAlpaca, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, port = answers_discovery(b'{"AlpacaPort": %d}' % alpaca.port)
    monkeypatch.setattr(finding, "TARGETS", (("127.0.0.1", port),))
    with closing(asked):
        done = calls("find", config)
    assert (done.exit_code, list(site_file.read(config).devices)) == (0, ["camera/camera_1_1"])
    assert f"asking alpaca://127.0.0.1:{alpaca.port}" in done.stderr


def test_a_file_that_is_there_is_written_over_only_by_force(config: Path, mount: FakeIndi) -> None:
    config.write_text("mine", encoding="utf-8")
    refused = finds(config, server_of(mount))
    assert (refused.exit_code, config.read_text(encoding="utf-8")) == (1, "mine")
    assert "is there already; --force writes over it" in refused.stderr
    assert finds(config, server_of(mount), "--force").exit_code == 0
    assert list(site_file.read(config).devices) == ["mount/mount1"]


def test_nothing_is_written_where_nothing_is_found(config: Path) -> None:
    done = finds(config, "indi://127.0.0.1:1")
    assert (done.exit_code, config.exists()) == (1, False)
    assert "indi://127.0.0.1:1: there is no INDI server at 127.0.0.1:1" in done.stderr
    assert "no device was found; name a server, such as indi://127.0.0.1" in done.stderr


@pytest.mark.parametrize("server", ["127.0.0.1", "http://127.0.0.1", "indi://", "indi://a b", "alpaca://h:99999"])
def test_what_is_no_server_is_refused(config: Path, server: str) -> None:
    done = finds(config, server)
    assert done.exit_code == 2
    assert "is no server of devices: indi://HOST or alpaca://HOST:11111 is expected" in " ".join(done.stderr.split())


def test_the_place_is_that_of_the_installation_here(config: Path, mount: FakeIndi) -> None:
    (config.parent / "instance").mkdir()
    text = 'code = "wmd"\nlatitude_deg = -30.5\nlongitude_deg = 289.3\nelevation_m = 2400\n'
    (config.parent / "instance" / "site.toml").write_text(text, encoding="utf-8")
    finds(config, server_of(mount))
    place = site_file.read(config).place
    assert place is not None
    assert (place.latitude_degrees, place.elevation_m) == (-30.5, 2400.0)
    assert place.longitude_degrees == pytest.approx(-70.7)


def test_a_place_that_nobody_knows_is_left_for_a_person(config: Path, mount: FakeIndi) -> None:
    done = finds(config, server_of(mount))
    assert "Where the telescope stands is not known" in done.stdout
    assert site_file.read(config).place is None
    assert "# latitude_degrees = " in config.read_text(encoding="utf-8")


def test_a_wheel_in_a_camera_counts_where_there_is_no_other() -> None:
    camera = Found("indi://h:7624/Camera", "Camera", ("camera", "filter_wheel"))
    wheel = Found("indi://h:7624/Wheel", "Wheel", ("filter_wheel",))

    def wheels(*found: Found) -> list[str]:
        return [each.found.name for each in finding.named(found) if each.kind == "filter_wheel"]

    assert (wheels(camera), wheels(camera, wheel)) == (["Camera"], ["Wheel"])


def test_each_camera_gets_what_stands_in_its_place_in_line() -> None:
    found = [
        *(Found(f"alpaca://h:1/{kind}/{n}", f"{kind} {n}", (kind,)) for kind in ("camera", "focuser") for n in (0, 1)),
        Found("alpaca://h:1/telescope/0", 'a "mount" \\ \x7f\n', ("mount",)),
    ]
    text = finding.text(finding.named(found), url="http://desk:5000", site="wmd", place=None)
    assert 'focuser = "focuser1"' in text.partition("[camera.camera_1_2]")[0]
    assert 'mount = "mount1"\nfocuser = "focuser2"' in text.partition("[camera.camera_1_2]")[2]


def written(config: Path, *devices: str, place: bool = True) -> None:
    where = "latitude_degrees = 47.7\nlongitude_degrees = 12.0\n" if place else ""
    config.write_text(f'site = "wmd"\n{where}' + "\n".join(devices), encoding="utf-8")


def test_check_prints_what_each_device_can_and_lacks(config: Path) -> None:
    with closing(fake_indi.focuser()) as focuser, closing(fake_indi.camera()) as camera:
        written(config, f'[focuser.f1]\ndriver = "{focuser.address}"', f'[camera.c1]\ndriver = "{camera.address}"')
        done = calls("check", config)
    assert done.exit_code == 0
    for words in ("focuser/f1", "go_to", "um_per_step is missing", "camera/c1", "expose"):
        assert words in done.stdout


def test_check_fails_when_a_device_is_missing(config: Path) -> None:
    with closing(fake_indi.focuser()) as focuser:
        written(
            config, f'[focuser.f1]\ndriver = "{focuser.address}"', '[camera.c1]\ndriver = "indi://127.0.0.1:1/Nothing"'
        )
        done = calls("check", config, "--seconds", "2")
    assert done.exit_code == 1
    assert "1 of 2 devices cannot do their work: camera/c1" in done.stderr
    (line,) = [line for line in done.stdout.splitlines() if "camera/c1" in line]
    assert " no " in line


@pytest.mark.parametrize(
    ("own", "keys", "fault"),
    [
        ((0.0, 0.0), "", "write set_place = true in agent.toml"),
        ((47.7, 12.0), "", None),
        ((48.0, 12.0), "", "agent.toml says latitude 47.7000"),
        ((0.0, 0.0), "set_place = true", None),
    ],
    ids=["stands at 0/0", "agrees", "elsewhere", "may be given its place"],
)
def test_check_fails_when_slews_of_a_mount_would_be_refused(
    config: Path, mount: FakeIndi, own: tuple[float, float], keys: str, fault: str | None
) -> None:
    mount.define("Number", "GEOGRAPHIC_COORD", {"LAT": own[0], "LONG": own[1], "ELEV": 0.0})
    written(config, f'[mount.m1]\ndriver = "{mount.address}"\n{keys}')
    done = calls("check", config)
    assert done.exit_code == (0 if fault is None else 1), done.output
    if fault is not None:
        assert fault in " ".join(done.stdout.split())


@pytest.mark.parametrize("name", ["find", "check", "run"])
def test_without_the_extra_it_is_said_what_to_install(config: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "find_spec", lambda package: None if package == "astropy" else object())
    done = calls(name, config)
    assert done.exit_code == 1
    assert "the site agent needs astropy too: pip install 'jobs-server[agent]'" in " ".join(done.stderr.split())


@pytest.mark.parametrize("name", ["check", "run"])
def test_a_file_that_is_wrong_or_not_there_is_told_in_words(config: Path, name: str) -> None:
    assert "`jobs-server agent find` writes a first one" in calls(name, config).stderr
    config.write_text("sites = 1\n", encoding="utf-8")
    done = calls(name, config)
    assert (done.exit_code, "did you mean 'site'?" in done.stderr) == (1, True)
