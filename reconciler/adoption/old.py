"""The containers of the old project: stopped and kept, started again as they were, or removed. Touches no other ones, and never
a volume.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from reconciler.adoption.model import Adoption, Standing
from reconciler.model.errors import StalledError
from reconciler.model.project import ProjectContainer
from reconciler.ports.engine import Engine

_NEVER = "no"
_NAME, _COUNT = "RestartPolicy.Name", "RestartPolicy.MaximumRetryCount"


class Projects(Protocol):
    def containers(self) -> tuple[ProjectContainer, ...]:
        """Every container of the engine."""


@dataclass(frozen=True, slots=True)
class Old:
    engine: Engine
    projects: Projects

    def stand(self, container: Standing) -> None:
        """Stopped, not started by a reboot either, and out of the way of whoever wants its name."""
        if self.engine.inspect(container.id) is None:
            raise StalledError(f"{container.name} is gone: somebody removed it meanwhile", reason="Gone")
        self.engine.update(container.id, {_NAME: _NEVER, _COUNT: 0})
        self.engine.stop(container.id, None)
        if container.aside:
            self.engine.rename(container.id, container.aside)

    def check_all_stand(self, adoption: Adoption) -> None:
        """Two databases on one volume would destroy it. Raises StalledError."""
        running = [one.name for one in self.projects.containers() if one.project == adoption.project and one.running]
        if running:
            raise StalledError(
                f"{', '.join(running)} of the old project {adoption.project} runs: somebody started it again; stop it "
                f"(docker stop {' '.join(running)})",
                reason="OldRuns",
            )

    def restore(self, container: Standing) -> tuple[str, ...]:
        """As it was; what a person should know."""
        now = next((one for one in self.projects.containers() if one.id == container.id), None)
        if now is None:
            return (
                f"{container.name} is gone, and cannot be started again: docker compose up -d in the old folder makes it",
            )
        if now.restart == _NEVER:
            # A process that was killed may have asked for its end a moment ago: what seems to run would be gone soon.
            self.engine.stop(container.id, None)
        self.engine.rename(container.id, container.name)
        self.engine.update(container.id, {_NAME: container.restart, _COUNT: container.restart_count})
        if container.ran:
            self.engine.start(container.id)
        return ()

    def remove(self, adoption: Adoption) -> tuple[str, ...]:
        gone = []
        for container in adoption.containers:
            if self.engine.inspect(container.id) is not None:
                self.engine.remove(container.id)
                gone.append(container.aside or container.name)
        used = {network for one in self.projects.containers() for network in one.networks}
        for network in self.engine.networks():
            if network.stack == adoption.project and not network.owned and network.name not in used:
                self.engine.remove_network(network.id)
                gone.append(f"network {network.name}")
        return tuple(gone)
