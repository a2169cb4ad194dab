"""What a pass over a stack is. This is the product; the rest of the package is how each of these lines is done.

Level-triggered: a pass compares everything anew, so whatever was interrupted, undone or touched by somebody is found
again. Nothing here waits for an event, and no event carries an order.
"""

from __future__ import annotations

from dataclasses import replace

from reconciler.execution.books import Books
from reconciler.execution.execute import Executor, StepFailedError, Walk
from reconciler.execution.hooks import HookKeeping, HookScene
from reconciler.execution.observe import Observer, Snapshot
from reconciler.execution.report import Report
from reconciler.execution.work import Work
from reconciler.model.desired import Release, nothing_of
from reconciler.model.errors import (
    EngineUnavailableError,
    InvalidInputError,
    ReconcilerError,
    StalledError,
    WaitingError,
)
from reconciler.model.hook import HookRecord, Phase
from reconciler.model.manifest import DriftMode, Rollout
from reconciler.model.observed import Observed
from reconciler.model.plan import BuildImage, Plan, PullImage, RemoveNetwork, Step, TagImage
from reconciler.model.record import PassGoal, StackRecord
from reconciler.planning.hooks import certificate_attempt, hook_named, with_hooks
from reconciler.planning.planner import needs_images, plan
from reconciler.planning.story import describe
from reconciler.planning.takeover import is_about_certificates
from reconciler.planning.target import Candidates, Goal, choose_goal
from reconciler.planning.undo import as_it_ran, stood_before, without_what_came


