"""What one container only can hold, when it goes over from one service to another: then the old holder lets go first.

Within a service the strategy sees to that. Across services it happens when a service is renamed in its file, or when a
host port moves from one to another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.model.desired import Release
from reconciler.model.observed import Container
from reconciler.planning.port_clashes import meet
from reconciler.planning.strategy import fixed_addresses, fixed_ports, written_mounts
from reconciler.planning.turnover import Turnover


@dataclass(frozen=True, slots=True)
class Leaving:
    """A container that runs and will not stay. ``writes``: the mounts that it writes to and its service will not any more,
    as far as that is known."""

    container: Container
    writes: frozenset[str] = frozenset()


def leaving(
    turnovers: tuple[Turnover, ...], removed: Iterable[Container], previous: Release | None
) -> tuple[Leaving, ...]:
    """Containers that are replaced, and those of services that are no longer there."""
    outgoing = [(container, turnover.spec.definition) for turnover in turnovers for container in turnover.stale]
    nothing: Mapping[str, Any] = {}
    outgoing += [(container, nothing) for container in removed]
    return tuple(
        Leaving(container, _written(container, previous) - frozenset(written_mounts(definition)))
        for container, definition in outgoing
        if container.running
    )


def _written(container: Container, previous: Release | None) -> frozenset[str]:
    spec = previous.service(container.service) if previous else None
    return frozenset(written_mounts(spec.definition)) if spec else frozenset()


def goes_over(definition: Mapping[str, Any], holder: Leaving) -> str:
    """What a container of ``definition`` needs and ``holder`` must let go of first; "" if nothing."""
    ports = [port for port in fixed_ports(definition) if any(meet(port, held) for held in holder.container.ports)]
    if ports:
        return f"host port {ports[0].rpartition(':')[2].removesuffix('/tcp')}"
    held = {address for end in holder.container.settings.endpoints for address in (end.ipv4, end.ipv6) if address}
    for _, address in fixed_addresses(definition):
        if address in held:
            return f"address {address}"
    for mount in written_mounts(definition):
        if mount in holder.writes:
            return mount
    return ""
