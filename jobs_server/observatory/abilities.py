"""What a site has and can do, as `site.toml` and the site's own word have it together, and what a job asks beyond that.

`site.toml` wins where it lists something. Nothing here refuses a job: a site may know more than it says.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from ..domain.lifecycle import is_stop
from ..errors import shown
from . import catalogue
from .numbers_said import as_number, binning
from .profiles import Profile

Params = Mapping[str, Any]
Said = Mapping[str, Mapping[str, Any]]
"""What a site says that it has and can do, by type/instance."""

_HOLDS_FILTERS = ("camera", "filter_wheel")
_FILTER_KEYS = ("filter", "filter_name")
_NO_FILTER = frozenset(("", "empty", "none", "nan", "unspecified"))
_MOST_NAMED = 12
_LONGEST_VALUE = 60


class Abilities(NamedTuple):
    """What a site has and can do; None stands for what neither the profile nor the site says."""

    profile: Profile
    said: Said

    def instances(self, device: str) -> tuple[str, ...] | None:
        """Return the names of the devices of a type; none of a type that the site leaves out of what it says."""
        if own := self.profile.device(device).instances:
            return own
        named = tuple(instance for kind, instance in map(_split, self.said) if kind == device)
        return named if self.said else None

    def actions(self, device: str, instance: str) -> Collection[str] | None:
        """Return what a device can be asked to do, as the site says."""
        listed: Collection[str] | None = self._of(device, instance).get("actions")
        return listed

    def filters(self, device: str, instance: str) -> tuple[str, ...] | None:
        """Return the filters of a device, or else those of the cameras and filter wheels of the site."""
        others = [kind for kind in _HOLDS_FILTERS if kind != device]
        for kind in (device, *others):
            if own := self.profile.device(kind).filters:
                return own
        listed = self._of(device, instance).get("filters")
        return tuple(listed) if listed is not None else self._all("filters", (device, *others))

    def binnings(self, device: str, instance: str) -> tuple[Any, ...] | None:
        """Return the binnings of a device, as the profile or the site lists them."""
        if own := self.profile.device(device).binnings:
            return own
        listed = self._of(device, instance).get("binnings")
        return None if listed is None else tuple(listed)

    def limits(self, device: str, instance: str) -> dict[str, tuple[float, float]]:
        """Return the least and the largest value of parameters by name, as the site says; a bound may be infinite."""
        listed = self._of(device, instance).get("limits", {})
        return {key: bounds for key, value in listed.items() if (bounds := _bounds(value))}

    def _of(self, device: str, instance: str) -> Mapping[str, Any]:
        return self.said.get(f"{device}/{instance}", {})

    def _all(self, name: str, kinds: Iterable[str]) -> tuple[str, ...] | None:
        """Return what the devices of the first of these types that says something list together."""
        for kind in kinds:
            lists = [each[name] for key, each in self.said.items() if _split(key)[0] == kind and name in each]
            if lists:
                return tuple(dict.fromkeys(value for each in lists for value in each))
        return None


def cautions(
    abilities: Abilities, device: str, instance: str, action: str, required: Params, optional: Params
) -> list[str]:
    """Return what a job asks for that its site is not known to have or to do, a sentence for each; none for a stop."""
    if is_stop(action, required):
        return []
    if unknown := _unknown_device(abilities, device, instance):
        return [unknown]
    return [
        *_unknown_action(abilities, device, instance, action),
        *_unknown_filters(abilities, device, instance, {**optional, **required}),
        *_unknown_binning(abilities, device, instance, {**optional, **required}),
        *(() if action.endswith("_relative") else _beyond(abilities, device, instance, {**optional, **required})),
    ]


def _unknown_device(abilities: Abilities, device: str, instance: str) -> str | None:
    known = abilities.instances(device)
    always = catalogue.devices().get(device, {}).get("instances", {}).get("always")
    if known is None or instance in known or always is not None:
        return None
    site, kind = shown(abilities.profile.code), shown(device.replace("_", " "), _LONGEST_VALUE)
    if not known:
        return f"{site} names no {kind} among its devices"
    return f"{site} has no {kind} {_quoted(instance)}; it has {_listed(known)}"


def _unknown_action(abilities: Abilities, device: str, instance: str, action: str) -> Iterable[str]:
    known = abilities.actions(device, instance)
    if known is not None and action not in known:
        yield f"{shown(instance, _LONGEST_VALUE)} does not say that it can {_quoted(action)}; it can {_listed(known)}"


def _unknown_filters(abilities: Abilities, device: str, instance: str, params: Params) -> Iterable[str]:
    known = abilities.filters(device, instance)
    if known is None:
        return
    folded = {name.strip().casefold() for name in known} | _NO_FILTER
    asked = [params[key] for key in _FILTER_KEYS if isinstance(params.get(key), str | int)]
    for each in dict.fromkeys(str(value) for value in asked):
        if each.strip().casefold() not in folded:
            yield f"{shown(abilities.profile.code)} has no filter {_quoted(each)}; it has {_listed(known)}"


def _unknown_binning(abilities: Abilities, device: str, instance: str, params: Params) -> Iterable[str]:
    known = abilities.binnings(device, instance)
    asked = binning(params.get("bin"))
    if known is None or asked is None or asked in map(binning, known):
        return
    written = "×".join(f"{each:g}" for each in asked)
    yield f"{shown(instance, _LONGEST_VALUE)} does not bin {written}; it bins {_listed(_words(known))}"


def _beyond(abilities: Abilities, device: str, instance: str, params: Params) -> Iterable[str]:
    for key, (least, largest) in abilities.limits(device, instance).items():
        value = as_number(params.get(key))
        if value is not None and not least <= value <= largest:
            allowed = f"at least {least:g}" if largest == math.inf else f"from {least:g} to {largest:g}"
            allowed = f"at most {largest:g}" if least == -math.inf else allowed
            name = shown(key.replace("_", " "), _LONGEST_VALUE)
            yield f"{shown(instance, _LONGEST_VALUE)} takes a {name} {allowed}, not {value:g}"


def _split(key: str) -> tuple[str, str]:
    kind, _, instance = key.partition("/")
    return kind, instance


def _bounds(value: object) -> tuple[float, float] | None:
    """Read limits as a site says them: two numbers, of which one may be null."""
    if not isinstance(value, list | tuple) or len(value) != 2:
        return None
    least, largest = (as_number(each) for each in value)
    if least is None and largest is None:
        return None
    return (-math.inf if least is None else least, math.inf if largest is None else largest)


def _words(values: Iterable[object]) -> list[str]:
    return ["×".join(map(str, value)) if isinstance(value, list) else str(value) for value in values]


def _quoted(text: str) -> str:
    return f"'{shown(text, _LONGEST_VALUE)}'"


def _listed(names: Collection[str]) -> str:
    first = [shown(name, _LONGEST_VALUE) for name in list(names)[:_MOST_NAMED]]
    more = len(names) - len(first)
    return (", ".join(first) or "none") + (f" and {more} more" if more else "")
