"""What jobs ask for, carried out on the site's devices; none of it knows a protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..devices.opening import KINDS, stop_all
from ..errors import NotPossible, NotStopped, Refused
from ..observatory import Observatory
from ..orders import Order, word
from . import asking, camera, enclosure, filters, mount, panels, telescope_parts
from .work import Report, Result, Show, Work

__all__ = ["carry_out", "devices_of", "possible"]

_Action = Callable[[Work], Result]

_ACTIONS: Mapping[tuple[str, str], _Action] = {
    ("camera", "expose"): camera.expose,
    ("mount", "go"): mount.go,
    ("mount", "park"): mount.park,
    ("mount", "unpark"): mount.unpark,
    ("mount", "home"): mount.home,
    ("mount", "tracking"): mount.track,
    ("mount", "set_tracking_on"): mount.track_on,
    ("mount", "set_tracking_off"): mount.track_off,
    ("filter_wheel", "set_name"): filters.set_name,
    ("focuser", "move_absolute"): telescope_parts.focus_to,
    ("focuser", "move_relative"): telescope_parts.focus_by,
    ("rotator", "move_absolute"): telescope_parts.rotate_to,
    ("rotator", "move_relative"): telescope_parts.rotate_by,
    ("screen", "turn_on"): panels.turn_on,
    ("screen", "turn_off"): panels.turn_off,
    ("screen", "close_and_turn_on"): panels.close_and_turn_on,
    ("screen", "turn_off_and_close"): panels.turn_off_and_close,
    ("screen", "open_and_turn_off"): panels.open_and_turn_off,
    ("switch", "on"): panels.switch_on,
    ("switch", "off"): panels.switch_off,
    ("switch", "pulse"): panels.pulse,
    ("enclosure", "open"): enclosure.open_roof,
    ("enclosure", "close"): enclosure.close_roof,
    ("enclosure", "slew_az"): enclosure.turn,
    ("enclosure", "sync_az"): enclosure.sync,
    ("enclosure", "park"): enclosure.park,
    ("enclosure", "home_dome"): enclosure.home,
    ("enclosure", "home"): enclosure.home,
    ("enclosure", "track_telescope"): enclosure.follow,
    ("enclosure", "stop_tracking_telescope"): enclosure.stand,
}

_NO_ROUTINE = "this agent takes pictures and moves devices, and knows no {} routine yet"
_NO_SETTING = "{} is a setting of other site software; this agent follows its agent.toml"
_NO_ANSWER = "this agent cannot carry out {} of a {}"
_IMPOSSIBLE: Mapping[tuple[str, str], str] = {
    ("camera", "darkslide_open"): "this agent moves no dark slides",
    ("camera", "darkslide_close"): "this agent moves no dark slides",
    ("mount", "center_on_pixels"): _NO_ROUTINE.format("centering"),
    ("mount", "slew_to_near_tycho"): "this agent has no catalogue of stars: send go with ra and dec",
    ("mount", "sky_flat_position"): "this agent knows no position for sky flats: send go with az and alt",
    ("mount", "screen_flat_position"): "this agent knows no position before the screen: send go with az and alt",
    **{("focuser", each): _NO_ROUTINE.format("focus") for each in ("auto", "fine_focus", "v_curve")},
    **{
        ("focuser", each): "this agent keeps no reference focus: send move_absolute"
        for each in ("go_to_reference", "save_as_reference", "go_to_compensated", "home")
    },
    ("filter_wheel", "set_position"): "this agent turns wheels to filters by name: send set_name",
    ("filter_wheel", "home"): "a filter wheel has no home position here: send set_name",
    ("rotator", "home"): "a rotator has no home position here: send move_absolute",
    ("enclosure", "slew_alt"): "this agent turns domes by azimuth: send slew_az",
    ("enclosure", "sync_mount"): "this agent knows not how the dome stands about the mount: send track_telescope",
    ("sequencer", "autofocus"): _NO_ROUTINE.format("focus"),
    ("all", "observatory_restart"): "this agent restarts nothing: its service is restarted on its computer",
}
_IMPOSSIBLE_OF_A_KIND: Mapping[str, str] = {
    "sequencer": "this agent runs no scripts",
    "obs": _NO_SETTING,
    "enclosure": _NO_SETTING,
    "selector": "this agent knows no instrument selector",
    "all": "this agent cannot do {} for all devices",
}
_STOPS = frozenset({"stop", "cancel"})
_STOP_ALL = ("all", "cancel_all_commands")


def carry_out(order: Order, observatory: Observatory, report: Report, show: Show) -> Result:
    """Carry an order out and return what came of it.

    `report` takes a status, the seconds left and a message before each move and frame, and may raise Stopped to end the
    order there; `show` takes a preview and its name. Raise DeviceError whose message is the sentence for people, and
    whose `so_far` is what came of the order before; Stopped when a stop ended it. Whatever the parameters are, nothing
    else is raised for them.
    """
    if (action := _ACTIONS.get((order.kind, order.action))) is not None:
        return action(Work(order, observatory, report, show))
    if _is_stop(order):
        return _stop(order, observatory)
    raise NotPossible(_why_not(order, observatory))


def _is_stop(order: Order) -> bool:
    if order.kind == "sequencer" and order.action == "run":
        return word(order.value("script")).casefold() == "stopscript"
    return order.action in _STOPS or (order.kind, order.action) == _STOP_ALL


def _stop(order: Order, observatory: Observatory) -> Result:
    """Stop a device, or all at once; raise NotStopped with each that was not seen at rest."""
    if order.kind == "sequencer":
        return {"note": "this agent runs no scripts, so there was none to stop"}
    if "all" not in {order.kind, order.name}:
        observatory.device(order.kind, order.name).stop()
        return {}
    failures = {key: error for key, error in stop_all(observatory.devices.values()).items() if error is not None}
    if failures:
        raise NotStopped("; ".join(str(error) for error in failures.values()))
    return {"stopped": list(observatory.devices)}


def _why_not(order: Order, observatory: Observatory) -> str:
    why = _IMPOSSIBLE.get((order.kind, order.action)) or _IMPOSSIBLE_OF_A_KIND.get(order.kind)
    if why is not None:
        return why.format(order.action[:40])
    if order.kind not in KINDS:
        return f"this agent knows no device of the kind {order.kind[:40]!r}"
    observatory.device(order.kind, order.name)  # a name that is none is told before what it cannot do
    return _NO_ANSWER.format(order.action[:40], order.kind.replace("_", " "))


def devices_of(order: Order, observatory: Observatory) -> frozenset[str]:
    """Return the keys of the devices that an order moves: its own, and the filter wheel of an exposure.

    A stop, and what cannot be carried out, needs none.
    """
    if (order.kind, order.action) not in _ACTIONS or order.key not in observatory.devices:
        return frozenset()
    wheel = observatory.wheel_of(order.name) if order.kind == "camera" else None
    if wheel is None or not order.has("filter") or not _is_lit(order):
        return frozenset({order.key})
    return frozenset({order.key, wheel.key})


def _is_lit(order: Order) -> bool:
    """Whether the filter makes a difference; an image type that is none is refused later."""
    try:
        return asking.kind_of(order.text("image_type", "light")) in {"light", "flat"}
    except Refused:
        return False


def possible(kind: str) -> tuple[str, ...]:
    """Return the actions that this agent knows for a kind of device, but for the stop."""
    return tuple(action for of_kind, action in _ACTIONS if of_kind == kind)
