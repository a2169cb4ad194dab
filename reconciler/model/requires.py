"""What a stack asks of a host, as ``requires`` of its ``stack.yaml`` says it. 0 and () ask for nothing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Requires:
    """``memory``, ``disk``: bytes. ``reach``: what its services talk to, as ``host:port``, with variables; one that says
    no host or no port once they are filled in asks for nothing."""

    cpus: float = 0.0
    memory: int = 0
    disk: int = 0
    reach: tuple[str, ...] = ()
