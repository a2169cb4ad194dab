"""What users declare: this host's settings (``host.yaml``) and a stack's (``stack.yaml``), with their defaults."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from reconciler.model.action import Action
from reconciler.model.backup import BackupPlan
from reconciler.model.environment import EnvironmentUse
from reconciler.model.hook import Hook
from reconciler.model.requires import Requires
from reconciler.model.updates import Updates


class Strategy(StrEnum):
    """How a service's container is replaced (DESIGN, decision 3)."""

    START_FIRST = "start-first"
    STOP_FIRST = "stop-first"
    RECREATE = "recreate"  # by Compose itself, where a swap cannot serve


class DriftMode(StrEnum):
    ENABLED = "enabled"
    WARN = "warn"


@dataclass(frozen=True, slots=True)
class HttpProbe:
    """Asked at the new container's own address, and answered with the status ``expect`` (any below 400, if None)."""

    port: int
    path: str = "/"
    expect: int | None = None

    def __str__(self) -> str:
        return f"GET :{self.port}{self.path}"


@dataclass(frozen=True, slots=True)
class ServiceRollout:
    """One service's exceptions from the stack's rollout. None: as the stack has it, or by rule."""

    strategy: Strategy | None = None
    timeout_s: float | None = None
    soak_s: float | None = None
    job: bool | None = None  # True: runs to its end, and exit status 0 is its health
    drain_s: float | None = None
    probe: HttpProbe | None = None


@dataclass(frozen=True, slots=True)
class Rollout:
    """``timeout_s``: healthy within; ``soak_s``: healthy for; ``drain_s``: requests under way may finish within."""

    timeout_s: float = 120.0
    soak_s: float = 5.0
    drain_s: float = 10.0
    services: Mapping[str, ServiceRollout] = field(default_factory=lambda: MappingProxyType({}))

    def of(self, service: str) -> ServiceRollout:
        own = self.services.get(service, ServiceRollout())
        return ServiceRollout(
            strategy=own.strategy,
            timeout_s=self.timeout_s if own.timeout_s is None else own.timeout_s,
            soak_s=self.soak_s if own.soak_s is None else own.soak_s,
            job=own.job,
            drain_s=self.drain_s if own.drain_s is None else own.drain_s,
            probe=own.probe,
        )

    def says_how_to_drain(self, service: str) -> bool:
        """Whether whoever wrote ``stack.yaml`` has thought of what is under way when this very service is replaced."""
        own = self.services.get(service)
        return own is not None and own.drain_s is not None


@dataclass(frozen=True, slots=True)
class Prune:
    """Removed services and networks are taken away last, unless more than ``max_remove_percent`` would go."""

    enabled: bool = True
    max_remove_percent: int = 50


@dataclass(frozen=True, slots=True)
class CertificateUse:
    """A stack's wish to have a pair of ``certs/``, for a service that terminates TLS itself.

    ``path``: the folder that gets ``<pair>.crt`` and ``<pair>.key``, relative to the stack's folder; host data.
    ``service`` is told by ``signal``, by ``command`` run inside it, or (neither) by replacing its containers. ``owner``:
    user and group as numbers. ``port``: where the service shows the certificate, for the proof; None for no proof.
    """

    pair: str
    path: str
    service: str
    owner: tuple[int, int] = (0, 0)
    mode: int = 0o600
    signal: str = ""
    command: tuple[str, ...] = ()
    port: int | None = None
    starttls: str = ""

    @property
    def is_told(self) -> bool:
        """By a signal or a command, not by being replaced."""
        return bool(self.signal or self.command)


@dataclass(frozen=True, slots=True)
class Manifest:
    """A stack as its folder declares it.

    ``folder``: path of the stack's folder relative to the repository's root ("" for the root).
    ``compose_files``, ``env_files``, ``data_paths``: relative to ``folder``, in the order of their force; the first two with
    those of ``overlays``, the folders that are laid over the stack on this host, relative to the repository's root.
    """

    name: str
    folder: str
    compose_files: tuple[str, ...]
    depends_on: tuple[str, ...] = ()
    env_files: tuple[str, ...] = ()
    environment: EnvironmentUse = field(default_factory=EnvironmentUse)
    data_paths: tuple[str, ...] = ()
    rollout: Rollout = field(default_factory=Rollout)
    drift: DriftMode = DriftMode.ENABLED
    prune: Prune = field(default_factory=Prune)
    certificates: tuple[CertificateUse, ...] = ()
    backups: tuple[BackupPlan, ...] = ()
    hooks: tuple[Hook, ...] = ()
    updates: Updates = field(default_factory=Updates)
    requires: Requires = field(default_factory=Requires)
    actions: tuple[Action, ...] = ()
    overlays: tuple[str, ...] = ()

    @property
    def rendered_from(self) -> tuple[str, ...]:
        """The Compose files and the environment files, relative to the repository's root."""
        names = (*self.compose_files, *self.env_files)
        return tuple(posixpath.normpath(posixpath.join(self.folder, name)) for name in names)


@dataclass(frozen=True, slots=True)
class CertificateSettings:
    """``warn_before_s``: how long before its end a certificate is warned of. ``public``: whether one that nobody known
    vouches for is worth a warning; ``ca_file``: the absolute path of authorities that are known besides the public ones.
    ``addresses``: those that lead to this host although no interface of it has them."""

    warn_before_s: float = 21 * 86400.0
    public: bool = True
    ca_file: str | None = None
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """``url``: ssh, https, file URL or a path. ``tag``: a range of versions; the newest tag within it is followed instead of
    ``branch``, "" for the branch. ``path``: the folder in the repository that holds the stacks ("" = root).

    ``ssh_key``, ``known_hosts``, ``ca_file``: absolute paths on the host; ``username``/``password_file`` for https.
    """

    url: str
    branch: str = "main"
    tag: str = ""
    path: str = ""
    interval_s: float = 60.0
    timeout_s: float = 60.0
    ssh_key: str | None = None
    known_hosts: str | None = None
    ca_file: str | None = None
    username: str | None = None
    password_file: str | None = None


@dataclass(frozen=True, slots=True)
class HostSettings:
    """``name``: of this host, as the repository knows it; "" for one that it does not know. ``stacks``: shell patterns of
    the stack names that run on this host. ``kept_releases``: of each stack, the newest that were applied; a rollback can go
    to them. ``volumes``: by stack and by key of its Compose files, what a volume is on this host: the name of a volume that
    is there, or the absolute path of a folder."""

    source: SourceSettings
    name: str = ""
    stacks: tuple[str, ...] = ("*",)
    concurrency: int = 4
    kept_releases: int = 10
    certificates: CertificateSettings = field(default_factory=CertificateSettings)
    volumes: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: MappingProxyType({}))
