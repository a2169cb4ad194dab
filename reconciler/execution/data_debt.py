"""Data that are not what the release that runs knew, because another one changed them, or because somebody wants older ones.

Restores nothing: that is a step of a plan.
"""

from __future__ import annotations

from reconciler.execution.data import DataKeeping
from reconciler.execution.stage import Stage
from reconciler.execution.walk import StepFailedError
from reconciler.execution.work import Work
from reconciler.model.data import FIRST
from reconciler.model.desired import Release
from reconciler.model.plan import Plan
from reconciler.model.record import PassGoal
from reconciler.planning.data import with_restores
from reconciler.planning.target import Goal


class DataDebt:
    def __init__(self, stage: Stage, data: DataKeeping) -> None:
        self._stage = stage
        self._books = stage.books
        self._data = data

    def is_paid(self, work: Work) -> bool:
        return self._data.change(work.name) is None

    def forget(self, work: Work) -> None:
        """The data are those of the release that runs."""
        self._data.forget(work.name)

    def is_due(self, work: Work, goal: Goal) -> bool:
        """Whether data are not what the release that runs knew, and the release that changed them is not gone to any more.
        What was only asked for is forgotten when it is not asked for any more."""
        change = self._data.change(work.name)
        if change is None or (change.release == FIRST and self._books.applied(work) is None):
            return False
        goes_there = goal.kind is PassGoal.APPLY and goal.release.number == change.release
        if goes_there and not (change.back and self._books.has_failed(work, change.release)):
            return False
        record = self._books.record(work)
        if change.back and record.applied_release != change.release:
            return True
        if change.back or record.wanted_release != change.release:
            self._data.forget(work.name)
        return False

    def with_what_was_asked(self, work: Work, release: Release, plan: Plan) -> Plan:
        """With the restores that a person asked for on the way to ``release``."""
        change = self._data.change(work.name)
        if change is None or change.release not in (release.number, FIRST):
            return plan
        now = self._stage.observe(work, release)
        return with_restores(plan, release, now, work.manifest.rollout, change, forth=True)

    def forget_what_was_asked(self, work: Work, failure: StepFailedError) -> None:
        """A rollback with its data that failed for good, before any were changed: it is not made without them later."""
        change = self._data.change(work.name)
        if change is not None and change.release != FIRST and not change.back and not failure.time_mends_it:
            self._data.forget(work.name)
