"""The order of a rollout: start, prove, stop, service by service, in the order that ``depends_on`` asks for.

The old container is stopped only after the new one is proven (start-first), or started again if it is not (stop-first);
either way it is removed only when the whole release is proven, so that a stack can be rolled back without making
anything anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from reconciler.model.desired import Condition, Dependency
from reconciler.model.manifest import Rollout, Strategy
from reconciler.model.observed import Container, Probe
from reconciler.model.plan import (
    Action,
    AwaitCompleted,
    AwaitHealthy,
    Cause,
    CauseKind,
    DrainContainer,
    DropUpstreams,
    Existing,
    New,
    RecreateServices,
    Ref,
    RemoveContainer,
    RestartContainer,
    ShiftTraffic,
    StartContainer,
    Step,
    StopContainer,
)
from reconciler.planning.handover import Leaving, goes_over
from reconciler.planning.order import levels
from reconciler.planning.turnover import Turnover


def existing(container: Container) -> Existing:
    return Existing(container.id, container.name)


@dataclass(frozen=True, slots=True)
class Told:
    """``led``: services whose upstreams are ours to say. ``unled``: those that the proxies are told of although the release
    does not ask for it, because what it replaces did."""

    led: frozenset[str] = frozenset()
    unled: frozenset[str] = frozenset()


@dataclass
class _Rollout:
    """The walk over the levels, with what was already started and proven."""

    turnovers: dict[str, Turnover]
    policy: Rollout
    leaving: tuple[Leaving, ...]
    told: Told
    serving: dict[str, tuple[Ref, ...]] = field(
        default_factory=dict
    )  # whom the proxies are told to ask, where they are
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
        return turnover.spec.name in self.told.led and not (turnover.by_compose or _stops_first(turnover))


def rollout_steps(
    turnovers: tuple[Turnover, ...],
    policy: Rollout,
    outgoing: tuple[Leaving, ...] = (),
    told: Told | None = None,
) -> tuple[Step, ...]:
    """From the first start to the last stop. Images are here and new containers are made already."""
    walk = _Rollout({turnover.spec.name: turnover for turnover in turnovers}, policy, outgoing, told or Told())
    for level in levels(tuple(turnover.spec for turnover in turnovers)):
        members = [walk.turnovers[spec.name] for spec in level]
        for turnover in members:
            _prove_what_it_waits_for(walk, turnover)
            _begin(walk, turnover)
        for turnover in members:
            _hand_over(walk, turnover)
    for name in list(walk.unproven):
        _prove(walk, walk.turnovers[name], soak=True)
    _prove_together(walk)
    return tuple(walk.steps)


def _prove_together(walk: _Rollout) -> None:
    """What was proven first may fall ill while the others are waited for, and its old container is about to go."""
    for name in list(walk.proven)[:-1]:
        turnover = walk.turnovers[name]
        if turnover.stale and not turnover.by_compose and not turnover.spec.job:
            cause = Cause(CauseKind.PROVEN, "its old container goes only where the whole release is healthy")
            within_s = walk.policy.of(name).timeout_s or 0.0
            walk.add(turnover, AwaitHealthy(name, _proven_refs(turnover), within_s, 0.0), cause)


def _prove_what_it_waits_for(walk: _Rollout, turnover: Turnover) -> None:
    if not (turnover.new or turnover.idle or turnover.by_compose):
        return
    for dependency in turnover.spec.depends_on:
        if dependency.condition is not Condition.STARTED and not _is_used_to(walk, turnover, dependency.service):
            _see_healthy(walk, dependency.service)


def _is_used_to(walk: _Rollout, turnover: Turnover, service: str) -> bool:
    """What was proven once and only starts again runs beside a dependency that fell ill meanwhile, as it would have, had
    it not been stopped: otherwise no release could be undone while a database is ill."""
    again = bool(turnover.idle) and not turnover.new and not turnover.unproven
    return again and service not in walk.moved and service in walk.turnovers and walk.turnovers[service].ill


def _see_healthy(walk: _Rollout, service: str) -> None:
    """Also what this plan does not touch: a pass that was cut short may have started it a moment ago."""
    turnover = walk.turnovers.get(service)
    if turnover is None or service in walk.healthy:
        return
    if service in walk.unproven or not turnover.serves:
        _prove(walk, turnover, soak=False)


def _begin(walk: _Rollout, turnover: Turnover) -> None:
    """Everything of a service up to its last start; all rounds but the last are proven at once, one by one."""
    _take_over(walk, turnover)
    if turnover.by_compose:
        _drop(walk, turnover)
        walk.add(turnover, RecreateServices((turnover.spec.name,)))
        _moved(walk, turnover)
        return
    _restart_in_turn(walk, turnover, turnover.blind)
    _restart_with_what_it_stands_on(walk, turnover)
    starts = _starts(turnover)
    stops = walk.still_running(turnover.stale)
    if not starts:
        if turnover.unproven or (turnover.stale and turnover.kept):
            walk.unproven[turnover.spec.name] = None
        return
    _hold(walk, turnover)
    while len(stops) > 1 and len(starts) > 1:
        _round(walk, turnover, starts.pop(0), stops.pop(0))
    if _stops_first(turnover):
        for container in stops:
            walk.add(turnover, StopContainer(existing(container)))
        _drop(walk, turnover)
    for ref in starts:
        walk.add(turnover, StartContainer(ref))
    _moved(walk, turnover)


def _take_over(walk: _Rollout, turnover: Turnover) -> None:
    """What it needs and a leaving container of another service still holds is let go of."""
    if not (turnover.new or turnover.idle):
        return
    for holder in walk.leaving:
        what = goes_over(turnover.spec.definition, holder)
        if not what or holder.container.service == turnover.spec.name:
            continue
        for container in walk.still_running((holder.container,)):
            cause = Cause(CauseKind.CHANGED, f"{what} goes over to {turnover.spec.name}")
            walk.steps.append(Step(StopContainer(existing(container)), cause, container.service))


def _round(walk: _Rollout, turnover: Turnover, ref: Ref, old: Container) -> None:
    """One container of several is succeeded, whole."""
    stop = StopContainer(existing(old))
    if _stops_first(turnover):
        walk.add(turnover, stop)
    walk.add(turnover, StartContainer(ref))
    _prove(walk, turnover, soak=True, refs=(ref,))
    if not _stops_first(turnover):
        if walk.leads(turnover):
            left = (other for other in walk.serving[turnover.spec.name] if other != existing(old))
            walk.shift(turnover, (*left, ref), _proven(turnover))
        _let_go(walk, turnover, old)


def _hold(walk: _Rollout, turnover: Turnover) -> None:
    """Whoever starts now has the service's name, too."""
    running = walk.still_running((*turnover.kept, *turnover.stale))
    serving = [container for container in running if container.probe in (Probe.HEALTHY, Probe.NONE)] or running
    if serving and walk.leads(turnover):
        cause = Cause(turnover.cause.kind, "nobody is sent to its new container before that is proven")
        walk.shift(turnover, tuple(map(existing, serving)), cause)


