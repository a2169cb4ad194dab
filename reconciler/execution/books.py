"""What the loop remembers between passes and says of them: releases, quarantine, patience, status, events.

Writes to the journal and to the kept releases; never touches the engine, and decides nothing that is not a lookup.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from pathlib import Path

from reconciler.execution.desire import Desire
from reconciler.execution.execute import StepFailedError
from reconciler.execution.shelf import Shelf
from reconciler.execution.work import Work
from reconciler.model.desired import Release
from reconciler.model.errors import InvalidInputError, ReconcilerError, WaitingError
from reconciler.model.manifest import DriftMode
from reconciler.model.observed import Observed
from reconciler.model.plan import Plan
from reconciler.model.record import Health, Outcome, PassGoal, Ready, StackRecord, Sync, Truth
from reconciler.planning.drift import is_drift, print_of
from reconciler.planning.health import stack_health
from reconciler.planning.patience import Patience
from reconciler.planning.status import settled, still_told, went_back
from reconciler.planning.story import causes_of
from reconciler.planning.target import Candidates, Goal, why_not
from reconciler.ports import Clock, Journal

_ALL_PASSES = 1000  # more than the journal keeps


@dataclass
class Memory:
    """Of this process only: after a restart everything may be tried at once, once."""

    applying: dict[str, Patience] = field(default_factory=dict)
    repairing: dict[str, Patience] = field(default_factory=dict)
    told_drift: dict[str, str] = field(default_factory=dict)


class Books:
    """Safe to use from several threads as long as no two work on the same stack."""

    def __init__(self, journal: Journal, shelf: Shelf, desire: Desire, clock: Clock) -> None:
        self._journal = journal
        self._shelf = shelf
        self._desire = desire
        self._clock = clock
        self._memory = Memory()

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
        self._journal.save_stack(replace(record, suspension=None))
        self._tell(work, "info", "Resumed", f"the time for which {suspension.who} suspended it is over")
        return False

    def rendered(self, work: Work) -> Release | None:
        """What Git says, with the images pinned that are known already. Raises InvalidInputError."""
        if work.problems:
            raise InvalidInputError(work.problems)
        if work.revision is None or work.gone:
            return None
        release = self._desire.release(work.manifest, work.revision)
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
        quarantined = {
            found.digest: f"release {found.number} is quarantined: {found.quarantined}"
            for found in self._journal.releases(work.name)
            if found.quarantined
        }
        if work.forced and rendered is not None:
            quarantined.pop(rendered.digest, None)
        wanted = record.wanted_release
        return Candidates(
            rendered=rendered,
            applied=self.applied(work),
            wanted=None if wanted is None else self._shelf.load(work.name, wanted),
            quarantined=quarantined,
            waiting="" if rendered is None else self._waiting(work, rendered),
        )

    def _waiting(self, work: Work, rendered: Release) -> str:
        if work.waits_for:
            return f"waits for {work.waits_for}, which it depends on"
        patience = self._memory.applying.get(work.name, Patience())
        if work.forced or patience.remaining_s(rendered.digest, self._clock.monotonic()) <= 0:
            return ""
        return patience.why

    def must_wait(self, work: Work, found: Plan) -> bool:
        """Whether this very repair was made too often of late."""
        patience = self._memory.repairing.get(work.name, Patience())
        return not work.forced and patience.remaining_s(print_of(found), self._clock.monotonic()) > 0

    def due_in_s(self, stack: str, since: float) -> float | None:
        """Seconds until a pass over the stack makes sense by itself, of waits that were not over at ``since``
        (monotonic seconds): one that was over then has had its pass. None if nothing waits."""
        now = self._clock.monotonic()
        found = (self._memory.applying.get(stack), self._memory.repairing.get(stack))
        waits = [patience.due_at for patience in found if patience is not None]
        return min((max(0.0, at - now) for at in waits if since < at < float("inf")), default=None)

    def model_path(self, work: Work, release: Release) -> Path:
        return self._shelf.model_path(release, work.manifest)

    # What is written while a pass acts

    def attempt(self, work: Work, release: Release) -> Release:
        """The release with its number; it and its model are kept from now on."""
        subject = work.revision.subject if work.revision and work.revision.commit == release.revision else ""
        release = self._shelf.open(release, work.manifest, subject, work.asked_by, self._clock.now())
        record = replace(
            self.record(work),
            sync=Sync.OUT_OF_SYNC,
            health=Health.PROGRESSING,
            ready=Ready(Truth.UNKNOWN, "Progressing", f"release {release.number} is being applied"),
            attempted_revision=release.revision,
            attempted_release=release.number,
        )
        self._save(record)
        return release

    def begin(self, work: Work, release: Release, goal: PassGoal) -> int:
        left = self._journal.open_pass(work.name)
        if left is not None:
            self._close_open_passes(work)
            self._tell(work, "info", "Resumed", f"pass {left.id} was cut short; the stack goes on from where it is")
        return self._journal.begin_pass(work.name, release.number, goal, self._clock.now())

    def begin_undo(self, work: Work, before: Release, failed_pass: int) -> int:
        """There is no moment without an open pass: killed in between, the next start still knows that it must go on."""
        now = self._clock.now()
        pass_id = self._journal.begin_pass(work.name, before.number, PassGoal.UNDO, now)
        self._journal.end_pass(failed_pass, "failed", now)
        return pass_id

    def pin(self, work: Work, release: Release, observed: Observed) -> Release:
        return self._shelf.pin(release, work.manifest, observed)

    # What is said after it

    def settled(self, work: Work, goal: Goal, observed: Observed, found: Plan) -> StackRecord:
        self._close_unfinished(work)
        self._memory.told_drift.pop(work.name, None)
        record = settled(self.record(work), goal, observed, work.commit, found.notes)
        if goal.blocked:
            record = self._unlike_git(work, goal, record, observed)
        elif goal.release.number is not None:
            self._shelf.seen_at(goal.release, work.commit)
            self._memory.applying.pop(work.name, None)
        return self._say(work, record)

    def applied_now(self, work: Work, goal: Goal, pass_id: int, found: Plan, observed: Observed) -> StackRecord:
        release, now = goal.release, self._clock.now()
        self._journal.end_pass(pass_id, "done", now)
        self._shelf.close(release, Outcome.APPLIED, now)
        self._memory.applying.pop(work.name, None)
        self._memory.repairing.pop(work.name, None)
        record = settled(self.record(work), replace(goal, blocked=""), observed, release.revision, found.notes)
        if goal.blocked:
            record = replace(record, sync=Sync.OUT_OF_SYNC, wanted_release=release.number)
            record = replace(record, ready=self._blocked(work, goal, record, observed))
        else:
            record = replace(record, wanted_release=None)
        record = self._say(work, record)
        how = "what runs already" if found.empty else "applied and proven"
        self._tell(work, "info", "Applied", f"release {release.number} is {how}")
        self._shelf.tidy(work.name, record)
        return record

    def untidy(self, work: Work, goal: Goal, pass_id: int, rest: Plan, failure: StepFailedError) -> StackRecord:
        """After ``applied_now``: ``rest`` is left to do, and is tried again like a repair."""
        self._journal.end_pass(pass_id, "failed", self._clock.now())
        self._count_repair(work, rest)
        why = work.mask.clean(str(failure))
        message = f"release {goal.release.number} is proven, but cleaning up after it failed at {why}"
        ready = Ready(Truth.FALSE, failure.reason, f"{message}. It is tried again by itself.")
        return self._say(work, replace(self.record(work), sync=Sync.OUT_OF_SYNC, ready=ready))

    def failed(self, work: Work, release: Release, failure: StepFailedError) -> None:
        """Written before anything is undone: after a crash the release is not gone to again."""
        why = work.mask.clean(str(failure))
        self._shelf.close(release, Outcome.FAILED, self._clock.now())
        if failure.time_mends_it:
            self._wait(work, release, failure, why)
        elif release.number is not None:
            self._journal.quarantine(work.name, release.number, why)
        ready = Ready(Truth.FALSE, failure.reason, f"release {release.number} failed at {why}")
        self._save(replace(self.record(work), ready=ready))
        self._tell(work, "error", failure.reason, ready.message)

    def _wait(self, work: Work, release: Release, failure: StepFailedError, why: str) -> None:
        cause = failure.cause
        at_least = cause.retry_after_s or 0.0 if isinstance(cause, WaitingError) else 0.0
        patience = self._memory.applying.get(work.name, Patience())
        text = f"release {release.number} failed at {why}"
        # Time mends it, so it is never given up: only ever more slowly tried.
        patience = replace(patience, attempts=min(patience.attempts, 8))
        after = patience.after(release.digest, self._clock.monotonic(), random.random(), text, at_least)
        self._memory.applying[work.name] = after

    def undone(self, work: Work, pass_id: int, observed: Observed) -> StackRecord:
        self._journal.end_pass(pass_id, "done", self._clock.now())
        record, before = self.record(work), self.applied(work)
        health = Health.MISSING if before is None else stack_health(before, observed)
        serves = (
            "there was no release before it, so nothing of it was left"
            if before is None
            else f"release {before.number} serves as before"
        )
        message = f"{record.ready.message}\n{serves[0].upper()}{serves[1:]}."
        ready = replace(record.ready, message=message)
        return self._save(replace(record, sync=Sync.OUT_OF_SYNC, health=health, ready=ready))

    def undo_failed(self, work: Work, pass_id: int, found: Plan, failure: StepFailedError) -> StackRecord:
        self._journal.end_pass(pass_id, "failed", self._clock.now())
        self._count_repair(work, found)
        record, why = self.record(work), work.mask.clean(str(failure))
        message = f"{record.ready.message}\nGoing back failed, too, at {why}. It is tried again by itself."
        self._tell(work, "error", "UndoFailed", f"going back failed at {why}")
        ready = Ready(Truth.FALSE, record.ready.reason, message)
        return self._save(replace(record, health=Health.DEGRADED, ready=ready))

    def repaired(self, work: Work, goal: Goal, pass_id: int, found: Plan, observed: Observed) -> StackRecord:
        self._journal.end_pass(pass_id, "done", self._clock.now())
        self._count_repair(work, found)
        if is_drift(found):
            self._tell(work, "info", "DriftMended", causes_of(found))
        record = settled(self.record(work), goal, observed, "" if goal.blocked else work.commit, found.notes)
        if goal.blocked:
            record = self._unlike_git(work, goal, record, observed)
        return self._say(work, record)

    def repair_failed(
        self, work: Work, goal: Goal, pass_id: int, found: Plan, failure: StepFailedError, observed: Observed
    ) -> StackRecord:
        self._journal.end_pass(pass_id, "failed", self._clock.now())
        why = work.mask.clean(str(failure))
        self._count_repair(work, found)
        cause = failure.step.cause.text or "it is not what it should be"
        message = f"release {goal.release.number}: {cause}; mending it failed at {why}"
        ready = Ready(Truth.FALSE, failure.reason, message)
        health = max(Health.DEGRADED, stack_health(goal.release, observed), key=list(Health).index)
        return self._say(work, replace(self.record(work), sync=Sync.OUT_OF_SYNC, health=health, ready=ready))

    def drifted(self, work: Work, goal: Goal, observed: Observed, found: Plan) -> StackRecord:
        """Drift that is only reported, because ``stack.yaml`` says so or because mending it does not last."""
        told = causes_of(found)
        health = stack_health(goal.release, observed)
        if work.manifest.drift is DriftMode.WARN:
            status = Truth.TRUE if health is Health.HEALTHY else Truth.FALSE
            ready = Ready(status, "DriftFound", f"drift is reported only (drift: warn): {told}")
        else:
            ready = Ready(Truth.FALSE, "DriftComesBack", f"mended too often of late, waiting: {told}")
        if self._memory.told_drift.get(work.name) != told:
            self._memory.told_drift[work.name] = told
            self._tell(work, "error", ready.reason, ready.message)
        return self._save(replace(self.record(work), sync=Sync.OUT_OF_SYNC, health=health, ready=ready))

    def gone(self, work: Work, release: Release, observed: Observed) -> StackRecord:
        """Its folder is no longer in Git, and something of it is there."""
        message = (
            f"its folder is no longer in Git; what runs is left alone. Take it down with "
            f"docker compose -p {work.name} down, or bring the folder back"
        )
        ready = Ready(Truth.FALSE, "StackGone", message)
        health = stack_health(release, observed)
        return self._say(work, replace(self.record(work), sync=Sync.OUT_OF_SYNC, health=health, ready=ready))

    def forgotten(self, work: Work) -> StackRecord:
        """Its folder is no longer in Git, and nothing of it is there: only its data, its volumes and its events stay."""
        self._tell(work, "info", "Forgotten", "its folder is no longer in Git and nothing of it runs; its data stays")
        self._shelf.clear(work.name)
        self._journal.forget_stack(work.name)
        return StackRecord(
            work.name, ready=Ready(Truth.TRUE, "Forgotten", "it is no longer in Git, and nothing of it runs")
        )

    def suspended(self, work: Work) -> StackRecord:
        return self._save(replace(self.record(work), health=Health.SUSPENDED))

    def nothing_to_go_to(self, work: Work, found: Candidates, is_finished: bool) -> StackRecord:
        """No release was ever proven, and what Git says cannot be tried now."""
        if is_finished:
            self._close_unfinished(work)
        record, why = self.record(work), why_not(found)
        sync = Sync.UNKNOWN if found.rendered is None else Sync.OUT_OF_SYNC
        ready = record.ready if found.rendered is None else self._why(work, record.ready, why)
        return self._say(work, replace(record, sync=sync, health=Health.MISSING, ready=ready))

    def refused(self, work: Work, error: ReconcilerError) -> StackRecord:
        ready = Ready(Truth.FALSE, error.reason, work.mask.clean(str(error)))
        return self._say(work, replace(self.record(work), sync=Sync.UNKNOWN, ready=ready))

    def broken(self, work: Work, error: InvalidInputError) -> None:
        self.cannot_render(work, error)

    def cannot_render(self, work: Work, error: ReconcilerError) -> None:
        """The record says why; the pass goes on with the last good release."""
        commit = work.commit
        ready = Ready(Truth.FALSE, error.reason, work.mask.clean(str(error)))
        record = replace(self.record(work), sync=Sync.UNKNOWN, ready=ready)
        self._say(work, replace(record, attempted_revision=commit or record.attempted_revision))

    # Saying

    def _unlike_git(self, work: Work, goal: Goal, record: StackRecord, observed: Observed) -> StackRecord:
        return replace(record, ready=self._blocked(work, goal, record, observed))

    def _blocked(self, work: Work, goal: Goal, record: StackRecord, observed: Observed) -> Ready:
        """What ran goes on; Ready keeps saying why it is not what Git says."""
        if goal.release.number is not None and goal.release.number == record.wanted_release:
            return went_back(goal, observed)
        if work.revision is None:
            # Not known is not wrong: as a rule the first fetch ends a moment later, and one that fails is told itself.
            message = f"Git has not been read yet; release {goal.release.number} runs on"
            return Ready(Truth.UNKNOWN, "FetchFailed", message)
        if goal.is_what_git_says_unknown:
            return record.ready  # this very pass said why
        return self._why(work, record.ready, goal.blocked)

    def _why(self, work: Work, before: Ready, why: str) -> Ready:
        """``before``: what an earlier pass said. It may have been about something that Git says no more."""
        if still_told(before, why):
            return before
        if work.waits_for:
            return Ready(Truth.FALSE, "DependencyNotReady", why)
        if " is quarantined: " in why:
            return Ready(Truth.FALSE, "Quarantined", why)
        return Ready(Truth.FALSE, "Retrying", f"{why}. It is tried again by itself")

    def _say(self, work: Work, record: StackRecord) -> StackRecord:
        """Save, and tell people when Ready turned."""
        before = self.record(work).ready
        turned = (before.status, before.reason, before.message) != (
            record.ready.status,
            record.ready.reason,
            record.ready.message,
        )
        if turned and record.ready.status is not Truth.UNKNOWN:
            severity = "info" if record.ready.status is Truth.TRUE else "error"
            self._tell(work, severity, record.ready.reason, record.ready.message)
        return self._save(record)

    def _save(self, record: StackRecord) -> StackRecord:
        self._journal.save_stack(replace(record, updated_at=self._clock.now()))
        return record

    def _tell(self, work: Work, severity: str, reason: str, message: str) -> None:
        self._journal.tell(work.name, severity, reason, work.mask.clean(message), work.commit, self._clock.now())

    def _close_unfinished(self, work: Work) -> None:
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

    def _count_repair(self, work: Work, found: Plan) -> None:
        patience = self._memory.repairing.get(work.name, Patience())
        told = causes_of(found)
        after = patience.after(print_of(found), self._clock.monotonic(), random.random(), told)
        self._memory.repairing[work.name] = after
