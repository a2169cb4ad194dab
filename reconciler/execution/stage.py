"""What every pass does with one stack, whichever way it goes: look, plan, walk. Decides nothing about where to go."""

from __future__ import annotations

from dataclasses import dataclass, replace

from reconciler.execution.books import Books
from reconciler.execution.execute import Executor
from reconciler.execution.hooks import HookScene
from reconciler.execution.observe import Observer, Snapshot
from reconciler.execution.walk import Walk
from reconciler.execution.work import Work
from reconciler.model.desired import Release
from reconciler.model.observed import Observed
from reconciler.model.plan import Plan, Step
from reconciler.planning.data import notes_on_data
from reconciler.planning.hooks import with_hooks
from reconciler.planning.planner import plan
from reconciler.planning.renaming import notes_if_renamed


@dataclass(frozen=True, slots=True)
class Stage:
    books: Books
    observer: Observer
    executor: Executor

    def observe(self, work: Work, release: Release, snapshot: Snapshot | None = None) -> Observed:
        return self.observer.of(work.name, release, self.books.applied(work), snapshot)

    def plan(self, work: Work, release: Release, observed: Observed) -> Plan:
        """Every step from what is to ``release``; without hooks, which only a new release has. Raises StalledError."""
        renewed = self.observer.renewed(work.manifest)
        observed = replace(observed, unproven=self.books.unproven(work), renewed=renewed)
        found = plan(release, observed, work.manifest, self.books.applied(work), work.mask)
        warnings = (str(warning) for warning in work.warnings)
        return replace(found, notes=(*found.notes, *warnings, *self.if_renamed(work, release)))

    def if_renamed(self, work: Work, release: Release) -> tuple[str, ...]:
        """What whoever renamed the stack's folder should know, as long as what it was is there."""
        return tuple(notes_if_renamed(release, work.manifest.folder, work.left))

    def announce(self, work: Work, release: Release, observed: Observed) -> Plan:
        """What ``diff`` prints and ``reconcile`` then does. Hooks are there where a pass would apply the release."""
        found, applied = self.plan(work, release, observed), self.books.applied(work)
        if applied is not None and applied.digest == release.digest:
            return found
        if self.books.is_there_already(work, release, found):
            return found
        occasion = self.books.attempt_at(work, release, 0).occasion
        found = with_hooks(found, work.manifest, occasion)
        return replace(found, notes=(*found.notes, *notes_on_data(work.manifest, occasion)))

    def scene_of_what_runs(self, work: Work) -> HookScene | None:
        """For hooks that are about no release; None where nothing was ever applied."""
        release = self.books.applied(work)
        return None if release is None else self.scene(work, release, 0)

    def scene(self, work: Work, release: Release, number: int) -> HookScene:
        """What hooks of the ``number``-th try at ``release`` need."""
        return HookScene(
            attempt=self.books.attempt_at(work, release, number),
            manifest=work.manifest,
            release=release,
            model=self.books.model_path(work, release),
            environment={**work.environment, **release.variables},
            variables=work.variables,
            progress=work.progress,
            stop=work.stop,
            clean=work.mask.clean,
        )

    def walk(
        self,
        work: Work,
        release: Release,
        found: Plan,
        pass_id: int,
        steps: tuple[Step, ...] | None = None,
        first: int = 1,
        scene: HookScene | None = None,
    ) -> None:
        """Raises StepFailedError, StoppedError."""
        walk = Walk(
            pass_id=pass_id,
            release=release,
            manifest=work.manifest,
            model=self.books.model_path(work, release),
            environment=work.environment,
            progress=work.progress,
            stop=work.stop,
            clean=work.mask.clean,
            scene=scene,
            newer=work.newer,
        )
        self.executor.walk(found, walk, steps, first)
