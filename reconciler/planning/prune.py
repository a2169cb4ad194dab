"""What is ours and no longer wanted. Volumes and host data are never among it."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.model.desired import Release
from reconciler.model.manifest import Prune
from reconciler.model.observed import Container, Observed
from reconciler.model.plan import Cause, CauseKind, Ref, RemoveContainer, RemoveNetwork, Step, StopContainer
from reconciler.planning.rollout import existing


def removed_containers(release: Release, observed: Observed) -> dict[str, tuple[Container, ...]]:
    """Containers of services that the release does not have, by service. One-off runs of people are left alone."""
    wanted = {spec.name for spec in release.services}
    gone = sorted({container.service for container in observed.containers if not container.oneoff} - wanted)
    return {service: observed.of(service) for service in gone}


def declined(release: Release, observed: Observed, policy: Prune) -> tuple[str, ...]:
    """Why what the release does not have is left where it is, as notes; empty if it goes."""
    removed = removed_containers(release, observed)
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


def container_steps(removed: dict[str, tuple[Container, ...]], stopped: frozenset[Ref]) -> Iterator[Step]:
    """``stopped``: what the rollout has stopped already, because another service needed what it held."""
    cause = Cause(CauseKind.REMOVED, "it is no longer in the release")
    for service, containers in removed.items():
        for container in containers:
            if container.running and existing(container) not in stopped:
                yield Step(StopContainer(existing(container)), cause, service)
            yield Step(RemoveContainer(existing(container)), cause, service)


def network_steps(release: Release, observed: Observed) -> Iterator[Step]:
    """Only where nothing was declined: what stays may use them."""
    wanted = {network.name for network in release.networks}
    for network in observed.networks:
        if network.owned and network.name not in wanted:
            cause = Cause(CauseKind.REMOVED, "no service of the release uses it")
            yield Step(RemoveNetwork(network.id, network.name), cause)
