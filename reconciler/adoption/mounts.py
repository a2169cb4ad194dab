"""Where the data of old containers are found by their successors: a volume is kept by its name, a folder is copied. Pure.

What containers mount is matched by service and path inside; by the path alone where only one service of the release has it.
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
    """``volumes``: by key, what a volume of the stack is on this host. ``notes``: what is not taken along, and why."""

    volumes: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    copies: tuple[FolderCopy, ...] = ()
    notes: tuple[str, ...] = ()


def fates(
    containers: Iterable[ProjectContainer],
    release: Release,
    data: str,
    sizes: Mapping[str, int] | None = None,
    carried: frozenset[str] = frozenset(),
) -> Fate:
    """``data``: the host's data folder; what lies elsewhere on the host is mounted by both alike. ``sizes``: bytes by folder.
    ``carried``: folders whose files are taken along one by one."""
    volumes: dict[str, str] = {}
    copies: dict[str, FolderCopy] = {}
    notes: list[str] = []
    for container, mount in _mounts(containers):
        successor = _successor(container, mount, release)
        if successor is None:
            notes += () if mount.source in carried else (_left_behind(container, mount),)
            continue
        service, entry = successor
        kind, source = entry.get("type"), str(entry.get("source") or "")
        if kind == "volume" and source and mount.volume and not _ANONYMOUS.fullmatch(mount.volume):
            volumes[source] = mount.volume
        elif kind == "volume" and source:
            target = f"{data}/{release.stack}/{source}"
            volumes[source] = target
            copies[target] = _copy(mount, target, service, sizes)
        elif kind == "bind" and source.startswith(data + "/"):
            copies[source] = _copy(mount, source, service, sizes)
        elif kind == "bind" and source != mount.source:
            notes.append(f"{service} finds {source} at {mount.target}, and no longer {mount.source}")
    return Fate(volumes, tuple(copies.values()), tuple(dict.fromkeys(notes)))


def _copy(mount: Mount, target: str, service: str, sizes: Mapping[str, int] | None) -> FolderCopy:
    return FolderCopy(mount.source, target, service, mount.target, (sizes or {}).get(mount.source, 0))


def _mounts(containers: Iterable[ProjectContainer]) -> Iterator[tuple[ProjectContainer, Mount]]:
    return ((container, mount) for container in containers for mount in container.mounts if mount.source)


def _successor(container: ProjectContainer, mount: Mount, release: Release) -> tuple[str, Mapping[str, Any]] | None:
    """The service of the release that has something at this path, and what."""
    there = [
        (spec.name, entry)
        for spec in release.services
        for entry in spec.definition.get("volumes") or ()
        if str(entry.get("target", "")).rstrip("/") == mount.target.rstrip("/")
    ]
    own = [pair for pair in there if pair[0] == container.service]
    if own:
        return own[0]
    if len(there) == 1 and release.service(container.service) is None:
        return there[0]
    return None


def _left_behind(container: ProjectContainer, mount: Mount) -> str:
    what = f"the volume {mount.volume}" if mount.volume else mount.source
    return f"{what} ({container.name}, {mount.target}) stays as it is: nothing of the stack mounts it"
