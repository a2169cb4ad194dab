"""Going back: what served before a release that failed serves again, on the data that it knew.

The same planner, from wherever things were left; also where it was cut short, and by a process that does not remember.
"""

from __future__ import annotations

from dataclasses import replace

from reconciler.execution.data import DataKeeping
from reconciler.execution.report import Report
from reconciler.execution.stage import Stage
from reconciler.execution.walk import StepFailedError
from reconciler.execution.work import Work
from reconciler.model.desired import Release, nothing_of
from reconciler.model.errors import StalledError
from reconciler.model.manifest import Rollout
from reconciler.model.observed import Observed
from reconciler.model.plan import Plan, RestoreData
from reconciler.model.record import PassGoal, StackRecord
from reconciler.planning.data import with_restores
from reconciler.planning.target import Candidates
from reconciler.planning.undo import stood_before, without_what_came


class Undoing:
    def __init__(self, stage: Stage, report: Report, data: DataKeeping) -> None:
        self._stage = stage
        self._books = stage.books
        self._report = report
        self._data = data

    def undo(self, work: Work, failed_pass: int, at_first: Observed) -> StackRecord:
        """Right after a release failed, in the same pass. ``at_first``: what was there before it was begun."""
        before, calm = self._books.applied(work), _without_soak(work)
        if before is None:
            before = nothing_of(work.name)
            found = without_what_came(self._at_first(work, at_first), self._stage.observe(work, before), calm.manifest)
        else:
            found = self._back_to(calm, before)
        return self._walk(calm, before, found, self._books.begin_undo(work, before, failed_pass))

    def restore_what_is_left(self, work: Work) -> StackRecord | None:
        """Data that a failed release changed, and that could not be restored then. None: not yet, it was tried too often of
        late."""
        before, calm = self._books.applied(work), _without_soak(work)
        assert before is not None, "only what served before can be gone back to"
        try:
            found = self._back_to(calm, before)
        except StalledError as error:
            return self._report.refused(work, error)
        if self._books.must_wait(work, found):
            return None
        return self._walk(calm, before, found, self._books.begin(work, before, PassGoal.UNDO))

    def take_away_what_was_left(self, work: Work, candidates: Candidates) -> StackRecord:
        """No release was ever proven. Where taking a failed one away was cut short, it goes on."""
        nothing = nothing_of(work.name)
        observed = self._stage.observe(work, nothing)
        found = without_what_came(self._at_first(work, observed), observed, work.manifest)
        if found.empty or self._books.must_wait(work, found):
            return self._report.nothing_to_go_to(work, candidates, is_finished=found.empty)
        return self._walk(work, nothing, found, self._books.begin(work, nothing, PassGoal.UNDO))

    def _back_to(self, calm: Work, before: Release) -> Plan:
        """A proxy can learn later; this cannot wait."""
        now = replace(self._stage.observe(calm, before), takeovers=())
        found, change = self._stage.plan(calm, before, now), self._data.change(calm.name)
        if change is None:
            return found
        return with_restores(found, before, now, calm.manifest.rollout, change, forth=False)

    def _walk(self, work: Work, before: Release, found: Plan, pass_id: int) -> StackRecord:
        scene = self._stage.scene(work, before, 0) if before.number is not None else None
        restored = [step.action.backup for step in found.steps if isinstance(step.action, RestoreData)]
        try:
            self._stage.walk(work, before, found, pass_id, scene=scene)
        except StepFailedError as failure:
            if isinstance(failure.step.action, RestoreData) and not failure.engine_is_gone:
                self._serve_all_the_same(work, before, pass_id, failure)
            return self._report.undo_failed(work, pass_id, found, failure)
        return self._report.undone(work, pass_id, self._stage.observe(work, before), restored)

    def _serve_all_the_same(self, work: Work, before: Release, pass_id: int, failure: StepFailedError) -> None:
        """The data could not be restored, which is tried again: until then what served before serves on those there are."""
        now = replace(self._stage.observe(work, before), takeovers=())
        rest = self._stage.plan(work, before, now)
        try:
            self._stage.walk(work, before, rest, pass_id, rest.steps, failure.number + 1)
        except StepFailedError as another:
            self._report.also_failed(work, another)

    def _at_first(self, work: Work, observed: Observed) -> Observed:
        """What stood before any release was tried."""
        if not observed.unfinished:
            return observed
        return stood_before(observed, self._books.tried(work), self._books.first_pass_at(work))


def _without_soak(work: Work) -> Work:
    """What is gone back to was proven before; the sooner it serves the better."""
    rollout: Rollout = work.manifest.rollout
    services = {name: replace(own, soak_s=0.0, probe=None) for name, own in rollout.services.items()}
    return replace(
        work.patient, manifest=replace(work.manifest, rollout=replace(rollout, soak_s=0.0, services=services))
    )
