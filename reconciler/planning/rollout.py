"""The order of a rollout: start, prove, stop, service by service, in the order that ``depends_on`` asks for.

The old container is stopped only after the new one is proven (start-first), or started again if it is not (stop-first);
either way it is removed only when the whole release is proven, so that a stack can be rolled back without making
anything anew.
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.model.desired import Condition, Dependency
from reconciler.model.manifest import Rollout
from reconciler.model.observed import Container
from reconciler.model.plan import (
    AwaitCompleted,
    AwaitHealthy,
    Cause,
    CauseKind,
    DrainContainer,
    New,
    RecreateServices,
    Ref,
    RemoveContainer,
    RestartContainer,
    StartContainer,
    Step,
    StopContainer,
)
from reconciler.planning.handover import Leaving, goes_over
from reconciler.planning.order import levels
from reconciler.planning.turnover import Turnover
from reconciler.planning.walk import Told, Walk, existing, proven, stops_first


def rollout_steps(
    turnovers: tuple[Turnover, ...],
    policy: Rollout,
    outgoing: tuple[Leaving, ...],
    told: Told,
) -> tuple[Step, ...]:
    """From the first start to the last stop. Images are here and new containers are made already."""
    walk = Walk({turnover.spec.name: turnover for turnover in turnovers}, policy, outgoing, told)
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


def _prove_together(walk: Walk) -> None:
    """What was proven first may fall ill while the others are waited for, and its old container is about to go."""
    for name in list(walk.proven)[:-1]:
        turnover = walk.turnovers[name]
        if turnover.stale and not turnover.by_compose and not turnover.spec.job:
            cause = Cause(CauseKind.PROVEN, "its old container goes only where the whole release is healthy")
            within_s = walk.policy.of(name).timeout_s or 0.0
            walk.add(turnover, AwaitHealthy(name, _proven_refs(turnover), within_s, 0.0), cause)


def _prove_what_it_waits_for(walk: Walk, turnover: Turnover) -> None:
    if not (turnover.new or turnover.idle or turnover.by_compose):
        return
    for dependency in turnover.spec.depends_on:
        if dependency.condition is not Condition.STARTED and not _is_used_to(walk, turnover, dependency.service):
            _see_healthy(walk, dependency.service)


def _is_used_to(walk: Walk, turnover: Turnover, service: str) -> bool:
    """What was proven once and only starts again runs beside a dependency that fell ill meanwhile, as it would have, had
    it not been stopped: otherwise no release could be undone while a database is ill."""
    again = bool(turnover.idle) and not turnover.new and not turnover.unproven
    return again and service not in walk.moved and service in walk.turnovers and walk.turnovers[service].ill


def _see_healthy(walk: Walk, service: str) -> None:
    """Also what this plan does not touch: a pass that was cut short may have started it a moment ago."""
    turnover = walk.turnovers.get(service)
    if turnover is None or service in walk.healthy:
        return
    if service in walk.unproven or not turnover.serves:
        _prove(walk, turnover, soak=False)


def _begin(walk: Walk, turnover: Turnover) -> None:
    """Everything of a service up to its last start; all rounds but the last are proven at once, one by one."""
    _take_over(walk, turnover)
    if turnover.by_compose:
        walk.drop(turnover)
        walk.add(turnover, RecreateServices((turnover.spec.name,), anew=not turnover.kept))
        _moved(walk, turnover)
        return
    _restart_in_turn(walk, turnover, turnover.blind)
    _restart_with_what_it_stands_on(walk, turnover)
    starts = _starts(turnover)
    stops = walk.still_running(turnover.stale)
    if not starts:
        if turnover.unproven or (turnover.stale and turnover.kept):
            walk.unproven[turnover.spec.name] = None
        walk.hold_on(turnover)
        return
    walk.hold(turnover)
    while len(stops) > 1 and len(starts) > 1:
        _round(walk, turnover, starts.pop(0), stops.pop(0))
    if stops_first(turnover):
        for container in stops:
            walk.add(turnover, StopContainer(existing(container)))
        walk.drop(turnover)
    for ref in starts:
        walk.add(turnover, StartContainer(ref))
    _moved(walk, turnover)


def _take_over(walk: Walk, turnover: Turnover) -> None:
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


def _round(walk: Walk, turnover: Turnover, ref: Ref, old: Container) -> None:
    """One container of several is succeeded, whole."""
    stop = StopContainer(existing(old))
    if stops_first(turnover):
        walk.add(turnover, stop)
    walk.add(turnover, StartContainer(ref))
    _prove(walk, turnover, soak=True, refs=(ref,))
    if not stops_first(turnover):
        if walk.leads(turnover):
            left = (other for other in walk.serving[turnover.spec.name] if other != existing(old))
            walk.shift(turnover, (*left, ref), proven(turnover))
        walk.let_go(turnover, old)


def _moved(walk: Walk, turnover: Turnover) -> None:
    walk.unproven[turnover.spec.name] = None
    walk.moved.add(turnover.spec.name)


def _hand_over(walk: Walk, turnover: Turnover) -> None:
    """Where an old container still runs, the new one is proven before the walk goes on, and the old one stopped."""
    stops = walk.still_running(turnover.stale)
    if turnover.by_compose or not stops:
        return
    if turnover.spec.name in walk.unproven:
        _prove(walk, turnover, soak=True)
    if walk.leads(turnover) and _proven_refs(turnover):
        walk.shift(turnover, _proven_refs(turnover), proven(turnover))
    for container in stops:
        walk.let_go(turnover, container)
    walk.drop(turnover)


def _prove(walk: Walk, turnover: Turnover, *, soak: bool, refs: tuple[Ref, ...] | None = None) -> None:
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


def _restart_with_what_it_stands_on(walk: Walk, turnover: Turnover) -> None:
    """``depends_on: {x: {restart: true}}``, which Compose also implies for shared namespaces. A job is not run twice."""
    running = tuple(container for container in turnover.kept if container not in (*turnover.idle, *turnover.blind))
    for dependency in turnover.spec.depends_on:
        if dependency.restart and dependency.service in walk.moved and running and not turnover.spec.job:
            _restart(walk, turnover, dependency, running)
            return


def _restart(walk: Walk, turnover: Turnover, dependency: Dependency, running: tuple[Container, ...]) -> None:
    _see_healthy(walk, dependency.service)
    text = f"depends_on: it restarts when {dependency.service} is replaced"
    _restart_in_turn(walk, turnover, running, Cause(CauseKind.DEPENDENCY, text))


def _restart_in_turn(
    walk: Walk, turnover: Turnover, containers: tuple[Container, ...], cause: Cause | None = None
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
