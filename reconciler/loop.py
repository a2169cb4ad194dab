"""What a pass over a stack is. This is the product; the rest of the package is how each of these lines is done.

Level-triggered: a pass compares everything anew, so whatever was interrupted, undone or touched by somebody is found
again. Nothing here waits for an event, and no event carries an order.
"""

from __future__ import annotations

from dataclasses import replace

from reconciler.execution.data import DataKeeping
from reconciler.execution.hooks import HookKeeping, HookScene
from reconciler.execution.observe import Snapshot
from reconciler.execution.report import Report
from reconciler.execution.stage import Stage
from reconciler.execution.undoing import Undoing
from reconciler.execution.walk import StepFailedError
from reconciler.execution.work import Work
from reconciler.model.data import FIRST
from reconciler.model.desired import Release, nothing_of
from reconciler.model.errors import (
    EngineUnavailableError,
    InvalidInputError,
    ReconcilerError,
    StalledError,
    WaitingError,
)
from reconciler.model.hook import HookRecord, Phase
from reconciler.model.manifest import DriftMode
from reconciler.model.observed import Observed
from reconciler.model.plan import BuildImage, Plan, PullImage, RemoveNetwork, Step, TagImage
from reconciler.model.record import PassGoal, StackRecord
from reconciler.planning.data import notes_on_data, with_restores
from reconciler.planning.hooks import certificate_attempt, hook_named, with_hooks
from reconciler.planning.planner import needs_images
from reconciler.planning.story import describe
from reconciler.planning.takeover import is_about_certificates
from reconciler.planning.target import Goal, choose_goal
from reconciler.planning.undo import as_it_ran


