"""Every command that people sent ends well, or with a sentence; and no text in a parameter ends otherwise."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from jobs_server.agent import actions
from jobs_server.agent.errors import DeviceError
from jobs_server.agent.orders import Order, from_job
from jobs_server.client import Job

from .pretend import TOML, Site

COMMANDS = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "data" / "commands.jsonl").read_text(encoding="utf-8").splitlines()
]
OWN_NAMES = {key: key.partition("/")[2] for key in ("camera/camera1", "filter_wheel/wheel1")}
ODD: tuple[Any, ...] = (
    *("", "empty", "NaN", "inf", "-inf", "1e999", "abc", "\0", "🔭" * 50, "12,500", "24:00:60", "'", '"', "{}", "%s"),
    *(None, True, False, -1, 0, 1e308, math.nan, math.inf, 10**5000, [], [[]], [None], [1, "x"], {}, {"a": {"b": []}}),
)


def job_of(command: dict[str, Any], name: str) -> Job:
    return Job(
        site="wmd",
        ulid="01K0000000000000000000TEST",
        status="UNREAD",
        device=command["device"],
        instance=name,
        action=command["action"],
        required_params=command["required_params"],
        optional_params=command["optional_params"],
        user_name=command["user_name"],
        user_id=command["user_id"],
        user_roles=(),
        timestamp_ms=0,
    )


def name_at(site: Site, kind: str, recorded: str) -> str:
    """Return the site's own device of a kind, so that a recorded command reaches one."""
    return next((each.name for each in site.observatory.devices.values() if each.kind == kind), recorded)


def ends(site: Site, order: Order) -> str | None:
    """Return the sentence of a failure; None for a result that JSON can hold within its bounds."""
    keys = actions.devices_of(order, site.observatory)
    assert keys <= set(site.observatory.devices)
    try:
        with site.observatory.holding(*keys):
            result = site.carry_out_order(order)
    except DeviceError as error:
        return str(error)
    assert len(json.dumps(result, allow_nan=False)) < 16_000
    return None


def test_every_command_that_was_recorded_ends_in_a_result_or_a_sentence(tmp_path: Path) -> None:
    site = Site(tmp_path)
    failed: set[str] = set()
    for command in COMMANDS:
        order = from_job(job_of(command, name_at(site, command["device"], command["instance"])))
        if (sentence := ends(site, order)) is not None:
            failed.add(sentence)
    assert len(COMMANDS) == 222
    moved = {device.key for device in site.observatory.devices.values() if device.asked}  # type: ignore[attr-defined]
    assert moved == set(site.observatory.devices)
    assert all(len(sentence.split()) > 3 for sentence in failed)


def test_a_command_for_a_device_that_is_not_there_says_which_are(tmp_path: Path) -> None:
    site = Site(tmp_path)
    for command in COMMANDS:
        order = from_job(job_of(command, "nothing of the kind"))
        sentence = ends(site, order)
        if sentence is None:
            assert command["device"] in {"sequencer", "all"}
    with pytest.raises(DeviceError, match="mounts are: mount1"):
        site.carry_out("mount/mount2", "go", ra=1, dec=2)


def parameters() -> dict[tuple[str, str], set[str]]:
    found: dict[tuple[str, str], set[str]] = {}
    for command in COMMANDS:
        names = found.setdefault((command["device"], command["action"]), set())
        names.update(command["required_params"], command["optional_params"])
    found["camera", "expose"] |= {"repeat", "gain", "offset", "size", "subframe", "keywords", "modes", "object"}
    return found


@pytest.mark.parametrize("odd", ODD, ids=lambda each: ascii(type(each).__name__))
def test_odd_values_in_any_parameter_end_in_a_result_or_a_sentence(tmp_path: Path, odd: Any) -> None:
    toml = TOML.replace("sun_distance_degrees = 0", "sun_distance_degrees = 20")
    site = Site(tmp_path, toml)
    for (kind, action), names in parameters().items():
        good = next(each for each in COMMANDS if (each["device"], each["action"]) == (kind, action))
        for name in names - {"period"}:
            required = good["required_params"] | {"time": 0, "period": 0, name: odd}
            command = good | {"required_params": required, "optional_params": {}}
            ends(site, from_job(job_of(command, name_at(site, kind, "x"))))
