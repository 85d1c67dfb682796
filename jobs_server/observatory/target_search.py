"""What a name may mean at a site: targets, best first, each with how it stands there now and tonight."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from . import own_targets, targets, tonight
from .abilities import Abilities
from .own_targets import OwnTarget
from .target_cautions import PointingLimits, limits, of_target
from .targets import Target
from .tonight import Night, Visibility


class Asked(NamedTuple):
    """Whose sky is asked for, and when."""

    site: Abilities
    at_ms: int

    @property
    def night(self) -> Night | None:
        """Return the night there is at the site, or the coming one; None where its place is not known."""
        profile = self.site.profile
        return tonight.tonight(profile.place, self.at_ms, profile.zone) if profile.place else None


class Found(NamedTuple):
    """A target and how it stands over the site."""

    target: Target
    seen: Visibility | None
    """None where the site's place is not known."""
    cautions: tuple[str, ...]
    """What is to be said before a telescope points there now, a sentence without a stop for each."""


def search(text: str, asked: Asked, own: Sequence[OwnTarget], most: int = 20) -> list[Found]:
    """Return the targets that a text may mean, best first; `own` are those of the site's own list that it may mean."""
    place = asked.site.profile.place
    mine = list(own_targets.as_targets(own, asked.at_ms, place))
    return list(over_the_site(targets.find(text, asked.at_ms, place, mine, most), asked))


def over_the_site(found: Iterable[Target], asked: Asked) -> Iterator[Found]:
    """Yield how targets stand over a site."""
    night, bounds = asked.night, limits(asked.site)
    for target in found:
        if night is None:
            yield Found(target, None, ())
            continue
        cautions = of_target(target.name, target.direction, asked.at_ms, night.place, bounds)
        yield Found(target, _seen(target, night, bounds, asked.at_ms), tuple(cautions))


def curve(target: Target, asked: Asked, night: Night | None = None) -> list[tuple[int, float]]:
    """Return a target's altitudes from sunset to sunrise, of tonight or another night; none without a place."""
    night = night or asked.night
    return tonight.curve(night, _height(target, night)) if night else []


def _seen(target: Target, night: Night, bounds: PointingLimits, at_ms: int) -> Visibility:
    height = _height(target, night)
    return tonight.visibility(night, height, target.direction, at_ms, bounds.altitude_degrees or 0.0)


def _height(target: Target, night: Night) -> tonight.Altitudes:
    name = target.name if target.moves else ""
    return tonight.altitudes(night.place, name, target.direction, night.from_ms)
