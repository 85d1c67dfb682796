"""Where the target of a plan's step stands when the step is released: what moves is followed, what is down waits."""

from __future__ import annotations

from dataclasses import dataclass

from ..domain.commands import SubmitJob
from ..observatory import target_cautions
from ..observatory.abilities import Abilities
from ..observatory.profiles import Profile, ProfilesFile
from ..storage.statement import Connection
from . import capabilities


@dataclass(frozen=True)
class PlanTargets:
    """Look after the targets of plans, with what `site.toml` and the site itself say of where they may be."""

    profiles: ProfilesFile

    def followed(self, command: SubmitJob, now_ms: int) -> SubmitJob:
        """Return a step's command with where its target stands when it may begin; a star stays where it was."""
        name = command.optional_params.get("object")
        if (command.device, command.action) != ("mount", "go") or not isinstance(name, str):
            return command
        place = self._profile(command.site).place
        required = target_cautions.followed(command.required_params, name, _begins_ms(command, now_ms), place)
        return command.model_copy(update={"required_params": required})

    def hindrance(self, connection: Connection, command: SubmitJob, now_ms: int) -> str | None:
        """Return in words why a step's target cannot be had now; None when it can, or nobody knows."""
        if (command.device, command.action) != ("mount", "go"):
            return None
        said = capabilities.of_site(connection, command.site)
        found = target_cautions.of_job(
            Abilities(self._profile(command.site), said.devices if said else {}),
            command.device,
            command.instance,
            command.action,
            command.required_params,
            command.optional_params,
            _begins_ms(command, now_ms),
        )
        return found[0] if found else None

    def _profile(self, site: str) -> Profile:
        return self.profiles.all().get(site) or Profile(code=site)


def _begins_ms(command: SubmitJob, now_ms: int) -> int:
    return now_ms + round(1000 * command.not_before_seconds)
