"""What is remembered: each stack's status, its releases, the steps taken, the events told, the requests made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from reconciler.model.data import DataBackup


class Sync(StrEnum):
    SYNCED = "Synced"
    OUT_OF_SYNC = "OutOfSync"
    UNKNOWN = "Unknown"


class Health(StrEnum):
    """Worst wins, in this order (as Argo CD has it)."""

    HEALTHY = "Healthy"
    SUSPENDED = "Suspended"
    PROGRESSING = "Progressing"
    MISSING = "Missing"
    DEGRADED = "Degraded"
    UNKNOWN = "Unknown"


class Truth(StrEnum):
    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Ready:
    """The one condition: ``reason`` in CamelCase, ``message`` for people, without a secret."""

    status: Truth = Truth.UNKNOWN
    reason: str = "Pending"
    message: str = ""


@dataclass(frozen=True, slots=True)
class Suspension:
    """``until``: seconds since the epoch, None for until resumed by hand."""

    reason: str
    who: str
    since: float
    until: float | None = None


@dataclass(frozen=True, slots=True)
class StackRecord:
    """Three revisions are told apart: attempted, applied (healthy), quarantined (in the releases)."""

    name: str
    sync: Sync = Sync.UNKNOWN
    health: Health = Health.UNKNOWN
    ready: Ready = field(default_factory=Ready)
    attempted_revision: str = ""
    applied_revision: str = ""
    attempted_release: int | None = None
    applied_release: int | None = None
    wanted_release: int | None = None  # a rollback by hand asked for it; until something new comes from Git
    suspension: Suspension | None = None
    updated_at: float = 0.0


class Outcome(StrEnum):
    """Of a release. PENDING: being applied, or interrupted while it was. WAITING: known, and not begun yet.
    SUPERSEDED: another one was wanted before it came to its end."""

    WAITING = "waiting"
    PENDING = "pending"
    APPLIED = "applied"
    FAILED = "failed"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class ReleaseRecord:
    """``quarantined``: why it is not tried again, "" where it may be. Times are seconds since the epoch."""

    stack: str
    number: int
    digest: str
    revision: str
    outcome: Outcome
    created_at: float
    ended_at: float | None = None
    subject: str = ""
    asked_by: str = ""
    quarantined: str = ""
    images: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


class StepState(StrEnum):
    INTENDED = "intended"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class StepRecord:
    pass_id: int
    index: int
    service: str
    text: str
    state: StepState
    began_at: float
    ended_at: float | None = None
    error: str = ""


class PassGoal(StrEnum):
    APPLY = "apply"
    REPAIR = "repair"
    UNDO = "undo"


@dataclass(frozen=True, slots=True)
class PassRecord:
    """``outcome``: "" while it runs or when it was cut short, then ``done`` or ``failed``."""

    id: int
    stack: str
    release: int | None
    goal: PassGoal
    began_at: float
    ended_at: float | None = None
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class EventRecord:
    """Something that people should know. ``severity``: info or error."""

    id: int
    at: float
    stack: str
    severity: str
    reason: str
    message: str
    revision: str = ""


class RequestKind(StrEnum):
    RECONCILE = "reconcile"
    ROLLBACK = "rollback"
    SUSPEND = "suspend"
    RESUME = "resume"
    APPROVE = "approve"
    BACKUP = "backup"  # ``reason`` says what of it: backup.orders


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asks of the daemon: a row. ``answer``: "" until handled, then ``ok`` or what went wrong."""

    id: int
    kind: RequestKind
    stack: str
    who: str
    created_at: float
    force: bool = False
    release: int | None = None
    reason: str = ""
    until: float | None = None
    handled_at: float | None = None
    answer: str = ""
    data: tuple[DataBackup, ...] = ()  # of a rollback: what is to be restored with it


@dataclass(frozen=True, slots=True)
class CertificateRecord:
    """One certificate as ``certs list`` shows it; never its key.

    ``name``: of the pair in ``certs/``, or the domain that ACME ordered it for. ``origin``: folder or acme. ``state``: a
    word of ``certs.deciding.State``, or of ACME's ordering. ``verified_at``: when a handshake last showed it, 0 for
    never; ``verified_by``: the services that showed it, as stack/service. ``warned_at``: of its expiry. Times are seconds
    since the epoch.
    """

    name: str
    origin: str
    state: str
    domains: tuple[str, ...] = ()
    issuer: str = ""
    fingerprint: str = ""
    not_after: float = 0.0
    message: str = ""
    verified_at: float = 0.0
    verified_by: tuple[str, ...] = ()
    warned_at: float = 0.0


@dataclass(frozen=True, slots=True)
class ServedRecord:
    """From ``at`` on (seconds since the epoch), ``service`` showed this certificate for ``domain``."""

    at: float
    service: str
    domain: str
    fingerprint: str
    name: str
    issuer: str
    not_after: float


@dataclass(frozen=True, slots=True)
class TrialRecord:
    """How often ACME was tried for a domain since it last succeeded, and when it may be again."""

    domain: str
    attempts: int
    began_at: float | None
    next_at: float
