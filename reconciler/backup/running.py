"""One run of one backup: made, remembered, and told. Which one, and when, is decided elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, replace

import structlog

from reconciler.backup.entry import Backup, Finding
from reconciler.backup.kit import Kit, Stop, Wanted
from reconciler.backup.making import Made
from reconciler.backup.store import Store
from reconciler.model.backup import BackupPlan, BackupRecord, Level
from reconciler.model.errors import ReconcilerError
from reconciler.model.hook import BackupFacts, Phase
from reconciler.planning.rollback import newest_applied

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Errand:
    """Why a backup is made. ``slot``: of the schedule, None where it takes none. ``why``: for people, "" where the schedule
    is all there is to say. ``prunes``: whether old ones go afterwards. ``precedes``: the release that it is made before.
    ``before_restore``: what is live is replaced right after.
    ``stop``: why to end at once, besides that the process is to leave."""

    slot: float | None = None
    why: str = ""
    prunes: bool = True
    precedes: int | None = None
    before_restore: bool = False
    stop: Stop | None = None

    @property
    def by_hand(self) -> bool:
        return self.slot is None and self.precedes is None


class Runs:
    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    def run(self, wanted: Wanted, plan: BackupPlan, errand: Errand) -> Made:
        """With the hooks around it. Raises WaitingError(reason="Interrupted") where it is to end."""
        stack = wanted.stack
        book, now = self._kit.book, self._kit.clock.now()
        before = next((found for found in book.backups(stack) if found.plan == plan.name), None)
        store = self._kit.store(stack, plan)
        slot = before.slot if errand.slot is None and before else errand.slot
        began = BackupRecord(stack, plan.name, now if slot is None else slot, now, None, folder=str(store.folder))
        if before is not None:
            began = replace(began, failed=before.failed, level=before.level)
        if errand.slot is not None:
            book.save_backup(self.with_verified(began, plan, store))
        log.info("backup_begins", stack=stack, backup=plan.name)
        facts = BackupFacts(plan.name, plan.database, precedes=errand.precedes)
        made = self._marked(self._make(wanted, plan, store, errand, facts), store, errand)
        failed = f"{made.finding.level.name}: {made.finding.problem}" if made.finding else ""
        level = made.backup.level if made.backup else Level.NONE
        ended = replace(began, ended_at=self._kit.clock.now(), failed=failed, level=level)
        book.save_backup(self.with_verified(ended, plan, store))
        self._tell_of(plan, made, began, before, errand)
        wanted.hooks(Phase.POST_BACKUP, facts if made.backup is None else told(made.backup, store, facts), failed)
        return made

    def _make(self, wanted: Wanted, plan: BackupPlan, store: Store, errand: Errand, facts: BackupFacts) -> Made:
        kit, stack = self._kit, wanted.stack
        try:
            wanted.hooks(Phase.PRE_BACKUP, facts)
            kit.containers.sweep(stack)
            scripts = kit.engines(plan.engine)
            return kit.maker(self._stop(errand)).make(
                plan,
                lambda: kit.target(stack, plan.service, scripts),
                store,
                scripts,
                stack=stack,
                pinned=self.pinned(stack, plan),
                by_hand=errand.by_hand,
                prunes=errand.prunes,
            )
        except ReconcilerError as error:
            if error.reason == "Interrupted":
                raise
            return Made(None, Finding(Level.L0, str(error)))
        except Exception as error:
            # Whatever it was, the slot is over: a mistake of ours must not dump a database again and again.
            log.exception("backup_crashed", stack=stack, backup=plan.name)
            return Made(None, Finding(Level.L0, f"a mistake in reconciler: {error!r}"))

    def _stop(self, errand: Errand) -> Stop:
        own = errand.stop
        return self._kit.stop if own is None else lambda: self._kit.stop() or own()

    def _marked(self, made: Made, store: Store, errand: Errand) -> Made:
        if made.backup is None or (errand.precedes is None and not errand.before_restore):
            return made
        marked = replace(made.backup, before_restore=errand.before_restore)
        marked = marked if errand.precedes is None else marked.before(errand.precedes)
        store.describe(marked)
        return replace(made, backup=marked)

    def pinned(self, stack: str, plan: BackupPlan) -> frozenset[int]:
        """Releases that can be gone back to, and the one that is tried: what was backed up of and before them stays."""
        change = self._kit.journal.data.data_change(stack)
        owed = frozenset({change.release}) if change is not None and change.back else frozenset[int]()
        if plan.at_most:
            return owed
        applied = [found.number for found in newest_applied(self._kit.journal.releases(stack))]
        record = self._kit.journal.stack(stack)
        tried = record.attempted_release if record else None
        return frozenset(applied[: self._kit.kept_releases]) | owed | (frozenset() if tried is None else {tried})

    def with_verified(self, record: BackupRecord, plan: BackupPlan, store: Store) -> BackupRecord:
        newest = next((found for found in store.all(record.stack, plan.name) if found.verified), None)
        if newest is None:
            return replace(record, verified_at=None, verified="")
        return replace(record, verified_at=newest.created_at, verified=newest.name)

    def _tell_of(
        self, plan: BackupPlan, made: Made, began: BackupRecord, before: BackupRecord | None, errand: Errand
    ) -> None:
        """A success is told when it is news: asked for, the first, or after a failure. The list shows all."""
        stack, why = began.stack, f" ({errand.why})" if errand.why else ""
        if made.finding:
            failed = f"{made.finding.level.name}: {made.finding.problem}"
            kept = f"; kept as {made.backup.name} to look into" if made.backup else ""
            log.error("backup_failed", stack=stack, backup=plan.name, error=failed)
            self._kit.tell(stack, "error", "BackupFailed", f"{plan.name}: {failed}{kept}{why}")
            return
        assert made.backup is not None
        backup = made.backup
        log.info("backup_made", stack=stack, backup=backup.name, level=backup.level.name, size=backup.size)
        if why or before is None or before.failed:
            told = f"{plan.name}: {backup.name} reaches {backup.level.name}, {backup.size} bytes{why}"
            self._kit.tell(stack, "info", "BackupMade", told)


def told(backup: Backup, store: Store, facts: BackupFacts) -> BackupFacts:
    """``facts``, with what is known once there is a backup."""
    return replace(
        facts, name=backup.name, file=str(store.dump(backup.name)), level=backup.level.name, state=backup.state
    )
