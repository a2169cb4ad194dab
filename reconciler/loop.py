"""What a pass over a stack is. This is the product; the rest of the package is how each of these lines is done.

Level-triggered: a pass compares everything anew, so whatever was interrupted, undone or touched by somebody is found
again. Nothing here waits for an event, and no event carries an order.
"""

from __future__ import annotations

from dataclasses import replace

from reconciler.execution.data import DataKeeping
from reconciler.execution.data_debt import DataDebt
from reconciler.execution.hooks import HookKeeping
from reconciler.execution.mending import mend_the_rest
from reconciler.execution.observe import Snapshot
from reconciler.execution.owed_hooks import OwedHooks
from reconciler.execution.report import Report
from reconciler.execution.stage import Stage
from reconciler.execution.undoing import Undoing
from reconciler.execution.walk import StepFailedError
from reconciler.execution.work import Work
from reconciler.model.desired import Release, nothing_of
from reconciler.model.errors import InvalidInputError, ReconcilerError, StalledError
from reconciler.model.observed import Observed
from reconciler.model.plan import BuildImage, Plan, PullImage, Step, TagImage
from reconciler.model.record import PassGoal, StackRecord
from reconciler.planning.drift import is_only_told
from reconciler.planning.hooks import with_hooks
from reconciler.planning.planner import needs_images
from reconciler.planning.target import Goal, choose_goal


