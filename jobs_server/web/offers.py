"""What the form offers: the devices and actions that a site has, and a stop for every device, whatever the site says.

Of a site that says nothing of itself everything that the catalogue knows is offered.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from ..observatory import catalogue
from ..observatory.abilities import Abilities

STOP = "stop"
"""The action that stops a device of which the catalogue knows no other stop."""


class Offer(NamedTuple):
    """What is offered of one type of device."""

    device: str
    actions: tuple[str, ...]
    rare: frozenset[str] = frozenset()
    """Those of the actions that are rarely used."""

    @property
    def first(self) -> str:
        """Return the action whose form is shown first."""
        return self.actions[0]

    def usual(self, chosen: str) -> list[str]:
        """Return the actions that stand in sight, with the one that is chosen."""
        return [name for name in self.actions if name not in self.rare or name == chosen]

    def folded(self, chosen: str) -> list[str]:
        """Return the actions that are folded away."""
        return [name for name in self.actions if name in self.rare and name != chosen]


def offers(known: Abilities) -> dict[str, Offer]:
    """Return by type what is offered of the devices of a site, in the catalogue's order, and those it does not know."""
    kinds = [kind for kind in catalogue.devices() if _is_there(known, kind)]
    said = dict.fromkeys(key.partition("/")[0] for key in known.said)
    kinds += [kind for kind in said if kind not in catalogue.devices() and _listed(known, kind)]
    found = (_offer(known, kind) for kind in kinds)
    return {offer.device: offer for offer in found if offer.actions}


def stops_beside(known: Abilities) -> dict[str, str]:
    """Return by type how devices are stopped that are not offered: the site may have them all the same."""
    said = dict.fromkeys(key.partition("/")[0] for key in known.said)
    offered = offers(known)
    return {kind: _stops(kind)[0] for kind in (*catalogue.devices(), *said) if kind not in offered}


def _is_there(known: Abilities, kind: str) -> bool:
    """Whether a type of device is offered; that which stands for the whole site always is."""
    if not known.said or kind == "all":
        return True
    return bool(known.instances(kind))


def _offer(known: Abilities, kind: str) -> Offer:
    usual = catalogue.devices().get(kind, {}).get("actions", {})
    listed = _listed(known, kind)
    names = list(usual) if listed is None else [name for name in usual if name in listed]
    others = [name for name in listed or () if name not in usual]
    stops = [name for name in _stops(kind) if name not in names and name not in others] if known.said else []
    return Offer(kind, (*names, *others, *stops), frozenset(name for name in names if not usual[name].get("ui")))


def _listed(known: Abilities, kind: str) -> Collection[str] | None:
    """Return the actions that devices of a type list together; None when one of them lists none."""
    if not known.said or kind in ("all", ""):
        return None
    found: dict[str, None] = {}
    for instance in known.instances(kind) or ():
        actions = known.actions(kind, instance)
        if actions is None:
            return None if kind in catalogue.devices() else found
        found |= dict.fromkeys(actions)
    return found


def _stops(kind: str) -> list[str]:
    """Return the actions that stop a type of device."""
    usual = catalogue.devices().get(kind, {}).get("actions", {})
    return [name for name, each in usual.items() if each.get("stops_everything")] or [STOP]