def _let_go(walk: _Rollout, turnover: Turnover, old: Container) -> None:
    """One that nobody new is sent to is stopped, once what it was asked is answered."""
    name = turnover.spec.name
    if walk.leads(turnover) or (walk.policy.says_how_to_drain(name) and not _stops_first(turnover)):
        cause = Cause(CauseKind.PROVEN, "it is asked nothing new")
        walk.add(turnover, DrainContainer(existing(old), walk.policy.of(name).drain_s or 0.0), cause)
    walk.add(turnover, StopContainer(existing(old)), _proven(turnover))


def _moved(walk: _Rollout, turnover: Turnover) -> None:
    walk.unproven[turnover.spec.name] = None
    walk.moved.add(turnover.spec.name)


def _hand_over(walk: _Rollout, turnover: Turnover) -> None:
    """Where an old container still runs, the new one is proven before the walk goes on, and the old one stopped."""
    stops = walk.still_running(turnover.stale)
    if turnover.by_compose or not stops:
        return
    if turnover.spec.name in walk.unproven:
        _prove(walk, turnover, soak=True)
    if walk.leads(turnover) and _proven_refs(turnover):
        walk.shift(turnover, _proven_refs(turnover), _proven(turnover))
    for container in stops:
        _let_go(walk, turnover, container)
    _drop(walk, turnover)


