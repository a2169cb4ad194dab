"""Who holds a port of this host that a stack wants, in words, and how it is mended. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from reconciler.model.observed import Container


def are_held(ports: Iterable[str], containers: Iterable[Container]) -> tuple[str, ...]:
    """Those that a container holds, of ``containers``."""
    running = tuple(found for found in containers if found.running)
    return tuple(port for port in ports if _holder(port, running))


def held_by(ports: Sequence[str], containers: Iterable[Container], stack: str) -> str:
    """``ports``: ``address:number/protocol``, held by somebody, for ``stack`` does not. ``containers``: those of every stack
    and project."""
    running = tuple(found for found in containers if found.running)
    return ". ".join(_told(port, _holder(port, running), stack) for port in ports)


def _holder(port: str, running: tuple[Container, ...]) -> Container | None:
    return next((found for found in running if any(_number(held) == _number(port) for held in found.ports)), None)


def _told(port: str, holder: Container | None, stack: str) -> str:
    if holder is None:
        return f"{port} is held by another program; end it (ss -ltnp shows which) or publish another port"
    if holder.owned:
        who = f"this stack's own service {holder.service}" if holder.stack == stack else f"the stack {holder.stack}"
        return f"{port} is held by {who} (container {holder.name}); publish another port in one of the two"
    whose = f" of the project {holder.stack}" if holder.stack != stack else ""
    mend = f"end it (docker stop {holder.name}) or publish another port"
    return f"{port} is held by the container {holder.name}{whose}; {mend}"


def _number(port: str) -> str:
    return port.rpartition(":")[2]
