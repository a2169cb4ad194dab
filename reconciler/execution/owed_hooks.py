"""Hooks at the end of a pass that are owed for what came before: a release that failed, another certificate. Whatever
becomes of them, the pass is what it was."""

from __future__ import annotations

from dataclasses import replace

from reconciler.execution.hooks import HookKeeping, HookScene
from reconciler.execution.stage import Stage
from reconciler.execution.walk import StepFailedError
from reconciler.execution.work import Work
from reconciler.model.desired import Release
from reconciler.model.errors import EngineUnavailableError, WaitingError
from reconciler.model.hook import HookRecord, Phase
from reconciler.planning.hooks import certificate_attempt, hook_named
from reconciler.planning.story import describe


class OwedHooks:
    def __init__(self, stage: Stage, hooks: HookKeeping) -> None:
        self._stage = stage
        self._books = stage.books
        self._hooks = hooks

    def owe(self, work: Work, release: Release, number: int, failure: StepFailedError) -> None:
        """The syncFail hooks of the ``number``-th try at ``release``."""
        attempt = self._books.attempt_at(work, release, number)
        step, error = describe(failure.step.action), work.mask.clean(str(failure))
        self._hooks.owe(work.manifest, replace(attempt, failed_step=work.mask.clean(step), error=error))

    def run(self, work: Work) -> None:
        """syncFail hooks, now that what served before was put back, as far as that went; postCert hooks of what runs. Raises
        EngineUnavailableError."""
        for owed in self._hooks.owed(work.name):
            scene = self._scene(work, owed)
            if scene is None:
                self._hooks.forgive(owed)
            else:
                self._run(work, owed, scene)

    def _scene(self, work: Work, owed: HookRecord) -> HookScene | None:
        """None where what it is about is gone, or it is declared no more."""
        of_certificates = owed.phase is Phase.POST_CERT
        release = self._books.applied(work) if of_certificates else self._books.failed_release(work, owed.release)
        if release is None or hook_named(work.manifest, owed.phase, owed.name) is None:
            return None
        scene = self._stage.scene(work, release, owed.attempt)
        attempt = replace(scene.attempt, failed_step=owed.failed_step, error=owed.error)
        if of_certificates:
            attempt = replace(certificate_attempt(release, owed.attempt, owed.domains), release=owed.release)
        return replace(scene, attempt=attempt)

    def _run(self, work: Work, owed: HookRecord, scene: HookScene) -> None:
        try:
            self._hooks.run(scene, owed.phase, owed.name, self._books.newest_pass(work))
        except EngineUnavailableError:
            raise
        except WaitingError as error:  # it is begun and not ended, so the next pass runs it again
            work.progress(f"{work.name}: the {owed.phase} hook {owed.name} could not be run: {error}")
