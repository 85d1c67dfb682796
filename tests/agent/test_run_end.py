"""The end of the agent: all aborts go out at once, and what was not seen at rest is named."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from jobs_server.client import SiteClient

from ..support.waiting import until
from . import fake_indi, running
from .fake_alpaca import FakeAlpaca
from .fake_indi import FakeIndi
from .running import (
    ABORT,
    FOCUS,
    GOTO,
    ROOF_ABORT,
    SHUTTER,
    STAR,
    Frames,
    arrives,
    asked,
    slews_for_ever,
    stops_at_once,
    table,
)
from .site import Site


def test_the_end_stops_what_moves_and_fails_its_job(client: SiteClient, mount: FakeIndi, tmp_path: Path) -> None:
    slews_for_ever(mount)
    stops_at_once(mount)
    with Site(client, tmp_path, table("mount", mount)) as site:
        slew = site.sends("mount", "go", STAR)
        until(lambda: asked(mount, GOTO))
        assert site.end() == []
        assert asked(mount, ABORT) >= 1
        assert site.ends(slew) == ("FAILED", "the agent was ended while this ran")


def test_the_end_names_what_was_not_seen_at_rest(client: SiteClient, mount: FakeIndi, tmp_path: Path) -> None:
    slews_for_ever(mount)
    with closing(fake_indi.focuser(with_abort=False)) as focuser:
        focuser.on(FOCUS, lambda _: focuser.set(FOCUS, "Busy"))
        with Site(client, tmp_path, table("mount", mount) + table("focuser", focuser, "um_per_step = 1")) as site:
            slew = site.sends("mount", "go", STAR)
            focus = site.sends("focuser", "move_absolute", {"position": 600})
            until(lambda: asked(mount, GOTO) and asked(focuser, FOCUS))
            lines = site.end()
            assert [line.split()[0] for line in lines] == ["mount1", "focuser1"]
            assert set(lines) <= set(site.shown.lines)
            for job in (slew, focus):
                status, message = site.ends(job)
                assert (status, message.startswith("the agent was ended while this ran")) == ("FAILED", True)


def test_at_the_end_no_abort_waits_for_a_server_that_hangs_and_no_end_of_a_job_for_a_device(
    client: SiteClient, mount: FakeIndi, camera: FakeAlpaca, frames: Frames, tmp_path: Path
) -> None:
    """The camera's server hangs under its exposure, and its answers come when the agent has ended."""
    with Site(client, tmp_path, table("mount", mount) + table("camera", camera)) as site:
        until(lambda: site.is_free)
        frame = site.sends("camera", "expose", {"time": 0.01, "image_type": "dark"}, {"count": 1})
        until(lambda: frames.begun)
        camera.hangs_always = True
        assert asked(mount, ABORT) == 0
        assert site.end() == ["camera1 was not seen at rest within 4 s"]
        assert asked(mount, ABORT) == 1
        assert client.get(frame).status == "FAILED"
        status, message = site.ends(frame)
        assert (status, message) == ("FAILED", "the agent was ended while this ran")


def test_the_end_leaves_a_closing_roof_to_close_and_says_so(client: SiteClient, tmp_path: Path) -> None:
    with closing(running.roof()) as roof, Site(client, tmp_path, table("enclosure", roof)) as site:
        closes = site.sends("enclosure", "close")
        until(lambda: asked(roof, SHUTTER))
        until(lambda: roof.value(SHUTTER, "SHUTTER_CLOSE"))
        assert site.end() == ["enclosure1 is closing, and is left to close"]
        assert asked(roof, ROOF_ABORT) == 0
        assert site.ends(closes)[0] == "FAILED"
        arrives(roof)


def test_the_end_leaves_everything_to_move_where_the_file_says_so(
    client: SiteClient, mount: FakeIndi, tmp_path: Path
) -> None:
    slews_for_ever(mount)
    with Site(client, tmp_path, table("mount", mount), top='on_exit = "leave"') as site:
        slew = site.sends("mount", "go", STAR)
        until(lambda: asked(mount, GOTO))
        assert site.end() == []
        assert asked(mount, ABORT) == 0
        assert site.ends(slew) == ("FAILED", "the agent was ended while this ran; what moved was left to move")


def test_a_second_agent_of_the_same_folder_is_refused_before_it_touches_a_device(
    client: SiteClient, mount: FakeIndi, tmp_path: Path
) -> None:
    with Site(client, tmp_path, table("mount", mount)) as site:
        until(lambda: site.is_free)
        with Site(client, tmp_path, table("mount", mount)) as second:
            until(lambda: second.error)
        assert "runs already" in str(second.error)
        assert asked(mount, ABORT) == 0
