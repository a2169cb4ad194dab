"""What adopting a project speaks of. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from reconciler.model.project import ProjectContainer


class Kind(StrEnum):
    """Of files that are taken along while the old project serves."""

    CERTIFICATE = "certificate"
    DUMP = "dump"


@dataclass(frozen=True, slots=True)
class FileCopy:
    """``there``: sha256 of what lies at ``target`` already, "" where nothing does. ``size``: bytes."""

    kind: Kind
    source: str
    target: str
    sha256: str
    size: int
    there: str = ""


@dataclass(frozen=True, slots=True)
class FolderCopy:
    """Data that containers write, copied while they stand. ``service`` and ``path``: who finds it where, inside."""

    source: str
    target: str
    service: str
    path: str
    size: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """An old container. ``aside``: the name that it steps aside to, "" where nobody wants its own. ``successor``: the
    service that takes its place, "" where none does. ``ran``: whether it is started again when the adoption is undone."""

    id: str
    name: str
    service: str
    ran: bool
    restart: str
    restart_count: int = 0
    aside: str = ""
    successor: str = ""


@dataclass(frozen=True, slots=True)
class CronLine:
    """``place``: a file such as /etc/cron.d/x, or ``CRONTAB`` for the crontab of whoever runs this."""

    place: str
    line: str


CRONTAB = "crontab"


@dataclass(frozen=True, slots=True)
class Clone:
    """What lies in the folder of an old project. ``variables``: the bytes of its .env, None where there is none.
    ``changes``: tracked files that differ from what was committed. ``notes``: what is there and cannot be taken along."""

    folder: str
    variables: bytes | None = field(default=None, repr=False)
    certificates: tuple[FileCopy, ...] = ()
    dumps: tuple[FileCopy, ...] = ()
    changes: tuple[str, ...] = ()
    cron: tuple[CronLine, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Adoption:
    """The plan. ``variables``: names of those that the old project sets. ``containers``: in the order in which they are stopped. ``volumes``: what host.yaml says of the stack's volumes
    from then on. ``refusals``: while there is one, nothing is done."""

    stack: str
    folder: str
    project: str
    variables: tuple[str, ...] = ()
    files: tuple[FileCopy, ...] = ()
    data: tuple[FolderCopy, ...] = ()
    volumes: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    containers: tuple[Standing, ...] = ()
    cron: tuple[CronLine, ...] = ()
    changes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """``containers``: those of the project; ``others``: every other one of the engine."""

    clone: Clone
    containers: tuple[ProjectContainer, ...]
    others: tuple[ProjectContainer, ...] = ()