class StackLoop:
    """Passes over stacks. One pass at a time for a stack; different stacks side by side."""

    def __init__(self, stage: Stage, report: Report, hooks: HookKeeping, data: DataKeeping) -> None:
        self._stage = stage
        self._books = stage.books
        self._report = report
        self._hooks = hooks
        self._data = data
        self._undoing = Undoing(stage, report, data)
        self.plan = stage.plan

    def reconcile(self, work: Work, snapshot: Snapshot | None = None) -> StackRecord:
        """One pass: make the stack what Git says, or keep it what it was. Raises only EngineUnavailableError."""
        if self._books.is_suspended(work):
            return self._report.suspended(work)
        self._hooks.recover(work.name)
        if work.gone:
            return self._leave_alone(work, snapshot)
        record = self._pass(work, snapshot)
        for owed in self._hooks.owed(work.name):
            self._run_owed(work, owed)
        return record

    def _pass(self, work: Work, snapshot: Snapshot | None) -> StackRecord:
        rendered = self._render(work)
        candidates = self._books.candidates(work, rendered)
        goal = choose_goal(candidates)
        if goal is None:
            return self._undoing.take_away_what_was_left(work, candidates)
        if self._owes_data(work, goal):
            record = self._undoing.restore_what_is_left(work)
            if record is not None and self._data.change(work.name) is None:
                return self._pass(work, None)
            if record is not None or goal.kind is PassGoal.APPLY:
                return record or self._books.record(work)
        observed = self._stage.observe(work, goal.release, snapshot)
        try:
            found = self._stage.plan(work, goal.release, observed)
        except StalledError as error:
            return self._report.refused(work, error)
        if goal.kind is PassGoal.APPLY:
            return self._apply(work, goal, observed, found)
        if found.empty:
            return self._report.settled(work, goal, observed, found)
        return self._repair(work, goal, observed, found)

    def announce(self, work: Work, release: Release, observed: Observed) -> Plan:
        """What ``diff`` prints and ``reconcile`` then does. Hooks are there where a pass would apply the release."""
        found, applied = self._stage.plan(work, release, observed), self._books.applied(work)
        if (applied is not None and applied.digest == release.digest) or self._is_there_already(work, release, found):
            return found
        occasion = self._books.attempt_at(work, release, 0).occasion
        found = with_hooks(found, work.manifest, occasion)
        return replace(found, notes=(*found.notes, *notes_on_data(work.manifest, occasion)))

    def _is_there_already(self, work: Work, release: Release, found: Plan) -> bool:
        """What runs is what Git says, and nothing is known of how it came: state.db was lost. It is taken as it is, and a
        hook for a first release, which may fill a database, does not run on one that is in use."""
        return found.empty and release.number is None and self._books.record(work).applied_release is None

    def _owes_data(self, work: Work, goal: Goal) -> bool:
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

    def _repair(self, work: Work, goal: Goal, observed: Observed, found: Plan) -> StackRecord:
        """Somebody or something changed what runs: put it back, ever more slowly if it does not last."""
        if work.manifest.drift is DriftMode.WARN and not observed.unfinished and not is_about_certificates(found):
            return self._report.drifted(work, goal, observed, found)
        if self._books.must_wait(work, found, has_begun=observed.unfinished):
            return self._report.drifted(work, goal, observed, found)
        pass_id = self._books.begin(work, goal.release, PassGoal.REPAIR)
        try:
            self._stage.walk(work, goal.release, found, pass_id)
        except StepFailedError as failure:
            self._mend_the_rest(work, goal.release, observed, pass_id, failure)
            return self._report.repair_failed(
                work, goal, pass_id, found, failure, self._stage.observe(work, goal.release)
            )
        return self._report.repaired(work, goal, pass_id, found, self._stage.observe(work, goal.release))

    def _mend_the_rest(
        self, work: Work, release: Release, before: Observed, pass_id: int, failure: StepFailedError
    ) -> None:
        """A service that cannot be mended runs as it did, and keeps no other one from being mended; each round sets another
        one aside. Nothing is cleaned up, because the release as a whole is not proven, and no network taken away, which
        may be in use."""
        aside = frozenset[str]()
        while (spec := release.service(failure.step.service)) and spec.name not in aside:
            aside |= {spec.name}
            self._stage.executor.give_up_pairs(work.manifest, failure, work.mask.clean(str(failure.cause)))
            now = self._stage.observe(work, release)
            rest = self._stage.plan(work, release, replace(now, aside=aside))
            steps = (*as_it_ran(before, now, spec), *rest.steps[: rest.proven_after])
            if any(isinstance(step.action, RemoveNetwork) for step in steps):
                return
            try:
                self._stage.walk(work, release, rest, pass_id, steps, failure.number + 1)
                return
            except StepFailedError as another:
                failure = another

    def _apply(self, work: Work, goal: Goal, observed: Observed, found: Plan) -> StackRecord:
        """Go to a new release. If any step fails, what served before serves again.

        Also where no step is left to take, as when the process was killed after the last one, or state.db was lost and
        what runs is what Git says: the release must be remembered as the one to go back to.
        """
        has_hooks = not self._is_there_already(work, goal.release, found)
        release, taken = self._books.attempt(work, goal.release), 0
        number = self._hooks.begin_attempt(release)
        pass_id = self._books.begin(work, release, PassGoal.APPLY)
        work = self._until_given_up(work, release)
        is_there = False
        try:
            release, found, taken = self._bring_images(work, release, found, pass_id, observed.unfinished)
            scene, is_there = self._stage.scene(work, release, number), found.empty
            found = self._with_data(work, release, found)
            if has_hooks:
                found = with_hooks(found, work.manifest, scene.attempt.occasion)
            self._stage.walk(work, release, found, pass_id, first=taken + 1, scene=scene)
        except StepFailedError as failure:
            if failure.engine_is_gone:
                raise failure.cause from failure
            if failure.number > taken + found.proven_after:
                return self._leave_untidy(work, replace(goal, release=release), pass_id, found, failure)
            self._owe_hooks(work, release, number, failure)
            self._report.failed(work, release, failure)
            self._forget_what_was_asked(work, failure)
            return self._undoing.undo(work, pass_id, observed)
        applied = replace(goal, release=release)
        record = self._report.applied_now(work, applied, pass_id, found, self._stage.observe(work, release))
        self._data.forget(work.name)
        return self._look_closer(work, applied, record) if is_there else record

    def _until_given_up(self, work: Work, release: Release) -> Work:
        newer = work.newer
        return replace(work, newer=lambda: self._books.given_up(work, release) or newer())

    def _look_closer(self, work: Work, goal: Goal, record: StackRecord) -> StackRecord:
        """Only of the release that is known to be applied is it seen what somebody did to what it mounts."""
        goal = replace(goal, kind=PassGoal.REPAIR)
        observed = self._stage.observe(work, goal.release)
        found = self._stage.plan(work, goal.release, observed)
        return record if found.empty else self._repair(work, goal, observed, found)

    def _leave_untidy(self, work: Work, goal: Goal, pass_id: int, found: Plan, failure: StepFailedError) -> StackRecord:
        """The new one is proven and serves; what could not be cleaned up after it is no reason to go back."""
        observed = self._stage.observe(work, goal.release)
        self._report.applied_now(work, goal, pass_id, found, observed)
        self._data.forget(work.name)
        rest = self._stage.plan(work, goal.release, observed)
        return self._report.untidy(work, goal, pass_id, rest, failure)

    def _bring_images(
        self, work: Work, release: Release, found: Plan, pass_id: int, unfinished: bool
    ) -> tuple[Release, Plan, int]:
        """Every image is here, known and pinned before anything stops; then the plan is made with what is known."""
        steps = tuple(step for step in found.steps if _is_about_images(step))
        if needs_images(found):
            self._stage.walk(work, release, found, pass_id, steps)
        else:
            steps = ()
        release = self._books.pin(work, release, self._stage.observe(work, release))
        now = replace(self._stage.observe(work, release), unfinished=unfinished)  # this very pass is open
        return release, self._stage.plan(work, release, now), len(steps)

    def _with_data(self, work: Work, release: Release, found: Plan) -> Plan:
        """With the restores that a person asked for on the way to ``release``."""
        change = self._data.change(work.name)
        if change is None or change.release not in (release.number, FIRST):
            return found
        now = self._stage.observe(work, release)
        return with_restores(found, release, now, work.manifest.rollout, change, forth=True)

    def _forget_what_was_asked(self, work: Work, failure: StepFailedError) -> None:
        """A rollback with its data that failed for good, before any were changed: it is not made without them later."""
        change = self._data.change(work.name)
        if change is not None and change.release != FIRST and not change.back and not failure.time_mends_it:
            self._data.forget(work.name)

    def _owe_hooks(self, work: Work, release: Release, number: int, failure: StepFailedError) -> None:
        attempt = self._books.attempt_at(work, release, number)
        step, error = describe(failure.step.action), work.mask.clean(str(failure))
        self._hooks.owe(work.manifest, replace(attempt, failed_step=work.mask.clean(step), error=error))

    def _run_owed(self, work: Work, owed: HookRecord) -> None:
        """A syncFail hook, now that what served before was put back, as far as that went; a postCert hook of what runs.
        Their failing changes nothing."""
        of_certificates = owed.phase is Phase.POST_CERT
        release = self._books.applied(work) if of_certificates else self._books.failed_release(work, owed.release)
        if release is None or hook_named(work.manifest, owed.phase, owed.name) is None:
            self._hooks.forgive(owed)
            return
        scene = self._stage.scene(work, release, owed.attempt)
        attempt = replace(scene.attempt, failed_step=owed.failed_step, error=owed.error)
        if of_certificates:
            attempt = replace(certificate_attempt(release, owed.attempt, owed.domains), release=owed.release)
        scene = replace(scene, attempt=attempt)
        try:
            self._hooks.run(scene, owed.phase, owed.name, self._books.newest_pass(work))
        except EngineUnavailableError:
            raise
        except WaitingError as error:  # it is begun and not ended, so the next pass runs it again
            work.progress(f"{work.name}: the {owed.phase} hook {owed.name} could not be run: {error}")

    def scene(self, work: Work) -> HookScene | None:
        """Of what runs, for hooks that are about no release; None where nothing was ever applied."""
        release = self._books.applied(work)
        return None if release is None else self._stage.scene(work, release, 0)


def _is_about_images(step: Step) -> bool:
    return isinstance(step.action, PullImage | BuildImage | TagImage)
