"""Restores that people ask for: what is lost is saved first, and what came of it is told. How it is done: ``restoring``."""

from __future__ import annotations

from dataclasses import replace

from reconciler.backup.entry import Backup
from reconciler.backup.kit import Kit, Wanted
from reconciler.backup.orders import Order
from reconciler.backup.restoring import Restored
from reconciler.backup.running import Errand, Runs, told
from reconciler.backup.store import Store
from reconciler.model.backup import BackupPlan
from reconciler.model.errors import ReconcilerError, WaitingError
from reconciler.model.hook import BackupFacts, Phase


class Restores:
    def __init__(self, kit: Kit, runs: Runs) -> None:
        self._kit = kit
        self._runs = runs

    def restore(self, wanted: Wanted, order: Order, who: str) -> Restored:
        """Raises StalledError, WaitingError; then the live database is what it was, and why is an event."""
        kit, stack = self._kit, wanted.stack
        facts = BackupFacts("", order.into)
        try:
            backup, store = kit.find(wanted, order.name)
            facts = told(backup, store, BackupFacts(backup.plan, order.into or backup.database))
            wanted.hooks(Phase.PRE_RESTORE, facts)
            restored = self._restore(wanted, order, backup, store, who)
        except ReconcilerError as error:
            kit.tell(stack, "error", "RestoreFailed", f"{order.name}: {error} (asked for by {who})")
            if error.reason != "Interrupted":
                wanted.hooks(Phase.POST_RESTORE, facts, str(error))
            raise
        where = f"the database {restored.database}" + (f"; the one before is {restored.old}" if restored.old else "")
        kit.tell(stack, "info", "Restored", f"{order.name} is {where} (asked for by {who})")
        wanted.hooks(Phase.POST_RESTORE, facts)
        return restored

    def _restore(self, wanted: Wanted, order: Order, backup: Backup, store: Store, who: str) -> Restored:
        kit, stack = self._kit, wanted.stack
        plan, scripts = wanted.plan(backup.plan), kit.engines(backup.engine)
        container = kit.target(stack, backup.service, scripts).container
        kit.restorer.check(backup, store)
        if order.into:
            return kit.restorer.beside(order.into, backup, store, scripts, container)
        if kit.restorer.is_there(backup.database, backup, scripts, container):
            self._save_from_loss(wanted, replace(plan, database=backup.database), who)
        return kit.restorer.in_place(backup, store, scripts, container, drop_old=order.drop_old)

    def _save_from_loss(self, wanted: Wanted, plan: BackupPlan, who: str) -> None:
        """A backup of the live database as it is, however little is left of it. Nothing old goes: what is restored must
        stay. Raises WaitingError."""
        plan = replace(plan, max_shrink_percent=100)
        made = self._runs.run(wanted, plan, Errand(why=f"asked for by {who}, before a restore", prunes=False))
        if made.finding:
            raise WaitingError(
                f"nothing was restored, because the live database could not be backed up first: {made.finding.problem}",
                reason="NoSafetyBackup",
            )