class StackLoop:
    """Passes over stacks. One pass at a time for a stack; different stacks side by side."""

    def __init__(
        self, books: Books, report: Report, observer: Observer, executor: Executor, hooks: HookKeeping
    ) -> None:
        self._books = books
        self._report = report
        self._observer = observer
        self._executor = executor
        self._hooks = hooks

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
            return self._take_away_what_was_left(work, candidates)
        observed = self._observe(work, goal.release, snapshot)
        try:
            found = self.plan(work, goal.release, observed)
        except StalledError as error:
            return self._report.refused(work, error)
        if goal.kind is PassGoal.APPLY:
            return self._apply(work, goal, observed, found)
        if found.empty:
            return self._report.settled(work, goal, observed, found)
        return self._repair(work, goal, observed, found)

    def plan(self, work: Work, release: Release, observed: Observed) -> Plan:
        """Every step from what is to ``release``; without hooks, which only a new release has."""
        renewed = self._observer.renewed(work.manifest)
        observed = replace(observed, unproven=self._books.unproven(work), renewed=renewed)
        return plan(release, observed, work.manifest, self._books.applied(work), work.mask)

    def announce(self, work: Work, release: Release, observed: Observed) -> Plan:
        """What ``diff`` prints and ``reconcile`` then does. Hooks are there where a pass would apply the release."""
        found, applied = self.plan(work, release, observed), self._books.applied(work)
        if (applied is not None and applied.digest == release.digest) or self._is_there_already(work, release, found):
            return found
        return with_hooks(found, work.manifest, self._books.attempt_at(work, release, 0).occasion)

    def _is_there_already(self, work: Work, release: Release, found: Plan) -> bool:
        """What runs is what Git says, and nothing is known of how it came: state.db was lost. It is taken as it is, and a
        hook for a first release, which may fill a database, does not run on one that is in use."""
        return found.empty and release.number is None and self._books.record(work).applied_release is None

    def _leave_alone(self, work: Work, snapshot: Snapshot | None) -> StackRecord:
        """Git no longer has it: what runs runs on, untouched, until somebody takes it down. Then it is forgotten."""
        release = self._books.applied(work) or nothing_of(work.name)
        observed = self._observe(work, release, snapshot)
        if not observed.containers:
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

    def _observe(self, work: Work, release: Release, snapshot: Snapshot | None = None) -> Observed:
        return self._observer.of(work.name, release, self._books.applied(work), snapshot)

    def _repair(self, work: Work, goal: Goal, observed: Observed, found: Plan) -> StackRecord:
        """Somebody or something changed what runs: put it back, ever more slowly if it does not last."""
        if work.manifest.drift is DriftMode.WARN and not observed.unfinished and not is_about_certificates(found):
            return self._report.drifted(work, goal, observed, found)
        if self._books.must_wait(work, found, has_begun=observed.unfinished):
            return self._report.drifted(work, goal, observed, found)
        pass_id = self._books.begin(work, goal.release, PassGoal.REPAIR)
        try:
            self._walk(work, goal.release, found, pass_id)
        except StepFailedError as failure:
            self._mend_the_rest(work, goal.release, observed, pass_id, failure)
            return self._report.repair_failed(work, goal, pass_id, found, failure, self._observe(work, goal.release))
        return self._report.repaired(work, goal, pass_id, found, self._observe(work, goal.release))

    def _mend_the_rest(
        self, work: Work, release: Release, before: Observed, pass_id: int, failure: StepFailedError
    ) -> None:
        """A service that cannot be mended runs as it did, and keeps no other one from being mended; each round sets another
        one aside. Nothing is cleaned up, because the release as a whole is not proven, and no network taken away, which
        may be in use."""
        aside = frozenset[str]()
        while (spec := release.service(failure.step.service)) and spec.name not in aside:
            aside |= {spec.name}
            self._executor.give_up_pairs(work.manifest, failure, work.mask.clean(str(failure.cause)))
            now = self._observe(work, release)
            rest = self.plan(work, release, replace(now, aside=aside))
            steps = (*as_it_ran(before, now, spec), *rest.steps[: rest.proven_after])
            if any(isinstance(step.action, RemoveNetwork) for step in steps):
                return
            try:
                self._walk(work, release, rest, pass_id, steps, failure.number + 1)
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
        is_there = False
        try:
            release, found, taken = self._bring_images(work, release, found, pass_id, observed.unfinished)
            scene, is_there = self._scene(work, release, number), found.empty
            if has_hooks:
                found = with_hooks(found, work.manifest, scene.attempt.occasion)
            self._walk(work, release, found, pass_id, first=taken + 1, scene=scene)
        except StepFailedError as failure:
            if failure.engine_is_gone:
                raise failure.cause from failure
            if failure.number > taken + found.proven_after:
                return self._leave_untidy(work, replace(goal, release=release), pass_id, found, failure)
            self._owe_hooks(work, release, number, failure)
            self._report.failed(work, release, failure)
            return self._undo(work, pass_id, observed)
        applied = replace(goal, release=release)
        record = self._report.applied_now(work, applied, pass_id, found, self._observe(work, release))
        return self._look_closer(work, applied, record) if is_there else record

    def _look_closer(self, work: Work, goal: Goal, record: StackRecord) -> StackRecord:
        """Only of the release that is known to be applied is it seen what somebody did to what it mounts."""
        goal = replace(goal, kind=PassGoal.REPAIR)
        observed = self._observe(work, goal.release)
        found = self.plan(work, goal.release, observed)
        return record if found.empty else self._repair(work, goal, observed, found)

    def _leave_untidy(self, work: Work, goal: Goal, pass_id: int, found: Plan, failure: StepFailedError) -> StackRecord:
        """The new one is proven and serves; what could not be cleaned up after it is no reason to go back."""
        observed = self._observe(work, goal.release)
        self._report.applied_now(work, goal, pass_id, found, observed)
        rest = self.plan(work, goal.release, observed)
        return self._report.untidy(work, goal, pass_id, rest, failure)

    def _bring_images(
        self, work: Work, release: Release, found: Plan, pass_id: int, unfinished: bool
    ) -> tuple[Release, Plan, int]:
        """Every image is here, known and pinned before anything stops; then the plan is made with what is known."""
        steps = tuple(step for step in found.steps if _is_about_images(step))
        if needs_images(found):
            self._walk(work, release, found, pass_id, steps)
        else:
            steps = ()
        release = self._books.pin(work, release, self._observe(work, release))
        now = replace(self._observe(work, release), unfinished=unfinished)  # this very pass is open
        return release, self.plan(work, release, now), len(steps)

    def _undo(self, work: Work, failed_pass: int, at_first: Observed) -> StackRecord:
        """Back to the last good release: the same planner, from wherever the failed step left things."""
        calm = replace(work, manifest=replace(work.manifest, rollout=_without_soak(work.manifest.rollout)))
        before = self._books.applied(work)
        if before is None:
            before = nothing_of(work.name)
            found = without_what_came(self._at_first(work, at_first), self._observe(work, before), calm.manifest)
        else:
            now = self._observe(work, before)
            found = self.plan(calm, before, replace(now, takeovers=()))  # a proxy can learn later; this cannot wait
        pass_id = self._books.begin_undo(work, before, failed_pass)
        try:
            self._walk(calm, before, found, pass_id)
        except StepFailedError as failure:
            return self._report.undo_failed(work, pass_id, found, failure)
        return self._report.undone(work, pass_id, self._observe(work, before))

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
        scene = self._scene(work, release, owed.attempt)
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
        return None if release is None else self._scene(work, release, 0)

    def _scene(self, work: Work, release: Release, number: int) -> HookScene:
        return HookScene(
            attempt=self._books.attempt_at(work, release, number),
            manifest=work.manifest,
            release=release,
            model=self._books.model_path(work, release),
            environment={**work.environment, **release.variables},
            variables=work.variables,
            progress=work.progress,
            stop=work.stop,
            clean=work.mask.clean,
        )

    def _take_away_what_was_left(self, work: Work, candidates: Candidates) -> StackRecord:
        """No release was ever proven. Where taking a failed one away was cut short, it goes on."""
        nothing = nothing_of(work.name)
        observed = self._observe(work, nothing)
        found = without_what_came(self._at_first(work, observed), observed, work.manifest)
        if found.empty or self._books.must_wait(work, found):
            return self._report.nothing_to_go_to(work, candidates, is_finished=found.empty)
        pass_id = self._books.begin(work, nothing, PassGoal.UNDO)
        try:
            self._walk(work, nothing, found, pass_id)
        except StepFailedError as failure:
            return self._report.undo_failed(work, pass_id, found, failure)
        return self._report.undone(work, pass_id, self._observe(work, nothing))

    def _at_first(self, work: Work, observed: Observed) -> Observed:
        """What stood before any release was tried."""
        if not observed.unfinished:
            return observed
        return stood_before(observed, self._books.tried(work), self._books.first_pass_at(work))

    def _walk(
        self,
        work: Work,
        release: Release,
        found: Plan,
        pass_id: int,
        steps: tuple[Step, ...] | None = None,
        first: int = 1,
        scene: HookScene | None = None,
    ) -> None:
        walk = Walk(
            pass_id=pass_id,
            release=release,
            manifest=work.manifest,
            model=self._books.model_path(work, release),
            environment=work.environment,
            progress=work.progress,
            stop=work.stop,
            clean=work.mask.clean,
            scene=scene,
        )
        self._executor.walk(found, walk, steps, first)


def _is_about_images(step: Step) -> bool:
    return isinstance(step.action, PullImage | BuildImage | TagImage)


def _without_soak(rollout: Rollout) -> Rollout:
    """What is gone back to was proven before; the sooner it serves the better."""
    services = {name: replace(own, soak_s=0.0) for name, own in rollout.services.items()}
    return replace(rollout, soak_s=0.0, services=services)
