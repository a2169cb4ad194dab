"""How a proxy forgets certificates of its own for names that a pair has taken over: stopped, mended, started, proven.

It keeps in memory what it has read, and reads its file only when it starts; so it stops for as short as can be.
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.model.manifest import Rollout
from reconciler.model.observed import Container, Observed, Takeover
from reconciler.model.plan import (
    AwaitHealthy,
    Cause,
    CauseKind,
    Existing,
    ForgetNames,
    Plan,
    StartContainer,
    Step,
    StopContainer,
)
from reconciler.planning.turnover import Turnover


def takeover_steps(found: tuple[Turnover, ...], observed: Observed, policy: Rollout) -> Iterator[Step]:
    """Of proxies that stay: one that is replaced in this plan has its turn when it is."""
    for turnover in found:
        if turnover.stale or turnover.new or turnover.spec.name in observed.aside:
            continue
        mine = [takeover for takeover in observed.takeovers if takeover.service == turnover.spec.name]
        if mine:
            yield from _steps(mine, [c for c in turnover.kept if c.running], turnover.spec.name, policy)


def takeover_notes(observed: Observed) -> tuple[str, ...]:
    return tuple(
        f"{found.service} is stopped for about a second, since it learns only by a new start that "
        f"{', '.join(found.names)} belongs to the pair {', '.join(found.pairs)} now"
        for found in observed.takeovers
    )


def is_about_certificates(found: Plan) -> bool:
    """Nobody changed what runs: a new pair is the only reason."""
    kinds = {step.cause.kind for step in found.steps}
    return CauseKind.CERTIFICATE in kinds and CauseKind.DRIFT not in kinds


def _steps(mine: list[Takeover], running: list[Container], service: str, policy: Rollout) -> Iterator[Step]:
    names = ", ".join(name for takeover in mine for name in takeover.names)
    cause = Cause(CauseKind.CERTIFICATE, f"it holds a certificate of its own for {names}, and would show either")
    for container in running:
        yield Step(StopContainer(Existing(container.id, container.name), at_once=True), cause, service)
    for takeover in mine:
        yield Step(ForgetNames(takeover.storage, takeover.names), cause, service)
    refs = tuple(Existing(container.id, container.name) for container in running)
    for ref in refs:
        yield Step(StartContainer(ref), cause, service)
    if refs:
        within_s = policy.of(service).timeout_s or policy.timeout_s
        yield Step(AwaitHealthy(service, refs, within_s, 0.0), cause, service)
