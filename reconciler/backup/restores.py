"""Restores that people or passes ask for, with the hooks around them, and what came of each told. How one is done: ``restoring``.

What is replaced because a person asks for it is backed up first. What a failed release left is not: it is only kept under
another name, for it may be half of something.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from reconciler.backup.choosing import gone_through
from reconciler.backup.engines import Engine
from reconciler.backup.entry import Backup
from reconciler.backup.kit import Kit, Wanted
from reconciler.backup.orders import Order
from reconciler.backup.restoring import Restored
from reconciler.backup.running import Errand, Runs, told
from reconciler.backup.store import Store
from reconciler.model.data import DataBackup, DataScene
from reconciler.model.errors import ReconcilerError, StalledError, WaitingError
from reconciler.model.hook import BackupFacts, Phase
from reconciler.model.record import Outcome


class Restores:
    """The ``Backups`` port, too."""

    def __init__(self, kit: Kit, runs: Runs) -> None:
        self._kit = kit
        self._runs = runs

    def by_hand(self, wanted: Wanted, order: Order, who: str) -> Restored:
        """Raises StalledError, WaitingError; then the live database is what it was, and why is an event."""
        why = f"asked for by {who}"

        def restored(backup: Backup, store: Store) -> Restored:
            kit, stack = self._kit, wanted.stack
            scripts = kit.engines(backup.engine)
            container = kit.target(stack, backup.service, scripts).container
            kit.restorer.check(backup, store)
            if order.into:
                return kit.restorer.beside(order.into, backup, store, scripts, container)
            self._save_from_loss(wanted, backup, f"{why}, before a restore")
            return kit.restorer.in_place(
                backup,
                store,
                scripts,
                container,
                drop_old=order.drop_old,
                swapped=lambda: self._settle(wanted, backup),
            )

        return self._told(wanted, order.name, why, restored, into=order.into)

    def _settle(self, wanted: Wanted, restored: Backup) -> None:
        """What a failed release still owes of this very database a person has just settled: it is not restored once more, over
        what is written from now on."""
        journal, book = self._kit.journal, self._kit.journal.data
        change = book.data_change(wanted.stack)
        failed = {found.number for found in journal.releases(wanted.stack) if found.outcome is Outcome.FAILED}
        if change is None or change.release not in failed:
            return
        plan_of = {found.name: found.plan for found, _ in self._kit.all(wanted)}
        settled = [
            owed
            for owed in change.back
            if owed.service == restored.service and plan_of.get(owed.name, restored.plan) == restored.plan
        ]
        left = replace(change, back=tuple(owed for owed in change.back if owed not in settled))
        if left.back or left.forth:
            book.save_data_change(left)
        else:
            book.drop_data_change(wanted.stack)

    def counted(self, wanted: Wanted, backup: Backup) -> Mapping[str, int]:
        """The rows of each table of the live database that ``backup`` was made of. Raises StalledError, WaitingError."""
        scripts = self._kit.engines(backup.engine)
        container = self._kit.target(wanted.stack, backup.service, scripts).container
        return self._kit.restorer.counted(backup, scripts, container)

    def passed_by(self, scene: DataScene, release: int) -> tuple[DataBackup, ...]:
        """The backups that let ``release`` pass, one of each plan."""
        here = self._kit.all(self._wanted(scene))
        found = gone_through((backup for backup, _ in here), release)
        return tuple(DataBackup(backup.name, backup.service) for backup in found)

    def save(self, scene: DataScene, backups: Sequence[DataBackup]) -> tuple[DataBackup, ...]:
        """Back up what these were made of, as it is now. Raises StalledError, WaitingError."""
        wanted = self._wanted(scene)
        found = (self._kit.find(wanted, backup.name)[0] for backup in backups)
        saved = (self._save_from_loss(wanted, backup, f"{scene.why}, before a restore") for backup in found)
        return tuple(DataBackup(backup.name, backup.service) for backup in saved if backup is not None)

    def restore(
        self,
        scene: DataScene,
        name: str,
        *,
        must_ask: bool,
        for_good: Collection[str],
        swapping: Callable[[], None],
        swapped: Callable[[], None],
    ) -> None:
        """In the place of the live database. ``must_ask``: whether a preRestore hook can forbid it. ``for_good``: containers
        (ids) that stop when it changes, and stay so. ``swapping`` and
        ``swapped`` are called right before and after the live one changes, while nobody uses it. Raises StalledError,
        WaitingError; where ``swapped`` was not called, the live database is what it was."""

        def restored(backup: Backup, store: Store) -> Restored:
            kit = self._kit
            kit.restorer.check(backup, store)
            scripts = kit.engines(backup.engine)
            container = kit.target(scene.stack, backup.service, scripts).container
            return kit.restorer.in_place(
                backup,
                store,
                scripts,
                container,
                drop_old=False,
                for_good=for_good,
                swapping=swapping,
                swapped=swapped,
            )

        self._told(self._wanted(scene), name, scene.why, restored, must_ask=must_ask)

    def _told(
        self,
        wanted: Wanted,
        name: str,
        why: str,
        do: Callable[[Backup, Store], Restored],
        *,
        into: str = "",
        must_ask: bool = True,
    ) -> Restored:
        kit, stack, facts = self._kit, wanted.stack, BackupFacts("", into)
        try:
            backup, store = kit.find(wanted, name)
            facts = told(backup, store, BackupFacts(backup.plan, into or backup.database))
            self._ask(wanted, facts, must_ask)
            restored = do(backup, store)
        except ReconcilerError as error:
            kit.tell(stack, "error", "RestoreFailed", f"{name}: {error} ({why})")
            if error.reason != "Interrupted":
                wanted.hooks(Phase.POST_RESTORE, facts, str(error))
            raise
        where = f"the database {restored.database}" + (f"; the one before is {restored.old}" if restored.old else "")
        kit.tell(stack, "info", "Restored", f"{name} is {where} ({why})")
        wanted.hooks(Phase.POST_RESTORE, facts)
        return restored

    def _ask(self, wanted: Wanted, facts: BackupFacts, must_ask: bool) -> None:
        """What brings back what was proven must not depend on a script."""
        try:
            wanted.hooks(Phase.PRE_RESTORE, facts)
        except StalledError as error:
            if must_ask:
                raise
            self._kit.tell(wanted.stack, "error", error.reason, f"{error}; {facts.name} is restored all the same")

    def _wanted(self, scene: DataScene) -> Wanted:
        return self._kit.wanted(scene.stack, scene.manifest.backups, scene.variables, scene.hooks)

    def _is_empty(self, backup: Backup, scripts: Engine, container: str) -> bool:
        """Not a row in any table. What cannot be counted is not taken for empty."""
        with suppress(ReconcilerError):
            return not any(self._kit.restorer.counted(backup, scripts, container).values())
        return False

    def _save_from_loss(self, wanted: Wanted, backup: Backup, why: str) -> Backup | None:
        """A backup of the live database as it is, however little is left of it; None where there is none, or not a row in it.
        Nothing old goes: what is restored must stay. Raises WaitingError."""
        kit = self._kit
        scripts = kit.engines(backup.engine)
        container = kit.target(wanted.stack, backup.service, scripts).container
        if not kit.restorer.is_there(backup.database, backup, scripts, container):
            return None
        if backup.counts and self._is_empty(backup, scripts, container):
            return None
        plan = replace(wanted.plan(backup.plan), database=backup.database, max_shrink_percent=100)
        made = self._runs.run(wanted, plan, Errand(why=why, prunes=False, before_restore=True))
        if made.finding:
            raise WaitingError(
                f"nothing was restored, because the live database could not be backed up first: {made.finding.problem}",
                reason="NoSafetyBackup",
            )
        return made.backup
