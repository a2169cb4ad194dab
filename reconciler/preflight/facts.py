"""What the looks of a preflight saw. Values only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Capacity:
    """Of the machine that the containers run on. ``memory``: bytes."""

    cpus: float
    memory: int


@dataclass(frozen=True, slots=True)
class Disk:
    """``path`` lies on it. ``free`` (to whoever looks), ``size``: bytes."""

    path: str
    free: int
    size: int


@dataclass(frozen=True, slots=True)
class ClockSeen:
    """Seconds since the epoch. ``now``: what this host says. ``told_by``, ``told``: who else said what at that moment, "" where
    nobody was asked or answered. ``committed_at``: of the newest commit, None where none is known. ``is_kept``: whether the
    kernel's clock is being kept to a reference, None where it does not say."""

    now: float
    is_kept: bool | None = None
    told_by: str = ""
    told: float = 0.0
    committed_at: float | None = None


@dataclass(frozen=True, slots=True)
class Publisher:
    """A container that runs and holds ports of the host, as ``number/protocol``. ``root``: whose it is, "" of nobody's."""

    name: str
    project: str
    root: str
    ports: frozenset[str]


@dataclass(frozen=True, slots=True)
class PortSeen:
    """A port that a stack publishes, as ``address:number/protocol``. ``is_free``: it can be bound now. ``holder``: the program
    that listens there, as far as this user may see, "" if not. ``publisher``: the container that the engine leads it to."""

    port: str
    is_free: bool
    publisher: Publisher | None = None
    holder: str = ""


@dataclass(frozen=True, slots=True)
class DomainSeen:
    """``addresses``: of its A and AAAA records; ``here``: those of them that are this host's."""

    name: str
    addresses: tuple[str, ...]
    here: frozenset[str] = frozenset()
