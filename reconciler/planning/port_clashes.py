"""Host ports that two containers of one stack would have to hold at once: Compose takes them, and the second one never
starts. Pure.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from itertools import combinations

from reconciler.model.desired import Condition, ServiceSpec
from reconciler.model.errors import Problem
from reconciler.model.manifest import Manifest
from reconciler.planning.strategy import fixed_ports

_EVERYWHERE = ("0.0.0.0", "::", "[::]", "")


def port_clashes(manifest: Manifest, specs: tuple[ServiceSpec, ...]) -> Iterator[Problem]:
    """Of services that run at the same time: a job may have a port before the one that waits for its end."""
    file = posixpath.join(manifest.folder, manifest.compose_files[0])
    jobs = {need.service for spec in specs for need in spec.depends_on if need.condition is Condition.COMPLETED}
    run = [spec for spec in specs if spec.scale and not spec.job and spec.name not in jobs]
    for spec in run:
        ports = _ports(spec)
        if spec.scale > 1 and ports:
            message = f"{spec.scale} containers cannot all hold {_shown(ports[0])}; publish a range, or run one"
            yield Problem(file, 0, f"services.{spec.name}.ports", message)
    for one, other in combinations(run, 2):
        clash = next((mine for mine in _ports(one) for theirs in _ports(other) if _surely_meet(mine, theirs)), "")
        if clash:
            message = f"{_shown(clash)} is published by {one.name}, too; publish another port in one of the two"
            yield Problem(file, 0, f"services.{other.name}.ports", message)


def meet(one: str, other: str) -> bool:
    """Whether two ``address:port/protocol`` cannot be held at once."""
    (address, _, port), (other_address, _, other_port) = one.rpartition(":"), other.rpartition(":")
    same_address = address == other_address or address in _EVERYWHERE or other_address in _EVERYWHERE
    return port == other_port and same_address


def _surely_meet(one: str, other: str) -> bool:
    """One of IPv4 and one of IPv6 may be held beside each other."""
    return meet(one, other) and (one.count(":") > 1) == (other.count(":") > 1)


def _ports(spec: ServiceSpec) -> tuple[str, ...]:
    """Of a range the engine takes whichever is free."""
    return tuple(port for port in fixed_ports(spec.definition) if "-" not in port)


def _shown(port: str) -> str:
    return f"host port {port.removeprefix('0.0.0.0:').removesuffix('/tcp')}"
