"""Where the data of old containers are found by their successors: a volume is kept by its name, a folder is copied. Pure.

What containers mount is matched by service and path inside. By the path alone only what somebody gave a name to, and only where one
new service has that path: a container of the database's image that dumps it has an anonymous volume at the database's path.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from reconciler.adoption.model import FolderCopy
from reconciler.model.desired import Release
from reconciler.model.project import Mount, ProjectContainer

_ANONYMOUS = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Fate:
    """``volumes``: by key, what a volume of the stack is on this host. ``notes``: what is not taken along, and why. ``claims``:
    volumes that two old containers would both fill."""

    volumes: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    copies: tuple[FolderCopy, ...] = ()
    notes: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()


def fates(
    containers: Iterable[ProjectContainer],
    release: Release,
    data: str,
    sizes: Mapping[str, int] | None = None,
    carried: frozenset[str] = frozenset(),
) -> Fate:
    """``data``: the host's data folder; what lies elsewhere on the host is mounted by both alike. ``sizes``: bytes by folder.
    ``carried``: folders whose files are taken along one by one."""
    containers = tuple(containers)
    old = frozenset(container.service for container in containers)
    volumes: dict[str, str] = {}
    copies: dict[str, FolderCopy] = {}
    notes: list[str] = []
    claims: list[str] = []
    for container, mount in _mounts(containers):
        successor = _successor(container, mount, release, old)
        if successor is None:
            notes += () if mount.source in carried or _is_anonymous(mount) else (_left_behind(container, mount),)
            continue
        service, entry = successor
        kind, source = entry.get("type"), str(entry.get("source") or "")
        if kind == "volume" and source:
            target = f"{data}/{release.stack}/{source}"
            place = mount.volume if mount.volume and not _is_anonymous(mount) else target
            if volumes.setdefault(source, place) != place:
                claims.append(f"the volume {source} would be both {volumes[source]} and {place} ({container.name})")
            elif place == target:
                copies[target] = _copy(mount, target, service, sizes)
        elif kind == "bind" and source.startswith(data + "/"):
            copies[source] = _copy(mount, source, service, sizes)
        elif kind == "bind" and source != mount.source:
            notes.append(f"{service} finds {source} at {mount.target}, and no longer {mount.source}")
    return Fate(volumes, tuple(copies.values()), tuple(dict.fromkeys(notes)), tuple(claims))


def _copy(mount: Mount, target: str, service: str, sizes: Mapping[str, int] | None) -> FolderCopy:
    return FolderCopy(mount.source, target, service, mount.target, (sizes or {}).get(mount.source, 0))


def _mounts(containers: Iterable[ProjectContainer]) -> Iterator[tuple[ProjectContainer, Mount]]:
    return ((container, mount) for container in containers for mount in container.mounts if mount.source)


def _is_anonymous(mount: Mount) -> bool:
    return bool(_ANONYMOUS.fullmatch(mount.volume))


def _successor(
    container: ProjectContainer, mount: Mount, release: Release, old: frozenset[str]
) -> tuple[str, Mapping[str, Any]] | None:
    """The service of the release that has something at this path, and what. ``old``: names of the old services."""
    there = [
        (spec.name, entry)
        for spec in release.services
        for entry in spec.definition.get("volumes") or ()
        if str(entry.get("target", "")).rstrip("/") == mount.target.rstrip("/")
    ]
    own = [pair for pair in there if pair[0] == container.service]
    if own:
        return own[0]
    renamed = [pair for pair in there if pair[0] not in old]
    if len(renamed) == 1 and release.service(container.service) is None and not _is_anonymous(mount):
        return renamed[0]
    return None


def _left_behind(container: ProjectContainer, mount: Mount) -> str:
    what = f"the volume {mount.volume}" if mount.volume else mount.source
    return f"{what} ({container.name}, {mount.target}) stays as it is: nothing of the stack mounts it"
