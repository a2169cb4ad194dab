"""What is ours and no longer wanted. Volumes and host data are never among it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reconciler.model.desired import Release
from reconciler.model.manifest import Prune
from reconciler.model.observed import Container, Observed
from reconciler.model.plan import Cause, CauseKind, Ref, RemoveContainer, RemoveNetwork, Step, StopContainer
from reconciler.planning.walk import existing


def removed_containers(release: Release, observed: Observed) -> dict[str, tuple[Container, ...]]:
    """Containers of services that the release does not have, by service. One-off runs of people are left alone."""
    wanted = {spec.name for spec in release.services}
    gone = sorted({container.service for container in observed.containers if not container.oneoff} - wanted)
    return {service: observed.of(service) for service in gone}


@dataclass(frozen=True, slots=True)
class Pruning:
    """Containers of services that the release does not have: those that go, those that stay, and ``notes`` on why."""

    removed: Mapping[str, tuple[Container, ...]]
    stays: Mapping[str, tuple[Container, ...]]
    notes: tuple[str, ...] = ()


def pruning(release: Release, observed: Observed, policy: Prune) -> Pruning:
    """The guards protect what served from a commit, and not what only a release had that was never proven."""
    gone = removed_containers(release, observed)
    guarded = {service: containers for service, containers in gone.items() if service not in observed.unproven}
    notes = _declined(release, guarded, policy)
    if not notes:
        return Pruning(gone, {})
    return Pruning({service: found for service, found in gone.items() if service not in guarded}, guarded, notes)


def _declined(release: Release, removed: Mapping[str, tuple[Container, ...]], policy: Prune) -> tuple[str, ...]:
    if not removed:
        return ()
    names = ", ".join(removed)
    if not policy.enabled:
        return (f"{names}: no longer in the release, left running because prune is disabled",)
    before = len(removed) + len(release.services)
    percent = 100 * len(removed) // before
    if release.services and percent > policy.max_remove_percent:
        return (
            f"{names}: left running, because removing {len(removed)} of {before} services ({percent} %) is more than "
            f"prune.maxRemovePercent ({policy.max_remove_percent}); raise it in stack.yaml if that is meant",
        )
    return ()


def container_steps(removed: Mapping[str, tuple[Container, ...]], stopped: frozenset[Ref]) -> Iterator[Step]:
    """``stopped``: what the rollout has stopped already, because another service needed what it held."""
    cause = Cause(CauseKind.REMOVED, "it is no longer in the release")
    for service, containers in removed.items():
        for container in containers:
            if container.running and existing(container) not in stopped:
                yield Step(StopContainer(existing(container)), cause, service)
            yield Step(RemoveContainer(existing(container)), cause, service)


def network_steps(release: Release, observed: Observed, stays: Mapping[str, tuple[Container, ...]]) -> Iterator[Step]:
    """But those that something that stays is attached to."""
    attached = {
        end.network for containers in stays.values() for found in containers for end in found.settings.endpoints
    }
    wanted = {network.name for network in release.networks} | attached
    for network in observed.networks:
        if network.owned and network.name not in wanted:
            cause = Cause(CauseKind.REMOVED, "no service of the release uses it")
            yield Step(RemoveNetwork(network.id, network.name), cause)
