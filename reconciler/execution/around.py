"""The hooks around a stack's backups and restores: run each once, as things are then. Which there are, stack.yaml says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from reconciler.execution.hooks import HookKeeping, HookScene
from reconciler.model.errors import WaitingError
from reconciler.model.hook import BackupFacts, Phase, occasions_of
from reconciler.planning.hooks import around_attempt, hooks_at
from reconciler.ports.clock import Clock


class Around:
    """``scene``: of what runs, None where nothing was ever applied. ``pass_id``: the one that what is run is shown with."""

    def __init__(
        self, keeping: HookKeeping, clock: Clock, scene: Callable[[], HookScene | None], pass_id: Callable[[], int]
    ) -> None:
        self._keeping = keeping
        self._clock = clock
        self._scene = scene
        self._pass_id = pass_id

    def __call__(self, phase: Phase, facts: BackupFacts, error: str = "") -> None:
        """Raises StalledError(reason="HookFailed") where one fails that must not, WaitingError(reason="Interrupted")."""
        scene = self._scene()
        if scene is None:
            return
        (occasion,) = occasions_of(phase)
        number = int(self._clock.now() * 1000)
        attempt = around_attempt(scene.release, number, occasion, facts, scene.clean(error))
        scene = replace(scene, attempt=attempt)
        for hook in hooks_at(scene.manifest, phase, occasion):
            if not self._keeping.run(scene, phase, hook.name, self._pass_id()):
                raise WaitingError(f"the {phase} hook {hook.name} was ended: {scene.stop()}", reason="Interrupted")
