"""What is said of a pass when it is over: the stack's record, and the events that tell people what turned.

Writes to the journal, and closes kept releases; never touches the engine, and decides nothing that is not a lookup.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from reconciler.execution.books import Books
from reconciler.execution.shelf import Shelf
from reconciler.execution.walk import StepFailedError
from reconciler.execution.work import Work
from reconciler.model.desired import Release
from reconciler.model.errors import InvalidInputError, ReconcilerError
from reconciler.model.manifest import DriftMode
from reconciler.model.observed import Observed
from reconciler.model.plan import Plan
from reconciler.model.record import Health, Outcome, Ready, StackRecord, Sync, Truth
from reconciler.planning.drift import is_drift
from reconciler.planning.health import stack_health
from reconciler.planning.status import held, ready_of, settled, still_told, went_back
from reconciler.planning.story import causes_of
from reconciler.planning.takeover import is_about_certificates
from reconciler.planning.target import Candidates, Goal, why_not
from reconciler.ports.books import Journal
from reconciler.ports.clock import Clock

_AGAIN = "It is tried again by itself"


class Report:
    """Safe to use from several threads as long as no two work on the same stack."""

    def __init__(self, books: Books, journal: Journal, shelf: Shelf, clock: Clock) -> None:
        self._books = books
        self._journal = journal
        self._shelf = shelf
        self._clock = clock

    def begun(self, work: Work, if_renamed: Sequence[str]) -> None:
        """Told once, before a first release writes to what is empty."""
        told = {event.message for event in self._journal.events(stack=work.name)} if if_renamed else set()
        for note in if_renamed:
            if note not in told:
                self._books.tell(work, "error", "LooksRenamed", note)

    def settled(self, work: Work, goal: Goal, observed: Observed, found: Plan) -> StackRecord:
        self._books.close_unfinished(work)
        self._shelf.supersede(goal.release, self._clock.now())
        self._books.memory.told_drift.pop(work.name, None)
        record = settled(self._books.record(work), goal, observed, work.commit, found.notes)
        if goal.blocked:
            record = self._unlike_git(work, goal, record, observed)
        elif goal.release.number is not None:
            self._shelf.seen_at(goal.release, work.commit)
            self._books.memory.applying.pop(work.name, None)
        return self._say(work, record)

    def applied_now(self, work: Work, goal: Goal, pass_id: int, found: Plan, observed: Observed) -> StackRecord:
        release, now = goal.release, self._clock.now()
        self._journal.end_pass(pass_id, "done", now)
        self._shelf.close(release, Outcome.APPLIED, now)
        self._books.memory.applying.pop(work.name, None)
        self._books.memory.repairing.pop(work.name, None)
        record = settled(self._books.record(work), replace(goal, blocked=""), observed, release.revision, found.notes)
        if goal.blocked:
            record = replace(record, sync=Sync.OUT_OF_SYNC, ready=went_back(goal, observed))
        elif release.number is not None:
            self._journal.drop_wanted(work.name, release.number)
        record = self._say(work, record)
        how = "what runs already" if found.empty else "applied and proven"
        self._shelf.supersede(release, self._clock.now())
        self._books.tell(work, "info", "Applied", f"release {release.number} is {how}")
        self._shelf.tidy(work.name, self._books.record(work))
        return record

    def untidy(self, work: Work, goal: Goal, pass_id: int, rest: Plan, failure: StepFailedError) -> StackRecord:
        """After ``applied_now``: ``rest`` is left to do, and is tried again like a repair."""
        self._journal.end_pass(pass_id, "failed", self._clock.now())
        why = work.mask.clean(str(failure))
        message = f"release {goal.release.number} is proven, but cleaning up after it failed at {why}"
        ready = Ready(Truth.FALSE, failure.reason, f"{message}. It is tried again by itself.")
        self._books.count_repair(work, rest, ready)
        return self._say(work, replace(self._books.record(work), sync=Sync.OUT_OF_SYNC, ready=ready))

    def failed(self, work: Work, release: Release, failure: StepFailedError) -> None:
        """Written before anything is undone: after a crash the release is not gone to again."""
        why = work.mask.clean(str(failure))
        self._shelf.close(release, Outcome.FAILED, self._clock.now(), "" if failure.time_mends_it else why)
        if failure.time_mends_it:
            self._books.wait(work, release, failure, why)
        ready = Ready(Truth.FALSE, failure.reason, f"release {release.number} failed at {why}")
        self._books.save(replace(self._books.record(work), ready=ready))
        self._books.tell(work, "error", failure.reason, ready.message)

    def undone(self, work: Work, pass_id: int, observed: Observed, restored: Sequence[str]) -> StackRecord:
        """``restored``: the backups that data were restored from."""
        self._journal.end_pass(pass_id, "done", self._clock.now())
        record, before = self._books.record(work), self._books.applied(work)
        health = Health.MISSING if before is None else stack_health(before, observed)
        serves = (
            "there was no release before it, so nothing of it was left"
            if before is None
            else f"release {before.number} serves as before"
        )
        data = f", on the data of {', '.join(restored)}" if restored else ""
        message = f"{record.ready.message}\n{serves[0].upper()}{serves[1:]}{data}."
        ready = replace(record.ready, message=message)
        return self._books.save(replace(record, sync=Sync.OUT_OF_SYNC, health=health, ready=ready))

    def undo_failed(self, work: Work, pass_id: int, found: Plan, failure: StepFailedError) -> StackRecord:
        self._journal.end_pass(pass_id, "failed", self._clock.now())
        self._books.count_repair(work, found)
        record, why = self._books.record(work), work.mask.clean(str(failure))
        message = f"{record.ready.message}\nGoing back failed, too, at {why}. It is tried again by itself."
        self._books.tell(work, "error", "UndoFailed", f"going back failed at {why}")
        ready = Ready(Truth.FALSE, record.ready.reason, message)
        return self._books.save(replace(record, health=Health.DEGRADED, ready=ready))

    def also_failed(self, work: Work, failure: StepFailedError) -> None:
        """What was tried all the same after something else had failed."""
        self._books.tell(work, "error", failure.reason, f"going back failed at {work.mask.clean(str(failure))}")

    def repaired(self, work: Work, goal: Goal, pass_id: int, found: Plan, observed: Observed) -> StackRecord:
        self._journal.end_pass(pass_id, "done", self._clock.now())
        self._shelf.supersede(goal.release, self._clock.now())
        self._books.count_repair(work, found)
        if is_drift(found):
            self._books.tell(work, "info", "DriftMended", causes_of(found))
        record = settled(self._books.record(work), goal, observed, "" if goal.blocked else work.commit, found.notes)
        if goal.blocked:
            record = self._unlike_git(work, goal, record, observed)
        return self._say(work, record)

    def repair_failed(
        self, work: Work, goal: Goal, pass_id: int, found: Plan, failure: StepFailedError, observed: Observed
    ) -> StackRecord:
        self._journal.end_pass(pass_id, "failed", self._clock.now())
        why = work.mask.clean(str(failure))
        cause = failure.step.cause.text or "it is not what it should be"
        message = f"release {goal.release.number}: {cause}; mending it failed at {why}"
        ready = Ready(Truth.FALSE, failure.reason, message)
        self._books.count_repair(work, found, ready)
        health = max(Health.DEGRADED, stack_health(goal.release, observed), key=list(Health).index)
        return self._say(work, replace(self._books.record(work), sync=Sync.OUT_OF_SYNC, health=health, ready=ready))

    def drifted(self, work: Work, goal: Goal, observed: Observed, found: Plan) -> StackRecord:
        """Drift that is only reported, because ``stack.yaml`` says so or because mending it failed or does not last."""
        health = stack_health(goal.release, observed)
        ready = self._left(work, health, found)
        record = replace(self._books.record(work), sync=Sync.OUT_OF_SYNC, health=health)
        if self._books.memory.told_drift.get(work.name) != causes_of(found):
            self._books.memory.told_drift[work.name] = causes_of(found)
            self._books.tell(work, "error", ready.reason, ready.message)
        is_told = goal.is_what_git_says_unknown and work.revision is not None
        return self._books.save(record if is_told else replace(record, ready=ready))  # this very pass said why

    def _left(self, work: Work, health: Health, found: Plan) -> Ready:
        told = causes_of(found)
        if work.manifest.drift is DriftMode.WARN:
            status = Truth.TRUE if health is Health.HEALTHY else Truth.FALSE
            return Ready(status, "DriftFound", f"drift is reported only (drift: warn): {told}")
        if (hold := self._books.holding.of_repair(work.name)) and is_about_certificates(found):
            return Ready(Truth.TRUE, hold.reason, f"another certificate is to be read, and {hold.message}: {told}")
        if hold:
            return Ready(Truth.FALSE, hold.reason, f"drift is not mended yet ({hold.message}): {told}")
        failed = self._books.memory.failed_repair.get(work.name)
        return failed or Ready(Truth.FALSE, "DriftComesBack", f"mended too often of late, waiting: {told}")

    def gone(self, work: Work, release: Release, observed: Observed) -> StackRecord:
        """It is no longer in Git, or not for this host, and something of it is there."""
        message = (
            f"{work.gone_because}; what runs is left alone. Take it down with "
            f"docker compose -p {work.name} down, or bring it back"
        )
        ready = Ready(Truth.FALSE, "StackGone", message)
        health = stack_health(release, observed)
        return self._say(work, replace(self._books.record(work), sync=Sync.OUT_OF_SYNC, health=health, ready=ready))

    def forgotten(self, work: Work) -> StackRecord:
        """It is no longer in Git, or not for this host, and nothing of it is there: only its data, its volumes and its events stay."""
        self._books.tell(work, "info", "Forgotten", f"{work.gone_because}, and nothing of it runs; its data stays")
        self._shelf.clear(work.name)
        self._journal.forget_stack(work.name)
        return StackRecord(
            work.name, ready=Ready(Truth.TRUE, "Forgotten", "it is no longer in Git, and nothing of it runs")
        )

    def suspended(self, work: Work) -> StackRecord:
        return self._books.save(replace(self._books.record(work), health=Health.SUSPENDED))

    def nothing_to_go_to(self, work: Work, found: Candidates, is_finished: bool) -> StackRecord:
        """No release was ever proven, and what Git says cannot be tried now."""
        if is_finished:
            self._books.close_unfinished(work)
        record, why = self._books.record(work), why_not(found)
        sync = Sync.UNKNOWN if found.rendered is None else Sync.OUT_OF_SYNC
        ready = record.ready if found.rendered is None else self._why(work, record.ready, why)
        return self._say(work, replace(record, sync=sync, health=Health.MISSING, ready=ready))

    def refused(self, work: Work, error: ReconcilerError) -> StackRecord:
        ready = Ready(Truth.FALSE, error.reason, work.mask.clean(str(error)))
        return self._say(work, replace(self._books.record(work), sync=Sync.UNKNOWN, ready=ready))

    def broken(self, work: Work, error: InvalidInputError) -> None:
        self.cannot_render(work, error)

    def cannot_render(self, work: Work, error: ReconcilerError) -> None:
        """The record says why; the pass goes on with the last good release."""
        commit = work.commit
        ready = Ready(Truth.FALSE, error.reason, work.mask.clean(str(error)))
        record = replace(self._books.record(work), sync=Sync.UNKNOWN, ready=ready)
        self._say(work, replace(record, attempted_revision=commit or record.attempted_revision))

    # Saying

    def _unlike_git(self, work: Work, goal: Goal, record: StackRecord, observed: Observed) -> StackRecord:
        return replace(record, ready=self._blocked(work, goal, record, observed))

    def _blocked(self, work: Work, goal: Goal, record: StackRecord, observed: Observed) -> Ready:
        """What ran goes on; Ready keeps saying why it is not what Git says."""
        if work.revision is None:
            # Not known is not wrong: as a rule the first fetch ends a moment later, and one that fails is told itself.
            message = f"Git has not been read yet; release {goal.release.number} runs on"
            return Ready(Truth.UNKNOWN, "FetchFailed", message)
        if goal.is_what_git_says_unknown:
            return record.ready  # this very pass said why
        is_asked_for = goal.release.number is not None and goal.release.number == record.wanted_release
        if is_asked_for and self._books.holding.of_release(work.name) is None:
            return went_back(goal, observed)
        ready = self._why(work, record.ready, goal.blocked)
        ill = ready_of(goal.release, observed)
        return ill if ready.status is Truth.TRUE and ill.status is not Truth.TRUE else ready

    def _why(self, work: Work, before: Ready, why: str) -> Ready:
        """``before``: what an earlier pass said. It may have been about something that Git says no more."""
        hold = self._books.holding.of_release(work.name)
        if hold is not None and hold.message == why:
            return held(hold)
        if still_told(before, why):
            return before
        if work.waits_for:
            return Ready(Truth.FALSE, "DependencyNotReady", why)
        if " is quarantined: " in why:
            return Ready(Truth.FALSE, "Quarantined", why)
        return Ready(Truth.FALSE, "Retrying", why if why.endswith(_AGAIN) else f"{why}. {_AGAIN}")

    def _say(self, work: Work, record: StackRecord) -> StackRecord:
        """Save, and tell people when Ready turned."""
        before = self._books.record(work).ready
        turned = (before.status, before.reason, before.message) != (
            record.ready.status,
            record.ready.reason,
            record.ready.message,
        )
        if turned and record.ready.status is not Truth.UNKNOWN:
            severity = "info" if record.ready.status is Truth.TRUE else "error"
            self._books.tell(work, severity, record.ready.reason, record.ready.message)
        return self._books.save(record)