class StackLoop:
    """Passes over stacks. One pass at a time for a stack; different stacks side by side."""

    def __init__(self, stage: Stage, report: Report, hooks: HookKeeping, data: DataKeeping) -> None:
        self._stage = stage
        self._books = stage.books
        self._report = report
        self._hooks = hooks
        self._owed_hooks = OwedHooks(stage, hooks)
        self._data_debt = DataDebt(stage, data)
        self._undoing = Undoing(stage, report, data)

    def reconcile(self, work: Work, snapshot: Snapshot | None = None) -> StackRecord:
        """One pass: make the stack what Git says, or keep it what it was. Raises only EngineUnavailableError."""
        if self._books.is_suspended(work):
            return self._report.suspended(work)
        self._hooks.recover(work.name)
        if work.gone:
            return self._leave_alone(work, snapshot)
        record = self._pass(work, snapshot)
        self._owed_hooks.run(work)
        return record

    def _pass(self, work: Work, snapshot: Snapshot | None) -> StackRecord:
        rendered = self._render(work)
        candidates = self._books.candidates(work, rendered)
        goal = choose_goal(candidates)
        if goal is None:
            return self._undoing.take_away_what_was_left(work, candidates)
        if self._data_debt.is_due(work, goal) and (record := self._pay_data_debt(work, goal)):
            return record
        observed = self._stage.observe(work, goal.release, snapshot)
        try:
            plan = self._stage.plan(work, goal.release, observed)
        except StalledError as error:
            return self._report.refused(work, error)
        if goal.kind is PassGoal.APPLY:
            return self._apply(work, goal, observed, plan)
        if plan.empty:
            return self._report.settled(work, goal, observed, plan)
        return self._repair(work, goal, observed, plan)

    def _apply(self, work: Work, goal: Goal, observed: Observed, plan: Plan) -> StackRecord:
        """Go to a new release. If any step fails, what served before serves again.

        Also where no step is left to take, as when the process was killed after the last one, or state.db was lost and
        what runs is what Git says: the release must be remembered as the one to go back to.
        """
        has_hooks = not self._books.is_there_already(work, goal.release, plan)
        release, taken = self._books.attempt(work, goal.release), 0
        number = self._hooks.begin_attempt(release)
        pass_id = self._books.begin(work, release, PassGoal.APPLY)
        self._report.begun(work, self._stage.if_renamed(work, release))
        work = self._until_given_up(work, release)
        is_there = False
        try:
            release, plan, taken = self._bring_images(work, release, plan, pass_id, observed.unfinished)
            scene, is_there = self._stage.scene(work, release, number), plan.empty
            plan = self._data_debt.with_what_was_asked(work, release, plan)
            if has_hooks:
                plan = with_hooks(plan, work.manifest, scene.attempt.occasion)
            self._stage.walk(work, release, plan, pass_id, first=taken + 1, scene=scene)
        except StepFailedError as failure:
            if failure.engine_is_gone:
                raise failure.cause from failure
            if failure.number > taken + plan.proven_after:
                return self._leave_untidy(work, replace(goal, release=release), pass_id, plan, failure)
            self._owed_hooks.owe(work, release, number, failure)
            self._report.failed(work, release, failure)
            self._data_debt.forget_what_was_asked(work, failure)
            return self._undoing.undo(work, pass_id, observed)
        applied = replace(goal, release=release)
        record = self._report.applied_now(work, applied, pass_id, plan, self._stage.observe(work, release))
        self._data_debt.forget(work)
        return self._look_closer(work, applied, record) if is_there else record

    def _repair(self, work: Work, goal: Goal, observed: Observed, plan: Plan) -> StackRecord:
        """Somebody or something changed what runs: put it back, ever more slowly if it does not last."""
        if is_only_told(plan, work.manifest.drift, has_begun=observed.unfinished):
            return self._report.drifted(work, goal, observed, plan)
        if self._books.must_wait(work, plan, has_begun=observed.unfinished):
            return self._report.drifted(work, goal, observed, plan)
        pass_id = self._books.begin(work, goal.release, PassGoal.REPAIR)
        try:
            self._stage.walk(work, goal.release, plan, pass_id)
        except StepFailedError as failure:
            mend_the_rest(self._stage, work, goal.release, observed, pass_id, failure)
            now = self._stage.observe(work, goal.release)
            return self._report.repair_failed(work, goal, pass_id, plan, failure, now)
        return self._report.repaired(work, goal, pass_id, plan, self._stage.observe(work, goal.release))

    # Below: what is less usual, in the order of the calls

    def _leave_alone(self, work: Work, snapshot: Snapshot | None) -> StackRecord:
        """Git no longer has it: what runs runs on, untouched, until somebody takes it down. Then it is forgotten."""
        release = self._books.applied(work) or nothing_of(work.name)
        observed = self._stage.observe(work, release, snapshot)
        if not observed.containers:
            self._stage.executor.forget(work.name)
            return self._report.forgotten(work)
        return self._report.gone(work, release, observed)

    def _render(self, work: Work) -> Release | None:
        """None, with the problems in the record, where Git's state cannot be rendered: what ran goes on from the last
        good release."""
        try:
            return self._books.rendered(work)
        except InvalidInputError as error:
            self._report.broken(work, error)
        except ReconcilerError as error:
            self._report.cannot_render(work, error)
        return None

    def _pay_data_debt(self, work: Work, goal: Goal) -> StackRecord | None:
        """Before anything else is done. None: not yet, and until then what serves is repaired, while nothing new begins."""
        record = self._undoing.restore_what_is_left(work)
        if record is not None and self._data_debt.is_paid(work):
            return self._pass(work, None)
        return self._books.record(work) if record is None and goal.kind is PassGoal.APPLY else record

    def _until_given_up(self, work: Work, release: Release) -> Work:
        newer = work.newer
        return replace(work, newer=lambda: self._books.given_up(work, release) or newer())

    def _bring_images(
        self, work: Work, release: Release, plan: Plan, pass_id: int, unfinished: bool
    ) -> tuple[Release, Plan, int]:
        """Every image is here, known and pinned before anything stops; then the plan is made with what is known."""
        steps = tuple(step for step in plan.steps if _is_about_images(step))
        if needs_images(plan):
            self._stage.walk(work, release, plan, pass_id, steps)
        else:
            steps = ()
        release = self._books.pin(work, release, self._stage.observe(work, release))
        now = replace(self._stage.observe(work, release), unfinished=unfinished)  # this very pass is open
        return release, self._stage.plan(work, release, now), len(steps)

    def _leave_untidy(self, work: Work, goal: Goal, pass_id: int, plan: Plan, failure: StepFailedError) -> StackRecord:
        """The new one is proven and serves; what could not be cleaned up after it is no reason to go back."""
        observed = self._stage.observe(work, goal.release)
        self._report.applied_now(work, goal, pass_id, plan, observed)
        self._data_debt.forget(work)
        rest = self._stage.plan(work, goal.release, observed)
        return self._report.untidy(work, goal, pass_id, rest, failure)

    def _look_closer(self, work: Work, goal: Goal, record: StackRecord) -> StackRecord:
        """Only of the release that is known to be applied is it seen what somebody did to what it mounts."""
        goal = replace(goal, kind=PassGoal.REPAIR)
        observed = self._stage.observe(work, goal.release)
        plan = self._stage.plan(work, goal.release, observed)
        return record if plan.empty else self._repair(work, goal, observed, plan)


def _is_about_images(step: Step) -> bool:
    return isinstance(step.action, PullImage | BuildImage | TagImage)
