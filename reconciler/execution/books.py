"""What the loop knows before a pass and keeps while one acts: releases, quarantine, patience. What comes of it: ``report``.

Writes to the journal and to the kept releases; never touches the engine, and decides nothing that is not a lookup.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from pathlib import Path

from reconciler.execution.desire import Desire
from reconciler.execution.holding import BeforeFirst, Holding, nothing_before
from reconciler.execution.shelf import Shelf
from reconciler.execution.walk import StepFailedError
from reconciler.execution.work import Work
from reconciler.model.desired import Release
from reconciler.model.errors import InvalidInputError, WaitingError
from reconciler.model.hook import Attempt
from reconciler.model.observed import Observed
from reconciler.model.plan import Plan
from reconciler.model.record import Health, Outcome, PassGoal, Ready, ReleaseRecord, StackRecord, Sync, Truth
from reconciler.planning.drift import print_of
from reconciler.planning.hooks import changed_services, failed_at_hook, failed_at_step, occasion_of
from reconciler.planning.patience import Patience
from reconciler.planning.story import causes_of
from reconciler.planning.target import Candidates
from reconciler.ports.books import Journal
from reconciler.ports.clock import Clock

_ALL_PASSES = 1000  # more than the journal keeps


@dataclass
class Memory:
    """Of this process only: after a restart everything may be tried at once, once. ``failed_repair``: why the last one did."""

    applying: dict[str, Patience] = field(default_factory=dict)
    repairing: dict[str, Patience] = field(default_factory=dict)
    failed_repair: dict[str, Ready] = field(default_factory=dict)
    told_drift: dict[str, str] = field(default_factory=dict)


class Books:
    """Safe to use from several threads as long as no two work on the same stack."""

    def __init__(
        self, journal: Journal, shelf: Shelf, desire: Desire, clock: Clock, first: BeforeFirst = nothing_before
    ) -> None:
        self._journal = journal
        self._shelf = shelf
        self._desire = desire
        self._clock = clock
        self.memory = Memory()
        self.holding = Holding(journal, desire, clock, first)

    # What is known before a pass

    def record(self, work: Work) -> StackRecord:
        return self._journal.stack(work.name) or StackRecord(work.name)

    def is_suspended(self, work: Work) -> bool:
        """A suspension whose time is over ends here."""
        record = self.record(work)
        suspension = record.suspension
        if suspension is None:
            return False
        if suspension.until is None or suspension.until > self._clock.now():
            return True
        self._journal.save_suspension(record.name, None)
        self.tell(work, "info", "Resumed", f"the time for which {suspension.who} suspended it is over")
        return False

    def rendered(self, work: Work) -> Release | None:
        """What Git says, with the images pinned that are known already. Raises InvalidInputError."""
        if work.problems:
            raise InvalidInputError(work.problems)
        if work.revision is None or work.gone:
            return None
        release = self._desire.release(work.manifest, work.revision)
        if work.manifest.updates.images:
            release = self.holding.without_bad_images(work, work.revision, release, self.applied(work))
        return self._shelf.with_pins(release, self.applied(work))

    def applied(self, work: Work) -> Release | None:
        """The last release that was proven."""
        number = self.record(work).applied_release
        return None if number is None else self._shelf.load(work.name, number)

    def unproven(self, work: Work) -> frozenset[str]:
        """Services that only releases since the last proven one have."""
        applied = self.applied(work)
        services = {spec.name for release in self.tried(work) for spec in release.services}
        return frozenset(services - {spec.name for spec in (applied.services if applied else ())})

    def tried(self, work: Work) -> tuple[Release, ...]:
        """Releases since the last proven one, which are not proven. None of them where that one cannot be read any more:
        then nobody knows what served."""
        if self.record(work).applied_release is not None and self.applied(work) is None:
            return ()
        record = self.record(work)
        found = (
            self._shelf.load(work.name, tried.number)
            for tried in self._journal.releases(work.name)
            if tried.outcome is not Outcome.APPLIED
            and (tried.number > (record.applied_release or 0) or tried.number == record.attempted_release)
        )
        return tuple(release for release in found if release is not None)

    def first_pass_at(self, work: Work) -> float:
        """When the first pass over the stack that is still known of began, seconds since the epoch."""
        return min((found.began_at for found in self._journal.passes(work.name, _ALL_PASSES)), default=0.0)

    def candidates(self, work: Work, rendered: Release | None) -> Candidates:
        record = self.record(work)
        quarantined = self.quarantined(work)
        self.holding.begin(work.name, rendered)
        if work.forced and rendered is not None:
            quarantined.pop(rendered.digest, None)
        number = record.wanted_release
        wanted = None if number is None else self._shelf.load(work.name, number)
        return Candidates(
            rendered=rendered,
            applied=self.applied(work),
            wanted=wanted,
            quarantined=quarantined,
            waiting="" if rendered is None else self._waiting(work, rendered),
            wanted_waits="" if wanted is None else self._tried_of_late(work, wanted),
        )

    def quarantined(self, work: Work) -> dict[str, str]:
        """Why releases are not tried, by digest."""
        return {
            found.digest: f"release {found.number} is quarantined: {found.quarantined}"
            for found in self._journal.releases(work.name)
            if found.quarantined and not self._goes_otherwise(work, found)
        }

    def _goes_otherwise(self, work: Work, failed: ReleaseRecord) -> bool:
        """It failed at a hook, and Git has other hooks now, or other backups for one to make; or at another step, and it is to
        be rolled out otherwise now, such as with more patience or another probe. The containers are the same, but it is not
        the same any more."""
        at_hook = failed_at_hook(failed.quarantined)
        if not work.revision or not (at_hook or failed_at_step(failed.quarantined)):
            return False
        manifest = self._shelf.manifest(work.name, failed.number)
        if manifest is None:
            return False
        if at_hook:
            return (manifest.hooks, manifest.backups) != (work.manifest.hooks, work.manifest.backups)
        return manifest.rollout != work.manifest.rollout

    def _waiting(self, work: Work, rendered: Release) -> str:
        if work.waits_for:
            return f"waits for {work.waits_for}, which it depends on"
        if hold := self.holding.release(work, rendered, self.applied(work)):
            return hold.message
        return self._tried_of_late(work, rendered)

    def _tried_of_late(self, work: Work, release: Release) -> str:
        patience = self.memory.applying.get(work.name, Patience())
        if work.forced or work.hurried or patience.remaining_s(release.digest, self._clock.monotonic()) <= 0:
            return ""
        return patience.why

    def is_there_already(self, work: Work, release: Release, found: Plan) -> bool:
        """What runs is what Git says, and nothing is known of how it came: state.db was lost. It is taken as it is, and a
        hook for a first release, which may fill a database, does not run on one that is in use."""
        return found.empty and release.number is None and self.record(work).applied_release is None

    def must_wait(self, work: Work, found: Plan, *, has_begun: bool = True) -> bool:
        """Whether this very repair was made too often of late, or has to wait for a window if it has not begun."""
        if not has_begun and self.applied(work) is not None and self.holding.repair(work, found):
            return True
        patience = self.memory.repairing.get(work.name, Patience())
        return not work.forced and patience.remaining_s(print_of(found), self._clock.monotonic()) > 0

    def due_in_s(self, stack: str, since: float) -> float | None:
        """Seconds until a pass over the stack makes sense by itself, of waits that were not over at ``since``
        (monotonic seconds): one that was over then has had its pass. None if nothing waits."""
        now = self._clock.monotonic()
        found = (self.memory.applying.get(stack), self.memory.repairing.get(stack))
        waits = [patience.due_at for patience in found if patience is not None]
        left = [max(0.0, at - now) for at in waits if since < at]
        return min((wait for wait in (*left, *self.holding.waits_s(stack)) if wait < float("inf")), default=None)

    def model_path(self, work: Work, release: Release) -> Path:
        return self._shelf.model_path(release, work.manifest)

    # What is written while a pass acts

    def attempt(self, work: Work, release: Release) -> Release:
        """The release with its number; it and its model are kept from now on."""
        subject = work.revision.subject if work.revision and work.revision.commit == release.revision else ""
        asked_by = self.holding.asked_by(work, release, self.applied(work))
        release = self._shelf.open(release, work.manifest, subject, asked_by, self._clock.now())
        record = replace(
            self.record(work),
            sync=Sync.OUT_OF_SYNC,
            health=Health.PROGRESSING,
            ready=Ready(Truth.UNKNOWN, "Progressing", f"release {release.number} is being applied"),
            attempted_revision=release.revision,
            attempted_release=release.number,
        )
        self.save(record)
        return release

    def attempt_at(self, work: Work, release: Release, number: int) -> Attempt:
        """The ``number``-th try at ``release``, as its hooks are told of it."""
        record, previous = self.record(work), self.applied(work)
        occasion = occasion_of(
            release,
            previous,
            was_applied=record.applied_release is not None,
            goes_back=release.number is not None and record.wanted_release == release.number,
        )
        return Attempt(
            stack=work.name,
            release=release.number or 0,
            revision=release.revision,
            number=number,
            occasion=occasion,
            previous_release=record.applied_release,
            previous_revision=record.applied_revision,
            changed=changed_services(release, previous),
        )

    def failed_release(self, work: Work, number: int) -> Release | None:
        """None where it did not fail, or is not kept."""
        return self._shelf.load(work.name, number) if self.has_failed(work, number) else None

    def has_failed(self, work: Work, number: int) -> bool:
        records = (found for found in self._journal.releases(work.name) if found.number == number)
        return any(found.outcome is Outcome.FAILED for found in records)

    def given_up(self, work: Work, release: Release) -> str:
        """Why nobody wants ``release`` any more, which is being applied: its quarantine ended when that began, so it is of a
        person who went back meanwhile. "" where nobody did."""
        records = (found for found in self._journal.releases(work.name) if found.number == release.number)
        return next((found.quarantined for found in records), "")

    def newest_pass(self, work: Work) -> int:
        return next((found.id for found in self._journal.passes(work.name, 1)), 0)

    def begin(self, work: Work, release: Release, goal: PassGoal) -> int:
        left = self._journal.open_pass(work.name)
        if left is not None:
            self._close_open_passes(work)
            self.tell(work, "info", "Resumed", f"pass {left.id} was cut short; the stack goes on from where it is")
        return self._journal.begin_pass(work.name, release.number, goal, self._clock.now())

    def begin_undo(self, work: Work, before: Release, failed_pass: int) -> int:
        """There is no moment without an open pass: killed in between, the next start still knows that it must go on."""
        now = self._clock.now()
        pass_id = self._journal.begin_pass(work.name, before.number, PassGoal.UNDO, now)
        self._journal.end_pass(failed_pass, "failed", now)
        return pass_id

    def pin(self, work: Work, release: Release, observed: Observed) -> Release:
        return self._shelf.pin(release, work.manifest, observed)

    # Keeping

    def wait(self, work: Work, release: Release, failure: StepFailedError, why: str) -> None:
        cause = failure.cause
        at_least = cause.retry_after_s or 0.0 if isinstance(cause, WaitingError) else 0.0
        patience = self.memory.applying.get(work.name, Patience())
        text = f"release {release.number} failed at {why}"
        # Time mends it, so it is never given up: only ever more slowly tried.
        patience = replace(patience, attempts=min(patience.attempts, 8))
        after = patience.after(release.digest, self._clock.monotonic(), random.random(), text, at_least)
        self.memory.applying[work.name] = after

    def count_repair(self, work: Work, found: Plan, failed: Ready | None = None) -> None:
        """``failed``: what is said of it until it is tried again; None where it was made."""
        self.memory.failed_repair.pop(work.name, None)
        if failed is not None:
            self.memory.failed_repair[work.name] = failed
            self.memory.told_drift[work.name] = causes_of(found)
        patience = self.memory.repairing.get(work.name, Patience())
        told = causes_of(found)
        after = patience.after(print_of(found), self._clock.monotonic(), random.random(), told)
        self.memory.repairing[work.name] = after

    def close_unfinished(self, work: Work) -> None:
        """Nothing is left of what a pass could not end: what is found from now on is somebody's drift."""
        newest = self._journal.passes(work.name, 1)
        if not newest or newest[0].outcome == "done":
            return
        self._close_open_passes(work)
        now = self._clock.now()
        self._journal.end_pass(
            self._journal.begin_pass(work.name, newest[0].release, PassGoal.REPAIR, now), "done", now
        )

    def _close_open_passes(self, work: Work) -> None:
        while left := self._journal.open_pass(work.name):
            self._journal.end_pass(left.id, "interrupted", self._clock.now())

    def save(self, record: StackRecord) -> StackRecord:
        self._journal.save_status(replace(record, updated_at=self._clock.now()))
        return record

    def tell(self, work: Work, severity: str, reason: str, message: str) -> None:
        self._journal.tell(work.name, severity, reason, work.mask.clean(message), work.commit, self._clock.now())