def _drop(walk: _Rollout, turnover: Turnover) -> None:
    """What leads to the old one leads nowhere from now on, and must not stand beside what leads to the new one."""
    if turnover.spec.name in walk.told.unled:
        cause = Cause(CauseKind.CHANGED, "Traefik finds its new containers by their labels")
        walk.add(turnover, DropUpstreams((turnover.spec.name,)), cause)


def _prove(walk: _Rollout, turnover: Turnover, *, soak: bool, refs: tuple[Ref, ...] | None = None) -> None:
    name = turnover.spec.name
    patience = walk.policy.of(name)
    within_s, soak_s = patience.timeout_s or 0.0, patience.soak_s or 0.0
    if refs is None:
        refs = _proven_refs(turnover)
        walk.healthy.add(name)
        walk.proven.pop(name, None)
        walk.proven[name] = None
    if turnover.spec.job:
        for ref in refs:
            walk.add(turnover, AwaitCompleted(name, ref, within_s))
        walk.unproven.pop(name, None)
        return
    walk.add(turnover, AwaitHealthy(name, refs, within_s, soak_s if soak else 0.0, walk.policy.of(name).probe))
    if soak or not soak_s:
        walk.unproven.pop(name, None)


def _restart_with_what_it_stands_on(walk: _Rollout, turnover: Turnover) -> None:
    """``depends_on: {x: {restart: true}}``, which Compose also implies for shared namespaces. A job is not run twice."""
    running = tuple(container for container in turnover.kept if container not in (*turnover.idle, *turnover.blind))
    for dependency in turnover.spec.depends_on:
        if dependency.restart and dependency.service in walk.moved and running and not turnover.spec.job:
            _restart(walk, turnover, dependency, running)
            return


def _restart(walk: _Rollout, turnover: Turnover, dependency: Dependency, running: tuple[Container, ...]) -> None:
    _see_healthy(walk, dependency.service)
    text = f"depends_on: it restarts when {dependency.service} is replaced"
    _restart_in_turn(walk, turnover, running, Cause(CauseKind.DEPENDENCY, text))


def _restart_in_turn(
    walk: _Rollout, turnover: Turnover, containers: tuple[Container, ...], cause: Cause | None = None
) -> None:
    """Each is proven before the next one is restarted, so that a service of several containers serves all the time."""
    for container in containers:
        others = tuple(existing(other) for other in turnover.kept if other.running and other != container)
        if others and walk.leads(turnover):
            walk.shift(turnover, others, Cause(turnover.cause.kind, "nobody is sent to one that restarts"))
            within_s = walk.policy.of(turnover.spec.name).drain_s or 0.0
            walk.add(turnover, DrainContainer(existing(container), within_s), cause)
        walk.add(turnover, RestartContainer(existing(container)), cause)
        if container is not containers[-1]:
            _prove(walk, turnover, soak=True, refs=(existing(container),))
        _moved(walk, turnover)


def _starts(turnover: Turnover) -> list[Ref]:
    idle: list[Ref] = [existing(container) for container in turnover.idle]
    return idle + [New(turnover.spec.name, index) for index in range(turnover.new)]


def _proven_refs(turnover: Turnover) -> tuple[Ref, ...]:
    kept: tuple[Ref, ...] = tuple(existing(container) for container in turnover.kept)
    return kept + tuple(New(turnover.spec.name, index) for index in range(turnover.new))


def _stops_first(turnover: Turnover) -> bool:
    return turnover.chosen is not None and turnover.chosen.strategy is Strategy.STOP_FIRST


def _proven(turnover: Turnover) -> Cause:
    return Cause(CauseKind.PROVEN, f"{turnover.spec.name} is served by its successor")


def stopped_by(steps: tuple[Step, ...]) -> frozenset[Ref]:
    return frozenset(step.action.ref for step in steps if isinstance(step.action, StopContainer))


def removal_steps(turnovers: tuple[Turnover, ...]) -> Iterator[Step]:
    """The release is proven: the old containers go."""
    for turnover in turnovers:
        if turnover.by_compose:
            continue
        for container in turnover.stale:
            cause = Cause(CauseKind.PROVEN, _why_removed(turnover))
            yield Step(RemoveContainer(existing(container)), cause, turnover.spec.name)


def _why_removed(turnover: Turnover) -> str:
    return "the release is proven" if turnover.kept or turnover.new else turnover.cause.text
