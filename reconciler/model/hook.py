"""What a stack declares to be run around its releases, and what such a hook is told. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from reconciler.model.source import TreeEntry


class Phase(StrEnum):
    """When a hook runs."""

    PRE_SYNC = "preSync"  # every image is here, nothing is changed yet
    POST_SYNC = "postSync"  # the whole release is healthy, the old containers are still there
    SYNC_FAIL = "syncFail"  # a release failed, and what served before was put back
    PRE_BACKUP = "preBackup"  # nothing is dumped yet
    POST_BACKUP = "postBackup"  # a backup is over, however it went
    PRE_RESTORE = "preRestore"  # nothing is restored yet
    POST_RESTORE = "postRestore"  # a restore is over, however it went
    POST_CERT = "postCert"  # a handshake showed a certificate that was not shown before


# Their failing can fail a release, a backup or a restore; that of the others changes nothing more.
GATING = frozenset({Phase.PRE_SYNC, Phase.POST_SYNC, Phase.PRE_BACKUP, Phase.PRE_RESTORE})
OWED = frozenset({Phase.SYNC_FAIL, Phase.POST_CERT})  # they run at the end of a pass, whenever that is


class Occasion(StrEnum):
    """Why there is something to run a hook for."""

    CONFIG = "config"  # no image changed
    RELEASE = "release"
    FIRST = "first"  # nothing was ever applied
    ROLLBACK = "rollback"  # a person went back
    CERT = "cert"  # of postCert alone
    BACKUP = "backup"  # of preBackup and postBackup alone
    RESTORE = "restore"  # of preRestore and postRestore alone


_OWN = {
    Phase.POST_CERT: Occasion.CERT,
    Phase.PRE_BACKUP: Occasion.BACKUP,
    Phase.POST_BACKUP: Occasion.BACKUP,
    Phase.PRE_RESTORE: Occasion.RESTORE,
    Phase.POST_RESTORE: Occasion.RESTORE,
}


def occasions_of(phase: Phase) -> frozenset[Occasion]:
    """Those that a phase knows."""
    return frozenset({_OWN[phase]}) if phase in _OWN else frozenset(Occasion) - set(_OWN.values())


class OnFailure(StrEnum):
    ABORT = "abort"
    CONTINUE = "continue"


@dataclass(frozen=True, slots=True)
class Script:
    """``path``: as it was declared. ``entry``: the tracked file that it means."""

    path: str
    entry: TreeEntry
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Exec:
    """A command inside a running container of ``service``."""

    service: str
    command: tuple[str, ...]
    user: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """A one-off container of ``service``, as the new release has it. No ``command``: the service's own."""

    service: str
    command: tuple[str, ...] = ()
    user: str = ""


@dataclass(frozen=True, slots=True)
class Http:
    """``url`` may hold ``{VARIABLE}``. ``contains`` and ``matches`` (a regular expression) are about the answer's body."""

    url: str
    expect: int = 200
    contains: str = ""
    matches: str = ""
    insecure: bool = False


class Require(StrEnum):
    """What a backup must be to let a release pass."""

    VERIFIED = "verified"  # as good as its ``verify`` asks for, and read to its end at least
    MADE = "made"  # as good as its ``verify`` asks for, which may be no more than written


@dataclass(frozen=True, slots=True)
class BackupGate:
    """A backup of the plan ``backup``, no older than ``max_age_s``; one is made where there is none. 0: always."""

    backup: str
    require: Require = Require.VERIFIED
    max_age_s: float = 0.0


Kind = Script | Exec | Run | Http | BackupGate


@dataclass(frozen=True, slots=True)
class Hook:
    phase: Phase
    name: str
    kind: Kind
    on: frozenset[Occasion] = frozenset(Occasion)  # of which a phase knows only its own, see occasions_of
    timeout_s: float = 300.0
    on_failure: OnFailure = OnFailure.ABORT
    changes_data: bool = False  # where its release fails, the data are restored


@dataclass(frozen=True, slots=True)
class ChangedService:
    """References of images; "" where there was, or is, no such service."""

    service: str
    old_image: str
    new_image: str


@dataclass(frozen=True, slots=True)
class BackupFacts:
    """What the hooks around a backup or a restore are told of it. ``plan``: as stack.yaml calls it. ``database``: that is
    dumped, or restored into. The rest is "" before a backup is made, and where none could be kept. ``state``: verified,
    sound, unproven or failed. ``precedes``: the release that it is made before."""

    plan: str
    database: str
    name: str = ""
    file: str = ""
    level: str = ""
    state: str = ""
    precedes: int | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at a release, as its hooks see it. ``number`` counts the tries of this release from 1.

    ``failed_step`` and ``error``: what went wrong, for syncFail, postBackup and postRestore. ``domains``: for which another
    certificate is shown, for postCert alone. ``backup``: for hooks around one. Where no release is tried, ``number`` is the
    time instead.
    """

    stack: str
    release: int
    revision: str
    number: int
    occasion: Occasion
    previous_release: int | None = None
    previous_revision: str = ""
    changed: tuple[ChangedService, ...] = ()
    failed_step: str = ""
    error: str = ""
    domains: tuple[str, ...] = ()
    backup: BackupFacts | None = None


class HookState(StrEnum):
    OWED = "owed"  # one that gates nothing, and runs at the end of a pass
    BEGUN = "begun"
    CUT_SHORT = "cut short"  # the process ended while it ran
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class HookRecord:
    """One hook of one attempt. ``pass_id``: the pass that it ran in last. Times are seconds since the epoch."""

    stack: str
    release: int
    attempt: int
    phase: Phase
    name: str
    state: HookState
    pass_id: int
    began_at: float
    ended_at: float | None = None
    exit_code: int | None = None
    output: str = ""
    failed_step: str = ""
    error: str = ""
    domains: tuple[str, ...] = ()
