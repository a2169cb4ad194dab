"""What somebody changed on a container that is otherwise right, and the steps that change it back in place."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.model.manifest import DriftMode
from reconciler.model.observed import Container, Endpoint, LiveSettings, State
from reconciler.model.plan import (
    Cause,
    CauseKind,
    ConnectNetwork,
    DisconnectNetwork,
    Existing,
    Plan,
    Step,
    UnpauseContainer,
    UpdateResources,
)
from reconciler.planning.takeover import is_about_certificates


def drift_steps(container: Container, baseline: LiveSettings | None) -> Iterator[Step]:
    """Steps for resources, networks and a pause. Starting and renaming belong to the rollout."""
    ref = Existing(container.id, container.name)
    if container.state is State.PAUSED:
        cause = Cause(CauseKind.DRIFT, f"{container.name} was paused")
        yield Step(UnpauseContainer(ref), cause, container.service)
    if baseline is None:
        return
    yield from _resources(container, baseline, ref)
    yield from _endpoints(container, baseline, ref)


def _resources(container: Container, baseline: LiveSettings, ref: Existing) -> Iterator[Step]:
    want, have = dict(baseline.resources), dict(container.settings.resources)
    changed = {key: value for key, value in want.items() if have.get(key) != value}
    if not changed:
        return
    told = ", ".join(f"{key} is {have.get(key)} instead of {value}" for key, value in sorted(changed.items()))
    cause = Cause(CauseKind.DRIFT, f"{container.name}: {told}")
    yield Step(UpdateResources(ref, tuple(sorted(changed.items()))), cause, container.service)


def _endpoints(container: Container, baseline: LiveSettings, ref: Existing) -> Iterator[Step]:
    want = {endpoint.network: endpoint for endpoint in baseline.endpoints}
    have = {endpoint.network: endpoint for endpoint in container.settings.endpoints}
    for name in sorted(have.keys() - want.keys()):
        cause = Cause(CauseKind.DRIFT, f"{container.name} was connected to network {name}")
        yield Step(DisconnectNetwork(ref, name), cause, container.service)
    for name, endpoint in sorted(want.items()):
        if name not in have:
            cause = Cause(CauseKind.DRIFT, f"{container.name} was disconnected from network {name}")
            yield Step(ConnectNetwork(ref, endpoint), cause, container.service)
        elif _differs(have[name], endpoint):
            cause = Cause(CauseKind.DRIFT, f"{container.name}: its aliases or address on network {name} were changed")
            yield Step(DisconnectNetwork(ref, name), cause, container.service)
            yield Step(ConnectNetwork(ref, endpoint), cause, container.service)


def _differs(have: Endpoint, want: Endpoint) -> bool:
    return set(have.aliases) != set(want.aliases) or (have.ipv4, have.ipv6) != (want.ipv4, want.ipv6)


def is_only_told(found: Plan, mode: DriftMode, *, has_begun: bool) -> bool:
    """Whether a repair is reported and not made. What is half done is ended, and what Git has asked for since is no drift: a new
    pair, or that services go which ``prune`` had kept."""
    is_asked_for = all(step.cause.kind in (CauseKind.CERTIFICATE, CauseKind.REMOVED) for step in found.steps)
    return mode is DriftMode.WARN and not has_begun and not is_asked_for and not is_about_certificates(found)


def is_drift(found: Plan) -> bool:
    """Whether somebody changed something, as far as the plan's causes tell."""
    return any(step.cause.kind is CauseKind.DRIFT for step in found.steps)


def print_of(found: Plan) -> str:
    """Equal for the same repair, whatever the containers' ids."""
    return "\n".join(f"{step.service}: {type(step.action).__name__}" for step in found.steps)
