"""Data that a release changes: the way back is known before it begins, and forgotten when it is proven or gone.

Restores nothing by itself: when that is a step of a plan, the planner and the loop decide.
"""

from __future__ import annotations

from dataclasses import replace

from reconciler.execution.hooks import HookScene
from reconciler.model.data import AroundData, DataBackup, DataChange, DataScene, no_hooks
from reconciler.model.errors import ReconcilerError, StalledError
from reconciler.model.hook import Hook, Occasion
from reconciler.model.plan import RestoreData
from reconciler.ports.books import DataBook
from reconciler.ports.rooms import Backups


def data_scene(scene: HookScene, why: str, hooks: AroundData = no_hooks) -> DataScene:
    return DataScene(scene.release.stack, scene.manifest, scene.variables, why, hooks)


class DataKeeping:
    """Safe to use from several threads as long as no two work on the same stack."""

    def __init__(self, book: DataBook, backups: Backups) -> None:
        self._book = book
        self._backups = backups

    def change(self, stack: str) -> DataChange | None:
        return self._book.data_change(stack)

    def forget(self, stack: str) -> None:
        if self._book.data_change(stack) is not None:
            self._book.drop_data_change(stack)

    def begin(self, scene: HookScene, hook: Hook) -> None:
        """Before ``hook`` changes anything. Raises StalledError where there is no way back, although something served."""
        attempt = scene.attempt
        if attempt.occasion is Occasion.FIRST or attempt.previous_release is None:
            return
        known = self._book.data_change(attempt.stack) or DataChange(attempt.stack, attempt.release)
        if known.release == attempt.release and known.back:
            return
        back = self._backups.passed_by(data_scene(scene, ""), attempt.release)
        if not back:
            raise StalledError(
                f"the {hook.phase} hook {hook.name} changes data, and was not run: no good backup lets release "
                f"{attempt.release} pass that could be gone back to; declare one before it in preSync, such as "
                "{name: 00-dump, backup: db}",
                reason="NoBackup",
            )
        forth = known.forth if known.release == attempt.release else ()
        self._book.save_data_change(DataChange(attempt.stack, attempt.release, back, forth))

    def restore(self, scene: DataScene, action: RestoreData) -> None:
        """One step of a plan. What was live is saved first where a person asked for it, and can be gone back to if the
        release fails; on the way back it is only kept under another name. Raises StalledError, WaitingError."""
        change = self._book.data_change(scene.stack)
        assert change is not None, "data are restored only while it is known why"
        saved = change.back
        if action.forth and not saved:
            saved = self._backups.save(scene, change.forth)
        swap = _Swap(self._book, change, action.backup, saved, action.forth)
        try:
            self._backups.restore(
                scene,
                action.backup,
                must_ask=action.forth,
                for_good=[ref.id for ref in action.stops],
                swapping=swap.begins,
                swapped=swap.ended,
            )
        except ReconcilerError:
            swap.failed()
            raise


class _Swap:
    """What is written down right before and right after the live data become others."""

    def __init__(
        self, book: DataBook, change: DataChange, name: str, saved: tuple[DataBackup, ...], forth: bool
    ) -> None:
        self._book = book
        self._change = change
        self._name = name
        self._saved = saved
        self._forth = forth
        self._is_done = False

    def begins(self) -> None:
        if self._forth:
            self._book.save_data_change(replace(self._change, back=self._saved))

    def ended(self) -> None:
        self._is_done = True
        left = replace(self._change, back=self._saved)
        if self._forth:
            left = replace(left, forth=_without(left.forth, self._name))
        else:
            left = replace(left, back=_without(left.back, self._name))
        if left.back or left.forth:
            self._book.save_data_change(left)
        else:
            self._book.drop_data_change(left.stack)

    def failed(self) -> None:
        """The live data are what they were: nothing is to be undone that was not before."""
        if self._forth and not self._is_done:
            self._book.save_data_change(self._change)


def _without(backups: tuple[DataBackup, ...], name: str) -> tuple[DataBackup, ...]:
    return tuple(backup for backup in backups if backup.name != name)
