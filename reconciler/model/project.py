"""A container as whoever takes over from another Compose project must know it: what it holds, and how it was brought up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Mount:
    """``target``: the path inside. ``source``: the folder or file on this host, "" where there is none. ``volume``: its name,
    "" for a bind."""

    target: str
    source: str = ""
    volume: str = ""


@dataclass(frozen=True, slots=True)
class ProjectContainer:
    """``project``: "" where no Compose made it. ``folder``: where Compose was called. ``owner``: the root whose it is, "" for
    nobody's. ``ports``: host ports it holds, as ``address:port/protocol``. ``needs``: services that it depends on."""

    id: str
    name: str
    project: str = ""
    service: str = ""
    folder: str = ""
    owner: str = ""
    image_id: str = ""
    running: bool = True
    restart: str = "no"
    restart_count: int = 0
    ports: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()
    networks: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
