"""What a release does to the data of its stack, and the way back. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from reconciler.model.hook import BackupFacts, Phase
from reconciler.model.manifest import Manifest

FIRST = 0  # stands for whatever release of a stack is the first to be proven


@dataclass(frozen=True, slots=True)
class DataBackup:
    """A backup that data are restored from: its name, and the service that serves them."""

    name: str
    service: str


@dataclass(frozen=True, slots=True)
class DataChange:
    """Written down before it happens, and gone once the release is proven or its data are what they were.

    ``release``: that is tried, or FIRST. ``back``: the backups that undo it; () while nothing was changed yet. ``forth``: those that a
    person asked to restore on the way to it, and that are not restored yet.
    """

    stack: str
    release: int
    back: tuple[DataBackup, ...] = ()
    forth: tuple[DataBackup, ...] = ()


class AroundData(Protocol):
    """What a stack has run around its backups and restores."""

    def __call__(self, phase: Phase, facts: BackupFacts, error: str = "") -> None:
        """Raises StalledError where one fails that must not, WaitingError(reason="Interrupted")."""


def no_hooks(phase: Phase, facts: BackupFacts, error: str = "") -> None:
    """Of a stack that has none around its backups and restores."""


@dataclass(frozen=True, slots=True)
class DataScene:
    """What backing up and restoring within a pass needs. ``why``: for people."""

    stack: str
    manifest: Manifest
    variables: Mapping[str, str] = field(repr=False)
    why: str
    hooks: AroundData = no_hooks
