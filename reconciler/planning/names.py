"""The names that containers should have, and an order of renaming in which each name is free when it is taken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from reconciler.model.plan import Cause, CauseKind, Existing, New, Ref, RenameContainer, Step
from reconciler.planning.turnover import Turnover
from reconciler.planning.walk import existing

_ASIDE = Cause(CauseKind.CHANGED, "its name goes over to another container")


@dataclass(frozen=True, slots=True)
class _Renaming:
    ref: Ref
    name: str
    cause: Cause
    service: str

    @property
    def held(self) -> str:
        """The name that it gives up, as far as a plan can know it."""
        return self.ref.name if isinstance(self.ref, Existing) else ""

    @property
    def step(self) -> Step:
        return Step(RenameContainer(self.ref, self.name), self.cause, self.service)


def rename_steps(turnovers: tuple[Turnover, ...], stack: str) -> Iterator[Step]:
    """Once the old containers are gone, the new ones take their names."""
    waiting = [renaming for turnover in turnovers for renaming in _renamings(turnover, stack)]
    while waiting:
        held = {renaming.held for renaming in waiting}
        free = [renaming for renaming in waiting if renaming.name not in held]
        if free:
            yield from (renaming.step for renaming in free)
            waiting = [renaming for renaming in waiting if renaming not in free]
        else:
            place, renaming, container = _in_the_way(waiting)
            between = f"{renaming.name}-{container.id[:12]}"
            yield Step(RenameContainer(container, between), _ASIDE, renaming.service)
            waiting[place] = replace(renaming, ref=Existing(container.id, between))


def _renamings(turnover: Turnover, stack: str) -> Iterator[_Renaming]:
    """Compose names the new ones itself, but for a fixed name, which the old one still has while they are made."""
    spec = turnover.spec
    for container in turnover.kept:
        name = spec.container_name or f"{stack}-{spec.name}-{container.number}"
        if container.name != name:
            cause = Cause(CauseKind.DRIFT, f"its name is {container.name}")
            yield _Renaming(existing(container), name, cause, spec.name)
    if spec.container_name:
        for index in range(turnover.new):
            cause = Cause(CauseKind.PROVEN, "container_name asks for it")
            yield _Renaming(New(spec.name, index), spec.container_name, cause, spec.name)


def _in_the_way(waiting: list[_Renaming]) -> tuple[int, _Renaming, Existing]:
    """Names go round in a circle: the first container that holds one of them must step aside."""
    return next(
        (place, renaming, renaming.ref) for place, renaming in enumerate(waiting) if isinstance(renaming.ref, Existing)
    )
