"""What is: one snapshot of the engine a pass, restricted to what concerns a stack. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


class State(StrEnum):
    """The engine's own words for a container's state."""

    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    RESTARTING = "restarting"
    REMOVING = "removing"
    EXITED = "exited"
    DEAD = "dead"


class Probe(StrEnum):
    """The engine's verdict of the healthcheck; NONE where there is no healthcheck."""

    NONE = "none"
    STARTING = "starting"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True, slots=True, order=True)
class Endpoint:
    """A container's place on a network: the network's name, the aliases asked for, and fixed addresses if any."""

    network: str
    aliases: tuple[str, ...] = ()
    ipv4: str = ""
    ipv6: str = ""


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """What ``docker rename``, ``update`` and ``network connect`` can change on a living container: the rest is fixed.

    ``resources``: ``HostConfig`` keys that ``docker update`` can set (``Memory`` in bytes, ``NanoCpus``, ``PidsLimit``,
    ``RestartPolicy.Name``, ...) as sorted pairs.
    """

    name: str
    resources: tuple[tuple[str, str | int], ...] = ()
    endpoints: tuple[Endpoint, ...] = ()


@dataclass(frozen=True, slots=True)
class Container:
    """``definition``: its ``LABEL_DEFINITION`` ("" where it has none). ``owned``: carries this root's labels.

    ``started_at``: seconds since the epoch by the engine's clock, 0 if never started. ``number``: Compose's counter.
    ``joins``: ids of the containers whose namespaces or volumes it uses. ``ports``: host ports it holds while it runs,
    as ``address:port/protocol``. ``addresses``: network and address, while it runs. ``labels``: those that proxies read.
    """

    id: str
    name: str
    stack: str
    service: str
    number: int
    definition: str
    image_id: str
    state: State
    image: str = ""
    probe: Probe = Probe.NONE
    exit_code: int = 0
    started_at: float = 0.0
    restart_count: int = 0
    owned: bool = True
    oneoff: bool = False
    settings: LiveSettings = field(default_factory=lambda: LiveSettings(""))
    has_anonymous_volumes: bool = False
    joins: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    addresses: tuple[tuple[str, str], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()

    @property
    def running(self) -> bool:
        """A process of it is alive: running, paused, or between two starts of a crash loop."""
        return self.state in (State.RUNNING, State.PAUSED, State.RESTARTING)

    @property
    def is_healthy(self) -> bool:
        """As far as the engine can tell: one without a healthcheck is while it runs."""
        return self.state is State.RUNNING and self.probe in (Probe.HEALTHY, Probe.NONE)

    def is_ours_of(self, stack: str, service: str) -> bool:
        """Made by this root, for this very service."""
        return self.owned and (self.stack, self.service) == (stack, service)


@dataclass(frozen=True, slots=True)
class Image:
    """``size``: bytes it takes where the engine keeps images. ``tags``: as ``docker images`` lists them."""

    id: str
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    repo_digests: tuple[str, ...] = ()
    size: int = 0
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Room:
    """Bytes that are free at ``path``, where the engine keeps its images."""

    path: str
    free: int


@dataclass(frozen=True, slots=True)
class Network:
    id: str
    name: str
    definition: str
    stack: str
    owned: bool = True


@dataclass(frozen=True, slots=True)
class Takeover:
    """``service``, a proxy, holds certificates of its own (``storage``: its ACME file on this host) for ``names`` that
    now belong to ``pairs`` of ``certs/``. It would show either, at random, until it has forgotten its own."""

    service: str
    storage: str
    names: tuple[str, ...]
    pairs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Observed:
    """One stack's part of the snapshot.

    ``containers``: ours, of this stack, whatever their state. ``foreign``: of a Compose project of the same name, but
    not ours: never touched, only reported. ``images``: by reference, None where the engine holds none.
    ``baselines``: each container's live settings as they were when we made it, by container id.
    ``touched``: paths of objects whose content is no longer what Git holds. ``laid_out``: when folders of objects were
    laid out (again), by path, in seconds since the epoch; only those of this process's time. ``unfinished``: a pass over the stack was cut
    short, so what is there may be half of a swap, and is ours to end. ``unproven``: services that only releases have which
    were never proven; what is there of them is a leftover. ``takeovers``: names that change their owner.
    ``renewed``: when the certificates that services read when they start last changed, by service, in seconds since the epoch.
    ``aside``: services that could not be mended in this very pass; they, and what depends on them, are left as they are.
    ``astray``: services that the proxies are told something else of than that they have their name; ``unled``: those that
    the proxies are told of although the release does not ask for it. ``lenders``: containers that are not the stack's
    own, in which containers of it live or are to live, by id or name, as far as they are there.
    """

    stack: str
    containers: tuple[Container, ...] = ()
    foreign: tuple[Container, ...] = ()
    images: Mapping[str, Image | None] = field(default_factory=lambda: MappingProxyType({}))
    networks: tuple[Network, ...] = ()
    baselines: Mapping[str, LiveSettings] = field(default_factory=lambda: MappingProxyType({}))
    touched: tuple[str, ...] = ()
    laid_out: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    unfinished: bool = False
    unproven: frozenset[str] = frozenset()
    takeovers: tuple[Takeover, ...] = ()
    renewed: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    aside: frozenset[str] = frozenset()
    astray: frozenset[str] = frozenset()
    unled: frozenset[str] = frozenset()
    lenders: frozenset[str] = frozenset()
    _by_service: Mapping[str, tuple[Container, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Each service is asked for several times a pass."""
        found: dict[str, tuple[Container, ...]] = {}
        for container in self.containers:
            if not container.oneoff:
                found[container.service] = (*found.get(container.service, ()), container)
        object.__setattr__(self, "_by_service", found)

    def of(self, service: str) -> tuple[Container, ...]:
        return self._by_service.get(service, ())
