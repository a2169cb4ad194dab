"""state.db: what is known across restarts. A book for each room, all in one file, opened as one Journal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from reconciler.model.backup import BackupRecord
from reconciler.model.data import DataChange
from reconciler.model.environment import Mark
from reconciler.model.hook import HookRecord, HookState, Phase
from reconciler.model.observed import LiveSettings
from reconciler.model.record import (
    CertificateRecord,
    EventRecord,
    Outcome,
    PassGoal,
    PassRecord,
    ReleaseRecord,
    Request,
    RequestKind,
    ServedRecord,
    StackRecord,
    StepRecord,
    Suspension,
    TrialRecord,
)
from reconciler.model.updates import ImageRecord


class Journal(Protocol):
    """state.db: one SQLite file. Every write is durable when the call returns."""

    def root_id(self) -> str:
        """This root's identity, made once: the value of LABEL_ROOT."""

    def stacks(self) -> tuple[StackRecord, ...]: ...

    def stack(self, name: str) -> StackRecord | None: ...

    def save_stack(self, record: StackRecord) -> None: ...

    def save_status(self, record: StackRecord) -> None:
        """All of it but the suspension and what is wanted: those are what people ask for, while a pass is under way, too."""

    def save_suspension(self, stack: str, suspension: Suspension | None) -> None: ...

    def save_wanted(self, stack: str, number: int) -> None:
        """A person wants this release rather than what Git says."""

    def drop_wanted(self, stack: str, applied: int) -> None:
        """What Git says was applied, and is what is wanted; unless somebody put it in quarantine meanwhile."""

    def forget_stack(self, name: str) -> None: ...

    def add_release(
        self, stack: str, digest: str, revision: str, subject: str, asked_by: str, now: float
    ) -> ReleaseRecord:
        """A new PENDING release with the stack's next number; the one of this digest, if there is one already."""

    def await_release(
        self, stack: str, digest: str, revision: str, subject: str, asked_by: str, now: float
    ) -> ReleaseRecord:
        """As ``add_release``, of one that does not begin yet: a new one is WAITING."""

    def approve(self, stack: str, number: int, who: str, now: float) -> None: ...

    def approved_by(self, stack: str, number: int) -> str:
        """ "" where nobody did."""

    def releases(self, stack: str) -> tuple[ReleaseRecord, ...]:
        """Oldest first."""

    def pin_images(self, stack: str, number: int, images: Mapping[str, str]) -> None: ...

    def end_release(self, stack: str, number: int, outcome: Outcome, now: float, quarantined: str = "") -> None:
        """``quarantined``: why it is not tried again; both are known, or neither is."""

    def reopen_release(self, stack: str, number: int, revision: str, now: float) -> None:
        """PENDING again, out of quarantine."""

    def quarantine(self, stack: str, number: int, why: str) -> None: ...

    def begin_pass(self, stack: str, release: int | None, goal: PassGoal, now: float) -> int:
        """The pass's id."""

    def end_pass(self, pass_id: int, outcome: str, now: float) -> None: ...

    def open_pass(self, stack: str) -> PassRecord | None:
        """The newest pass that never ended: the process was killed while it ran."""

    def passes(self, stack: str, limit: int) -> tuple[PassRecord, ...]:
        """Newest first."""

    def intend(self, pass_id: int, index: int, service: str, text: str, now: float) -> None: ...

    def done(self, pass_id: int, index: int, now: float) -> None: ...

    def failed(self, pass_id: int, index: int, error: str, now: float) -> None: ...

    def steps(self, pass_id: int) -> tuple[StepRecord, ...]: ...

    def baselines(self) -> Mapping[str, LiveSettings]:
        """By container id."""

    def save_baseline(self, container_id: str, stack: str, settings: LiveSettings) -> None: ...

    def forget_baselines(self, keep: frozenset[str]) -> None:
        """Drop those of containers that are not in ``keep``."""

    def tell(self, stack: str, severity: str, reason: str, message: str, revision: str, now: float) -> EventRecord: ...

    def events(self, after: int = 0, stack: str | None = None, limit: int = 1000) -> tuple[EventRecord, ...]:
        """Oldest first, of those with an id above ``after``; the newest ``limit`` of them."""

    def ask(self, kind: RequestKind, stack: str, who: str, now: float, **details: Any) -> int:
        """Write a request row; its id. ``details`` are Request's own fields."""

    def requests(self) -> tuple[Request, ...]:
        """Those that are not handled yet, oldest first."""

    def request(self, request_id: int) -> Request | None: ...

    def answer(self, request_id: int, answer: str, now: float) -> None: ...

    @property
    def data(self) -> DataBook: ...

    @property
    def marks(self) -> MarkBook: ...

    def version(self) -> int:
        """Changes whenever anybody, another process included, wrote: a cheap way to wait for news."""


class HookBook(Protocol):
    """What is known of hooks across restarts. Durable when a call returns; no secret is ever part of it."""

    def begin_attempt(self, stack: str, release: int) -> int:
        """The number of the try at this release: the same as before where that one never ended."""

    def save_hook(self, record: HookRecord) -> None: ...

    def hook(self, stack: str, release: int, attempt: int, phase: Phase, name: str) -> HookRecord | None: ...

    def hooks(self, stack: str, state: HookState | None = None) -> tuple[HookRecord, ...]:
        """Oldest first; those in ``state`` only, if it is given."""

    def drop_hook(self, record: HookRecord) -> None: ...


class CertificateBook(Protocol):
    """What is known of certificates across restarts. Durable when a call returns; no key is ever part of it."""

    def certificates(self) -> tuple[CertificateRecord, ...]:
        """By origin and name."""

    def save_certificates(self, records: Sequence[CertificateRecord]) -> None:
        """In place of all that were there."""

    def served(self, limit: int) -> tuple[ServedRecord, ...]:
        """Newest first."""

    def serves(self, records: Sequence[ServedRecord]) -> None: ...

    def trials(self) -> tuple[TrialRecord, ...]: ...

    def save_trials(self, records: Sequence[TrialRecord]) -> None:
        """In place of all that were there."""


class BackupBook(Protocol):
    """What the last run of each backup came to. Durable when a call returns."""

    def backups(self, stack: str | None = None) -> tuple[BackupRecord, ...]:
        """By stack and plan."""

    def save_backup(self, record: BackupRecord) -> None: ...


class ImageBook(Protocol):
    """The images that this root pulled or built, which are its own to take away. Durable when a call returns."""

    def brought(self) -> Mapping[str, frozenset[str]]:
        """The names that each was brought under, by image id."""

    def save_brought(self, image_id: str, name: str) -> None: ...

    def forget_brought(self, image_id: str) -> None: ...


class UpdateBook(Protocol):
    """What is known of images that stacks track. Durable when a call returns."""

    def images(self, stack: str | None = None) -> tuple[ImageRecord, ...]:
        """By stack and service."""

    def save_image(self, record: ImageRecord) -> None: ...

    def forget_images(self, stack: str, keep: Sequence[str]) -> None:
        """Those of services that are not in ``keep``."""


class DataBook(Protocol):
    """What is known of data that a release changes, across restarts. Durable when a call returns."""

    def data_change(self, stack: str) -> DataChange | None: ...

    def save_data_change(self, change: DataChange) -> None:
        """In place of the one that the stack has."""

    def drop_data_change(self, stack: str) -> None: ...


class MarkBook(Protocol):
    """What is remembered of variables that are made once or may not change, across restarts. Durable when a call returns."""

    def marks(self, stack: str) -> tuple[Mark, ...]: ...

    def save_mark(self, mark: Mark) -> None:
        """In place of the one that the variable has."""
