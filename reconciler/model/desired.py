"""What a stack should be: a release, which is a stack rendered at a revision, and the services it is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from reconciler.model.source import TreeEntry

# Labels on every container and network we make. They are part of the rendered model, so Compose sets them itself.
LABEL_ROOT = "io.reconciler.root"  # which reconciler root owns it: two roots on one engine do not meet
LABEL_STACK = "io.reconciler.stack"
LABEL_DEFINITION = "io.reconciler.definition"  # what it was made from: ServiceSpec.digest, NetworkSpec.digest
LABEL_BUILD = "io.reconciler.build"  # on built images: the digest of the build section


class Condition(StrEnum):
    """What a dependent waits for, in Compose's words."""

    STARTED = "service_started"
    HEALTHY = "service_healthy"
    COMPLETED = "service_completed_successfully"


@dataclass(frozen=True, slots=True)
class Dependency:
    service: str
    condition: Condition = Condition.STARTED
    restart: bool = False  # restart the dependent when the dependency was replaced
    required: bool = True


@dataclass(frozen=True, slots=True)
class Injection:
    """A config or secret without a file: Compose copies it into the container before each start, and so do we."""

    path: str
    content: str = field(repr=False)
    mode: int = 0o444
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True, slots=True)
class LifecycleHook:
    """Compose's ``post_start`` and ``pre_stop``: a command run inside the container by whoever starts or stops it."""

    command: tuple[str, ...]
    user: str = ""
    privileged: bool = False
    working_dir: str = ""
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """One service of a release.

    ``definition``: the resolved Compose service, ``container_name`` taken out; may hold secrets, so it is never logged.
    ``digest``: sha256 of everything a container of it is made from; equals the container's ``LABEL_DEFINITION``.
    ``unled``: why its upstreams are left to Traefik's Docker provider, though its labels ask for a Traefik that reads us.
    """

    name: str
    digest: str
    image: str
    definition: Mapping[str, Any] = field(repr=False)
    scale: int = 1
    container_name: str | None = None
    depends_on: tuple[Dependency, ...] = ()
    job: bool = False  # runs to its end; exit status 0 is its health
    healthcheck: bool = False  # the model declares one; the image may, too
    build_digest: str | None = None  # set where the image is built from the stack's own context
    pull_always: bool = False
    stop_grace_s: float | None = None
    injections: tuple[Injection, ...] = ()
    post_start: tuple[LifecycleHook, ...] = ()
    pre_stop: tuple[LifecycleHook, ...] = ()
    unled: str = ""


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """``key`` is its name in the Compose file, ``name`` the engine's."""

    key: str
    name: str
    digest: str
    external: bool = False


@dataclass(frozen=True, slots=True)
class Seed:
    """Host data that starts as a copy of what Git tracks: ``entry`` is copied to ``path`` once, if nothing is there."""

    path: str
    entry: TreeEntry


@dataclass(frozen=True, slots=True)
class Release:
    """A stack at a revision. ``digest`` identifies the content: two revisions that change nothing share it.

    ``model``: the whole resolved Compose model, as it is handed to Compose. ``images``: image id by reference, pinned
    when the release was first applied (empty before). ``objects``: what Git tracks and a container mounts.
    ``variables``: values of the variables that secrets and configs are declared by, as they were when it was rendered.
    ``number`` counts per stack from 1; None until the release is first recorded.
    """

    stack: str
    revision: str
    digest: str
    services: tuple[ServiceSpec, ...]
    networks: tuple[NetworkSpec, ...] = ()
    model: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    images: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    objects: tuple[TreeEntry, ...] = ()
    seeds: tuple[Seed, ...] = ()
    warnings: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    number: int | None = None

    def service(self, name: str) -> ServiceSpec | None:
        return next((service for service in self.services if service.name == name), None)


def nothing_of(stack: str) -> Release:
    """The release of a stack that never had one: no service. Planning towards it takes away what is ours."""
    return Release(stack=stack, revision="", digest="", services=())
