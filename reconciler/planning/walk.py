"""What a rollout has done so far, and the moves that its orders are made of: whom the proxies ask, and who is let go."""

from __future__ import annotations

from dataclasses import dataclass, field

from reconciler.model.manifest import Rollout, Strategy
from reconciler.model.observed import Container, Probe
from reconciler.model.plan import (
    Action,
    Cause,
    CauseKind,
    DrainContainer,
    DropUpstreams,
    Existing,
    Ref,
    ShiftTraffic,
    Step,
    StopContainer,
)
from reconciler.planning.handover import Leaving
from reconciler.planning.turnover import Turnover


@dataclass(frozen=True, slots=True)
class Told:
    """``led``: services whose upstreams are ours to say. ``unled``: those that the proxies are told of although the release
    does not ask for it, because what it replaces did."""

    led: frozenset[str] = frozenset()
    unled: frozenset[str] = frozenset()


@dataclass
class Walk:
    """Over the levels of a stack. ``steps``: what came of it; the rest is what it remembers on its way."""

    turnovers: dict[str, Turnover]
    policy: Rollout
    leaving: tuple[Leaving, ...]
    told: Told
    serving: dict[str, tuple[Ref, ...]] = field(default_factory=dict)  # whom the proxies ask, as they were told last
    steps: list[Step] = field(default_factory=list)
    unproven: dict[str, None] = field(default_factory=dict)  # services that have a soak before them, in order
    proven: dict[str, None] = field(default_factory=dict)  # the last one last
    healthy: set[str] = field(default_factory=set)  # waited for already, if only without a soak
    moved: set[str] = field(default_factory=set)  # started or replaced in this plan

    def add(self, turnover: Turnover, action: Action, cause: Cause | None = None) -> None:
        self.steps.append(Step(action, cause or turnover.cause, turnover.spec.name))

    def still_running(self, containers: tuple[Container, ...]) -> list[Container]:
        """By number, those that no step has stopped yet."""
        stopped = stopped_by(tuple(self.steps))
        found = [container for container in containers if container.running and existing(container) not in stopped]
        return sorted(found, key=lambda container: container.number)

    def shift(self, turnover: Turnover, refs: tuple[Ref, ...], cause: Cause) -> None:
        self.serving[turnover.spec.name] = refs
        self.add(turnover, ShiftTraffic(turnover.spec.name, refs), cause)

    def leads(self, turnover: Turnover) -> bool:
        """Whether the proxies are told, step by step, whom of its containers to ask."""
        return turnover.spec.name in self.told.led and not (turnover.by_compose or stops_first(turnover))

    def hold(self, turnover: Turnover) -> None:
        """Whoever starts now has the service's name, too."""
        running = self.still_running((*turnover.kept, *turnover.stale))
        serving = [container for container in running if container.probe in (Probe.HEALTHY, Probe.NONE)] or running
        if serving and self.leads(turnover):
            cause = Cause(turnover.cause.kind, "nobody is sent to its new container before that is proven")
            self.shift(turnover, tuple(map(existing, serving)), cause)

    def hold_on(self, turnover: Turnover) -> None:
        """Of a pass that was cut short: its new container runs and is not proven, and the old one may have another address
        than the proxies were told, as after a restart of the engine."""
        old = self.still_running(turnover.stale)
        if turnover.unproven and old and self.leads(turnover):
            cause = Cause(CauseKind.UNFINISHED, "nobody is sent to its new container before that is proven")
            self.shift(turnover, tuple(map(existing, old)), cause)

    def let_go(self, turnover: Turnover, old: Container) -> None:
        """One that nobody new is sent to is stopped, once what it was asked is answered."""
        name = turnover.spec.name
        if self.leads(turnover) or (self.policy.says_how_to_drain(name) and not stops_first(turnover)):
            cause = Cause(CauseKind.PROVEN, "it is asked nothing new")
            self.add(turnover, DrainContainer(existing(old), self.policy.of(name).drain_s or 0.0), cause)
        self.add(turnover, StopContainer(existing(old)), proven(turnover))

    def drop(self, turnover: Turnover) -> None:
        """What leads to the old one leads nowhere from now on, and must not stand beside what leads to the new one."""
        if turnover.spec.name in self.told.unled:
            cause = Cause(CauseKind.CHANGED, "Traefik finds its new containers by their labels")
            self.add(turnover, DropUpstreams((turnover.spec.name,)), cause)


def existing(container: Container) -> Existing:
    return Existing(container.id, container.name)


def stops_first(turnover: Turnover) -> bool:
    return turnover.chosen is not None and turnover.chosen.strategy is Strategy.STOP_FIRST


def proven(turnover: Turnover) -> Cause:
    if turnover.cause.kind is CauseKind.SCALE:
        return turnover.cause  # the others served before, too, or nobody is to any more
    return Cause(CauseKind.PROVEN, f"{turnover.spec.name} is served by its successor")


def stopped_by(steps: tuple[Step, ...]) -> frozenset[Ref]:
    return frozenset(step.action.ref for step in steps if isinstance(step.action, StopContainer))
