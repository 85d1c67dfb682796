"""The agent between a real desk and devices that coast, hang, lie and go away: each job has an honest end."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from jobs_server.client import SiteClient

from ..support import servers
from ..support.relay import Relay
from ..support.waiting import until
from . import fake_indi, running
from .fake_alpaca import FakeAlpaca
from .fake_indi import FakeIndi
from .running import ABORT, FOCUS, GOTO, SHUTTER, STAR, Frames, arrives, asked, slews_for_ever, stops_at_once, table
from .site import ENDS, Site

FOCUS_TO = ("focuser", "move_absolute", {"position": 600})


def test_a_job_is_complete_when_the_mount_arrived(client: SiteClient, mount: FakeIndi, tmp_path: Path) -> None:
    with Site(client, tmp_path, table("mount", mount)) as site:
        job = site.end_of(site.sends("mount", "go", STAR))
        assert job.status == "COMPLETE"
        assert job.result is not None
        assert (job.result["ra"], job.result["dec"]) == pytest.approx((3.0, 80.0), abs=0.01)


def test_a_slew_that_ended_elsewhere_is_failed_with_both_places(
    client: SiteClient, mount: FakeIndi, tmp_path: Path
) -> None:
    """Nothing is COMPLETE because a driver stopped being busy."""
    mount.on(GOTO, lambda _: mount.set(GOTO, "Ok", RA=2.0, DEC=10.0))
    with Site(client, tmp_path, table("mount", mount)) as site:
        status, message = site.ends(site.sends("mount", "go", STAR))
        assert status == "FAILED"
        assert "asked for RA 3" in message
        assert "points to RA" in message


def test_what_the_agent_cannot_do_ends_failed_in_words(client: SiteClient, mount: FakeIndi, tmp_path: Path) -> None:
    with Site(client, tmp_path, table("mount", mount)) as site:
        for kind, action, required, sentence in (
            ("camera", "darkslide_open", {}, "dark slides"),
            ("sequencer", "run", {"script": "takeLRGBstack"}, "runs no scripts"),
            ("obs", "configure_telescope_mode", {}, "setting"),
            ("mount", "go", {"ra": 1.0, "dec": 91}, "dec"),
            ("focuser", "move_absolute", {"position": 1}, "no focuser"),
        ):
            status, message = site.ends(site.sends(kind, action, required))
            assert status == "FAILED"
            assert sentence in message


def test_the_stop_and_the_stopped_job_end_when_the_mount_was_seen_at_rest(
    client: SiteClient, mount: FakeIndi, tmp_path: Path
) -> None:
    """The driver takes the abort at once, and the mount coasts on."""
    slews_for_ever(mount)
    mount.on(ABORT, lambda values: mount.take(ABORT, values))
    with Site(client, tmp_path, table("mount", mount)) as site:
        slew = site.sends("mount", "go", STAR)
        until(lambda: asked(mount, GOTO))
        stop = site.sends("mount", "stop")
        until(lambda: asked(mount, ABORT))
        until(lambda: client.get(stop).status == "STARTED")
        assert client.get(slew).status not in {"CANCELED", "FAILED"}
        mount.set(GOTO, "Idle")
        assert site.ends(stop)[0] == "COMPLETE"
        assert site.ends(slew)[0] == "CANCELED"


def test_a_mount_that_does_not_stop_fails_the_stop_and_the_job(
    client: SiteClient, mount: FakeIndi, tmp_path: Path
) -> None:
    slews_for_ever(mount)
    mount.on(ABORT, lambda values: mount.take(ABORT, values))
    with Site(client, tmp_path, table("mount", mount, "abort_seconds = 0.5")) as site:
        slew = site.sends("mount", "go", STAR)
        until(lambda: asked(mount, GOTO))
        for job in (site.sends("mount", "stop"), slew):
            status, message = site.ends(job)
            assert status == "FAILED"
            assert "could not be stopped" in message


def test_a_stop_goes_out_while_another_devices_server_hangs(
    client: SiteClient, mount: FakeIndi, camera: FakeAlpaca, tmp_path: Path
) -> None:
    slews_for_ever(mount)
    stops_at_once(mount)
    with Site(client, tmp_path, table("mount", mount) + table("camera", camera)) as site:
        slew = site.sends("mount", "go", STAR)
        until(lambda: asked(mount, GOTO))
        camera.hangs |= {"camerastate", "abortexposure", "connected", "imageready"}
        all_of_it = site.sends("all", "cancel_all_commands", name="all")
        until(lambda: asked(mount, ABORT))
        assert site.ends(slew)[0] == "CANCELED"
        assert client.get(all_of_it).status == "STARTED"
        camera.released.set()
        site.end_of(all_of_it)


def test_a_stop_for_all_devices_names_each_that_could_not_be_stopped(
    client: SiteClient, mount: FakeIndi, tmp_path: Path
) -> None:
    slews_for_ever(mount)
    stops_at_once(mount)
    with closing(fake_indi.focuser(with_abort=False)) as focuser:
        focuser.on(FOCUS, lambda _: focuser.set(FOCUS, "Busy"))
        with Site(client, tmp_path, table("mount", mount) + table("focuser", focuser, "um_per_step = 1")) as site:
            slew, focus = site.sends("mount", "go", STAR), site.sends(*FOCUS_TO)
            until(lambda: asked(mount, GOTO) and asked(focuser, FOCUS))
            status, message = site.ends(site.sends("all", "cancel_all_commands", name="all"))
            assert status == "FAILED"
            assert "focuser1" in message
            assert "mount1" not in message
            assert site.ends(slew)[0] == "CANCELED"
            status, message = site.ends(focus)
            assert status == "FAILED"
            assert "could not be stopped" in message


def test_a_stop_for_a_device_that_is_not_there_fails_in_words(
    client: SiteClient, mount: FakeIndi, tmp_path: Path
) -> None:
    with Site(client, tmp_path, table("mount", mount)) as site:
        assert site.ends(site.sends("mount", "stop", name="mount9"))[1].startswith("the site has no mount 'mount9'")
        mount.close()
        until(lambda: not site.is_ready("mount/mount1"))
        status, message = site.ends(site.sends("mount", "stop"))
        assert status == "FAILED"
        assert "could not be stopped" in message


def test_a_job_that_a_person_cancels_is_stopped_at_the_device(
    client: SiteClient, mount: FakeIndi, tmp_path: Path
) -> None:
    slews_for_ever(mount)
    stops_at_once(mount)
    with Site(client, tmp_path, table("mount", mount)) as site:
        slew = site.sends("mount", "go", STAR)
        until(lambda: asked(mount, GOTO))
        client.cancel(slew, user_name="Vera", user_id="vera")
        assert site.ends(slew)[0] == "CANCELED"
        assert asked(mount, ABORT)


def test_what_moves_at_the_start_is_halted_before_anything_begins(
    client: SiteClient, mount: FakeIndi, tmp_path: Path
) -> None:
    mount.set(GOTO, "Busy")
    mount.on(ABORT, lambda values: mount.take(ABORT, values))
    site = Site(client, tmp_path, table("mount", mount))
    slew = site.sends("mount", "go", STAR)
    with site:
        until(lambda: asked(mount, ABORT))
        assert not site.is_free
        assert asked(mount, GOTO) == 0
        assert client.get(slew).status == "UNREAD"
        mount.set(GOTO, "Idle")
        assert site.ends(slew)[0] == "COMPLETE"


def test_a_mount_that_moves_at_the_start_holds_other_devices_too(
    client: SiteClient, mount: FakeIndi, focuser: FakeIndi, tmp_path: Path
) -> None:
    mount.set(GOTO, "Busy")
    tables = table("mount", mount, 'found_moving = "wait"') + table("focuser", focuser, "um_per_step = 1")
    site = Site(client, tmp_path, tables)
    focus = site.sends(*FOCUS_TO)
    with site:
        until(lambda: site.agent.holds.why == "mount1 was found moving and is waited for")
        assert asked(mount, ABORT) == 0
        assert asked(focuser, FOCUS) == 0
        mount.set(GOTO, "Ok")
        assert site.ends(focus)[0] == "COMPLETE"
        assert asked(mount, ABORT) == 0


def test_a_roof_that_is_found_closing_is_waited_for(client: SiteClient, mount: FakeIndi, tmp_path: Path) -> None:
    with closing(running.roof()) as roof:
        roof.set(SHUTTER, "Busy", SHUTTER_OPEN=False, SHUTTER_CLOSE=True)
        with Site(client, tmp_path, table("enclosure", roof) + table("mount", mount)) as site:
            until(lambda: site.agent.holds.why == "enclosure1 was found moving and is waited for")
            arrives(roof)
            until(lambda: site.is_free)
            assert asked(roof, running.ROOF_ABORT) == 0


def test_what_moves_after_a_reconnect_is_halted_before_anything_begins(
    client: SiteClient, mount: FakeIndi, focuser: FakeIndi, tmp_path: Path
) -> None:
    tables = table("mount", mount) + table("focuser", focuser, "um_per_step = 1")
    with Site(client, tmp_path, tables) as site:
        until(lambda: site.is_free)
        mount.cut()
        until(lambda: not site.is_ready("mount/mount1"))
        mount.set(GOTO, "Busy")
        mount.mend()
        until(lambda: asked(mount, ABORT))
        assert not site.is_free
        focus = site.sends(*FOCUS_TO)
        mount.set(GOTO, "Idle")
        assert site.ends(focus)[0] == "COMPLETE"


def test_a_device_that_goes_away_fails_its_job_and_the_agent_lives_on(
    client: SiteClient, mount: FakeIndi, tmp_path: Path
) -> None:
    slews_for_ever(mount)
    with Site(client, tmp_path, table("mount", mount)) as site:
        slew = site.sends("mount", "go", STAR)
        until(lambda: asked(mount, GOTO))
        mount.cut()
        status, message = site.ends(slew)
        assert status == "FAILED"
        assert "gone" in message
        status, message = site.ends(site.sends("mount", "go", STAR))
        assert status == "FAILED"
        assert "mount1 is not there" in message
        mount.on(GOTO, lambda values: mount.take(GOTO, values))
        mount.set(GOTO, "Idle")
        mount.mend()
        until(lambda: site.is_ready("mount/mount1"))
        assert site.ends(site.sends("mount", "go", STAR))[0] == "COMPLETE"


def test_a_focuser_moves_while_the_mount_slews(
    client: SiteClient, mount: FakeIndi, focuser: FakeIndi, tmp_path: Path
) -> None:
    slews_for_ever(mount)
    stops_at_once(mount)
    with Site(client, tmp_path, table("mount", mount) + table("focuser", focuser, "um_per_step = 1")) as site:
        slew = site.sends("mount", "go", STAR)
        until(lambda: asked(mount, GOTO))
        assert site.ends(site.sends(*FOCUS_TO))[0] == "COMPLETE"
        assert client.get(slew).status not in {"COMPLETE", "FAILED", "CANCELED"}


def test_nothing_moves_under_an_exposure_of_the_same_telescope(
    client: SiteClient, mount: FakeIndi, camera: FakeAlpaca, frames: Frames, tmp_path: Path
) -> None:
    with closing(running.roof()) as roof:
        may = "close_over_unparked_mount = true"
        tables = table("mount", mount) + table("camera", camera) + table("enclosure", roof, may)
        with Site(client, tmp_path, tables) as site:
            frame = site.sends("camera", "expose", {"time": 0.01, "image_type": "dark"}, {"count": 1})
            until(lambda: frames.begun)
            closes, slew = site.sends("enclosure", "close"), site.sends("mount", "go", STAR)
            until(lambda: asked(roof, SHUTTER))  # a roof is none of the telescope's
            assert asked(mount, GOTO) == 0
            frames.end()
            assert site.ends(frame) == ("COMPLETE", "")
            assert site.ends(slew)[0] == "COMPLETE"
            arrives(roof)
            assert site.ends(closes)[0] == "COMPLETE"


def test_a_camera_does_not_begin_while_somebody_else_moves_the_mount(
    client: SiteClient, mount: FakeIndi, camera: FakeAlpaca, frames: Frames, tmp_path: Path
) -> None:
    with Site(client, tmp_path, table("mount", mount) + table("camera", camera)) as site:
        until(lambda: site.is_free)
        mount.set(GOTO, "Busy")
        status, message = site.ends(site.sends("camera", "expose", {"time": 0.01, "image_type": "dark"}, {"count": 1}))
        assert status == "FAILED"
        assert "mount1 moves" in message
        assert frames.begun == 0


def test_states_go_out_when_they_change_and_abilities_after_each_connect(
    client: SiteClient, mount: FakeIndi, tmp_path: Path
) -> None:
    slews_for_ever(mount)
    stops_at_once(mount)
    with Site(client, tmp_path, table("mount", mount)) as site:
        until(lambda: site.state("mount/mount1").get("connected"))
        site.sends("mount", "go", STAR)
        until(lambda: site.state("mount/mount1").get("status") == "slewing")
        until(lambda: "go" in site.abilities("mount/mount1"))
        mount.cut()
        until(lambda: site.state("mount/mount1").get("connected") is False)


def test_a_desk_that_is_away_stops_nothing_that_runs(
    client: SiteClient, service: servers.Server, camera: FakeAlpaca, frames: Frames, tmp_path: Path
) -> None:
    wire = Relay(service.port)
    site = Site(client, tmp_path, table("camera", camera), url=f"http://127.0.0.1:{wire.port}")
    with closing(wire), site:
        frame = site.sends("camera", "expose", {"time": 0.01, "image_type": "dark"}, {"count": 1})
        until(lambda: frames.begun)
        wire.cut()
        frames.end()
        until(lambda: list(tmp_path.glob("images/*/*.fits")))
        assert client.get(frame).status not in ENDS
        wire.mend()
        assert site.ends(frame) == ("COMPLETE", "")
        assert camera.asked("abortexposure") == []
