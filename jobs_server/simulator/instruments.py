"""How the devices of the pretend observatory stand, what they can do, and what real gear would refuse."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..observatory import catalogue
from ..observatory.numbers_said import as_number, binning
from ..observatory.poses import BadParameter, Params, Pose, short
from ..observatory.sky import Place
from . import weather
from .pointing import Pointing, hours_of, target

PLACE = Place(34.0, -119.0, 300)
"""Where the observatory stands when nobody says otherwise."""
FILTERS = ("Lum", "Red", "Green", "Blue", "B", "V", "R", "I", "HA", "O3", "S2", "air")
FOCUS_UM = (0.0, 12_000.0)
_NAMES = {"filter_wheel": "filter_wheel1", "rotator": "rotator1", "enclosure": "enclosure1"}
_USUAL = {"camera": "camera_1_1", "mount": "mount1", "focuser": "focuser1", **_NAMES}
_NO_FILTER = frozenset(("", "empty", "none", "nan", "unspecified"))
_MOVES_THE_MOUNT = frozenset(
    ("go", "slew_to_near_tycho", "center_on_pixels", "sky_flat_position", "screen_flat_position", "set_tracking_on")
)
_MOST_DEVICES = 60
_LONGEST_NAME = 100
_WORDS = {"EXPOSING": "exposing", "READING": "reading", "OPENING": "opening", "CLOSING": "closing"}
_MOVES = frozenset(("SLEWING", "SETTLING", "CENTERING", "HOMING"))
_BINNINGS = (1, 2, 3, 4)
_EXPOSURE_SECONDS = (0, 86_400)


class Asked(Protocol):
    """What a job asks of a device."""

    @property
    def device(self) -> str: ...
    @property
    def instance(self) -> str: ...
    @property
    def action(self) -> str: ...
    @property
    def required_params(self) -> dict[str, Any]: ...
    @property
    def optional_params(self) -> dict[str, Any]: ...


@dataclass
class _Device:
    pose: Pose = field(default_factory=Pose)
    doing: str = ""  # the status of a step, such as EXPOSING 1/2
    until: float = 0.0
    filter: str = FILTERS[0]
    is_open: bool = True


class Instruments:
    """The devices of one site. All calls may come from any thread."""

    def __init__(
        self,
        place: Place = PLACE,
        names: Mapping[str, Sequence[str]] | None = None,
        filters: Sequence[str] = FILTERS,
    ) -> None:
        """`names` are the site's devices by type, such as of `site.toml`; a type that is left out has one device."""
        self.place, self.filters = place, tuple(filters)
        self.changed = threading.Event()
        """Set when a device begins or ends to do something."""
        self._lock = threading.Lock()
        self._pointings: dict[str, Pointing] = {}
        self._devices: dict[tuple[str, str], _Device] = {}
        self._own = [(kind, name) for kind, usual in _USUAL.items() for name in (names or {}).get(kind) or (usual,)]
        for each in self._own:
            self._devices[each] = _Device(filter=self.filters[0])

    def pose(self, device: str, instance: str) -> Pose:
        """Return how a device stands."""
        with self._lock:
            return self._devices.get((device, instance), _Device()).pose

    def check(self, job: Asked, moved: Pose) -> None:
        """Raise BadParameter, with the reason, when real gear would refuse the job; `moved` is how it would stand."""
        params = {**job.optional_params, **job.required_params}
        with self._lock:
            if job.device in ("camera", "filter_wheel"):
                self._known_filter(params)
            if job.device == "camera" and job.action == "expose":
                _check_exposure(job.instance, params)
            if job.device == "focuser":
                _check_focus(job.instance, moved.focus)
            if job.device == "mount" and job.action in _MOVES_THE_MOUNT:
                if self._pointing(job.instance).is_parked:
                    raise BadParameter(f"{job.instance} is parked; unpark it first")
                if job.action == "go":
                    self._check_above_horizon(job.required_params)

    def begin(self, job: Asked, status: str, seconds: float) -> None:
        """Note what a device does now, and for how many seconds."""
        with self._lock:
            device = self._at(job.device, job.instance)
            device.doing, device.until = status, time.monotonic() + seconds
        self.changed.set()

    def finish(self, job: Asked, moved: Pose | None) -> None:
        """Note that a device does nothing more, and how it stands now; none when it broke off."""
        with self._lock:
            device = self._at(job.device, job.instance)
            device.doing = ""
            if moved is not None:
                device.pose = moved
                self._act(job, device)
        self.changed.set()

    def pointing(self) -> tuple[float, float]:
        """Return right ascension in hours and declination in degrees of the first mount."""
        with self._lock:
            pointing = self._pointing(self._mount())
            return pointing.ra_hours(self._sidereal_hours()), pointing.dec_degrees

    def altitude(self) -> float:
        """Return how high the first mount points, in degrees."""
        with self._lock:
            return self._pointing(self._mount()).horizon(self._sidereal_hours(), self.place)[0]

    def capabilities(self) -> dict[str, dict[str, Any]]:
        """Return what the observatory has and can do, by type/instance."""
        with self._lock:
            return {f"{kind}/{instance}": self._abilities(kind) for kind, instance in self._own}

    def state(self) -> dict[str, dict[str, Any]]:
        """Return how the devices are, by type/instance, and the weather."""
        now = time.time()
        with self._lock:
            said = {f"{kind}/{name}": self._state(kind, name, self._devices[kind, name]) for kind, name in self._said()}
        return said | {"weather/weather1": weather.at(now)}

    def _at(self, kind: str, instance: str) -> _Device:
        """Find a device; whoever asks for one that is not there gets it, in the place of the oldest such."""
        key = (kind, instance)
        if key not in self._devices:
            if len(self._devices) >= _MOST_DEVICES:
                idle = [each for each, device in self._devices.items() if each not in self._own and not device.doing]
                for each in idle[:1]:
                    del self._devices[each]
            self._devices[key] = _Device()
        return self._devices[key]

    def _said(self) -> list[tuple[str, str]]:
        """Return the devices of which something is said: names that cannot be said on the wire are left out."""
        fit = [(kind, name) for kind, name in self._devices if name[:1] > " " and len(name) <= _LONGEST_NAME]
        return fit[:_MOST_DEVICES]

    def _mount(self) -> str:
        return next(name for kind, name in self._own if kind == "mount")

    def _pointing(self, mount: str) -> Pointing:
        return self._pointings.setdefault(mount, Pointing.at_rest(self.place))

    def _sidereal_hours(self) -> float:
        return hours_of(time.time(), self.place)

    def _known_filter(self, params: Params) -> str | None:
        """Return the filter that a job names; none when it names none. Raises BadParameter when it is unknown."""
        asked = next((params[key] for key in ("filter_name", "filter") if key in params), None)
        name = str(asked).strip().casefold()
        if asked is None or name in _NO_FILTER:
            return None
        found = next((each for each in self.filters if each.casefold() == name), None)
        if found is None:
            raise BadParameter(f"this observatory has no filter {short(asked)}; it has {', '.join(self.filters)}")
        return found

    def _check_above_horizon(self, required: Params) -> None:
        aim = target(required, self._sidereal_hours(), self.place)
        altitude, _azimuth = aim.horizon(self._sidereal_hours(), self.place)
        if altitude < 0:
            raise BadParameter(f"the target is below the horizon: it stands at {altitude:.1f} degrees now")

    def _act(self, job: Asked, device: _Device) -> None:
        """Note what else an action that was carried out has changed."""
        params = {**job.optional_params, **job.required_params}
        if job.device == "mount":
            self._pointings[job.instance] = self._pointed(job)
        elif job.device == "filter_wheel":
            device.filter = self._known_filter(params) or device.filter
        elif job.device == "camera" and (name := self._known_filter(params)):
            for (kind, _), each in self._devices.items():
                if kind == "filter_wheel":
                    each.filter = name
        elif job.device == "enclosure" and job.action in ("open", "close"):
            device.is_open = job.action == "open"

    def _pointed(self, job: Asked) -> Pointing:
        """Return where a mount points after an action."""
        before, sidereal = self._pointing(job.instance), self._sidereal_hours()
        if job.action == "go":
            return target(job.required_params, sidereal, self.place)
        if job.action in ("park", "home", "zero"):
            rest = Pointing.at_rest(self.place)
            return rest._replace(is_parked=job.action == "park" or (job.action == "home" and before.is_parked))
        if job.action == "unpark":
            return before._replace(is_parked=False)
        if job.action == "slew_to_near_tycho":
            return before.turned(10.0)
        if job.action in ("set_tracking_on", "set_tracking_off"):
            return before.tracking(sidereal, on=job.action == "set_tracking_on")
        return before

    def _state(self, kind: str, instance: str, device: _Device) -> dict[str, Any]:
        write = getattr(self, f"_{kind}_state", None)
        said: dict[str, Any] = write(instance, device) if write else {}
        word = device.doing.partition(" ")[0]
        status = _WORDS.get(word) or ("moving" if device.doing else "idle")
        return {"connected": True, "status": status} | said

    def _mount_state(self, instance: str, device: _Device) -> dict[str, Any]:
        pointing, sidereal = self._pointing(instance), self._sidereal_hours()
        altitude, azimuth = pointing.horizon(sidereal, self.place)
        slews = device.doing.partition(" ")[0] in _MOVES
        at_rest = "parked" if pointing.is_parked else "tracking" if pointing.ra is not None else "idle"
        return {
            "status": "slewing" if slews else at_rest,
            "ra_hours": round(pointing.ra_hours(sidereal), 5),
            "dec_degrees": round(pointing.dec_degrees, 4),
            "alt_degrees": round(altitude, 2),
            "az_degrees": round(azimuth, 2),
            "pier_side": "west" if azimuth < 180 else "east",
        }

    def _camera_state(self, _instance: str, device: _Device) -> dict[str, Any]:
        swing = weather.swing(time.time(), 97)
        said: dict[str, Any] = {"temperature_c": round(-10 + swing / 20, 2), "setpoint_c": -10.0}
        said["cooler_percent"] = round(55 + 4 * swing)
        what, _, which = device.doing.rpartition(" ")
        if what in ("EXPOSING", "READING OUT") and "/" in which:
            frame, _, frames = which.partition("/")
            said |= {"frame": int(frame), "frames": int(frames)}
        if device.doing.startswith("EXPOSING"):
            said["exposure_left_seconds"] = round(max(0.0, device.until - time.monotonic()), 1)
        return said

    def _filter_wheel_state(self, _instance: str, device: _Device) -> dict[str, Any]:
        return {"filter": device.filter}

    def _focuser_state(self, _instance: str, device: _Device) -> dict[str, Any]:
        return {"position_um": round(device.pose.focus, 1), "temperature_c": weather.at(time.time())["temperature_c"]}

    def _rotator_state(self, _instance: str, device: _Device) -> dict[str, Any]:
        return {"angle_degrees": round(device.pose.rotator, 2)}

    def _enclosure_state(self, _instance: str, device: _Device) -> dict[str, Any]:
        said: dict[str, Any] = {"azimuth_degrees": round(device.pose.dome, 1), "mode": "manual"}
        word = device.doing.partition(" ")[0]
        return said | ({} if word in _WORDS else {"status": "open" if device.is_open else "closed"})

    def _abilities(self, kind: str) -> dict[str, Any]:
        found: dict[str, Any] = {"actions": list(catalogue.devices().get(kind, {}).get("actions", {}))}
        if kind in ("camera", "filter_wheel"):
            found["filters"] = list(self.filters)
        if kind == "camera":
            found |= {"binnings": list(_BINNINGS), "limits": {"time": list(_EXPOSURE_SECONDS)}}
        if kind == "mount":
            found["limits"] = {"ra": [0, 24], "dec": [-90, 90], "alt": [0, 90]}
        if kind == "focuser":
            found["limits"] = {"position": list(FOCUS_UM)}
        return found


def _check_focus(instance: str, focus: float) -> None:
    least, largest = FOCUS_UM
    if not least <= focus <= largest:
        raise BadParameter(f"{instance} goes from {least:g} to {largest:g} µm, and {focus:g} was asked for")


def _check_exposure(instance: str, params: Params) -> None:
    least, largest = _EXPOSURE_SECONDS
    seconds = as_number(params.get("time"))
    if seconds is not None and not least <= seconds <= largest:
        raise BadParameter(f"{instance} exposes from {least} to {largest} s, and {seconds:g} was asked for")
    asked = binning(params.get("bin"))
    if asked is not None and asked not in [(each, each) for each in _BINNINGS]:
        written = "×".join(f"{each:g}" for each in asked)
        raise BadParameter(f"{instance} does not bin {written}; it bins {', '.join(map(str, _BINNINGS))}")
