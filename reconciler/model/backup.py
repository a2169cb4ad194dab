"""What is backed up, when, for how long it is kept, and how far a backup was proven. Values only."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from reconciler.model.schedule import Schedule

SCRIPTS = ("dump", "count", "check", "restore", "databases", "room", "swap", "drop")  # of every engine: hooks/README.md
SERVER_SCRIPTS = ("serve", "ready")  # of one that has a server
VERIFY_MEMORY = "1g"


class Level(IntEnum):
    """The verification ladder: how far a backup was proven. A level counts only after those below it."""

    NONE = -1  # not even made as it should have been
    L0 = 0  # made: exit status 0, no complaint, not empty, not much smaller than the one before
    L1 = 1  # read: its checksum, and every byte of it by the engine's own reader
    L2 = 2  # restored into a throwaway container of the server's own image, without an error
    L3 = 3  # the same number of rows in every table as when it was made


class Verify(StrEnum):
    """``verify`` of stack.yaml."""

    RESTORE = "restore"
    READ = "read"
    NONE = "none"

    @property
    def level(self) -> Level:
        """What a backup must reach to be as good as was asked for."""
        return {Verify.RESTORE: Level.L3, Verify.READ: Level.L1, Verify.NONE: Level.L0}[self]


@dataclass(frozen=True, slots=True)
class Keep:
    """How many are kept: of all, and of those that were each day's, week's and month's last."""

    last: int = 7
    daily: int = 0
    weekly: int = 0
    monthly: int = 0


@dataclass(frozen=True, slots=True)
class MaxLoss:
    """What may be lost by going back to a backup before somebody must insist: rows that came or went since, and its age."""

    rows: int = 0
    age_s: float = 3600.0


@dataclass(frozen=True, slots=True)
class BackupPlan:
    """One entry of ``backups`` in stack.yaml. ``engine``: the folder of hooks/ that knows how. ``user``: "" for the one
    that the container was made with. ``database``: for an engine of files the path of a mount inside the container, and ``stop``
    whether the service is stopped while it is read. ``memory``: what the throwaway container may use. ``recipients``: of age,
    to whom it is encrypted. ``folder``: where backups lie, "" for backups/<stack>/ of the root. ``at_most``: no more
    are kept than ``keep`` and ``min_verified`` say, not even those of releases that may be gone back to."""

    name: str
    engine: str
    service: str
    database: str
    user: str = ""
    schedule: Schedule = field(default_factory=Schedule)
    keep: Keep = field(default_factory=Keep)
    min_verified: int = 2
    verify: Verify = Verify.RESTORE
    max_shrink_percent: int = 50
    stop: bool = False
    memory: str = VERIFY_MEMORY
    recipients: tuple[str, ...] = ()
    folder: str = ""
    at_most: bool = False
    max_loss: MaxLoss = field(default_factory=MaxLoss)


@dataclass(frozen=True, slots=True)
class BackupRecord:
    """Of one plan, what the last run came to. Times are seconds since the epoch.

    ``slot``: of the schedule, that was run for last. ``ended_at``: None while it runs, or was cut short. ``failed``: what
    went wrong with the last one, "" if nothing did. ``verified_at``: when the newest one was made that is as good as was
    asked for, None where there is none; ``verified``: its name. ``folder``: where they lie.
    """

    stack: str
    plan: str
    slot: float
    began_at: float
    ended_at: float | None = None
    failed: str = ""
    level: Level = Level.NONE
    verified_at: float | None = None
    verified: str = ""
    folder: str = ""
