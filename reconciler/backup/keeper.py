"""Keeps the backups of all stacks: which are due, and what people ask for. One run at a time for each stack: whoever calls
sees to it that the stack is passed over by nobody meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import assert_never

import structlog

from reconciler.backup.containers import Containers
from reconciler.backup.engines import Engine, scripts_of
from reconciler.backup.entry import Backup, Finding
from reconciler.backup.making import Made, Maker, Target, prune
from reconciler.backup.orders import Do, Order
from reconciler.backup.restoring import Restored, Restorer
from reconciler.backup.store import Store, across, named
from reconciler.backup.variables import with_variables
from reconciler.model.backup import BackupPlan, BackupRecord, Level
from reconciler.model.errors import ReconcilerError, StalledError, WaitingError
from reconciler.model.observed import State
from reconciler.model.record import KEPT_RELEASES, Outcome
from reconciler.planning.schedule import due_slot, next_slot, offset_of
from reconciler.ports import BackupBook, Clock, Journal
from reconciler.ports import Engine as DockerEngine

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one stack wants backed up. ``problems``: of the variables that would say otherwise."""

    stack: str
    plans: tuple[BackupPlan, ...]
    problems: tuple[str, ...] = ()

    def plan(self, name: str) -> BackupPlan:
        """Raises StalledError."""
        found = next((plan for plan in self.plans if plan.name == name), None)
        if found is None:
            known = ", ".join(plan.name for plan in self.plans) or "none"
            raise StalledError(
                f'{self.stack} has no backup "{name}"; its stack.yaml declares: {known}', reason="NoBackup"
            )
        return found


@dataclass(frozen=True, slots=True)
class Look:
    """``due``: stacks with something to back up; ``wait_s``: until there may be the next."""

    due: frozenset[str]
    wait_s: float


@dataclass(frozen=True, slots=True)
class Kit:
    """``folder_of``: where a stack's backups lie; ``data_of``: its host data, which relative paths begin at."""

    root_id: str
    engine: DockerEngine
    containers: Containers
    maker: Maker
    restorer: Restorer
    journal: Journal
    book: BackupBook
    clock: Clock
    folder_of: Callable[[str], Path]
    data_of: Callable[[str], Path]
    engines: Callable[[str], Engine] = scripts_of


class Keeper:
    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._complained: dict[str, tuple[str, ...]] = {}

    def begin(self) -> None:
        """At the start, by the holder of the root's lock: what a process that was killed left running goes."""
        self._kit.containers.sweep()

    def wanted(self, stack: str, plans: Iterable[BackupPlan], variables: Mapping[str, str]) -> Wanted:
        found = [with_variables(plan, variables, str(self._kit.data_of(stack))) for plan in plans]
        problems = tuple(dict.fromkeys(problem for _, wrong in found for problem in wrong))
        return Wanted(stack, tuple(plan for plan, _ in found), problems)

    def look(self, stacks: Iterable[Wanted]) -> Look:
        now = self._kit.clock.now()
        due, waits = set(), [float("inf")]
        for wanted in stacks:
            self._complain(wanted)
            for plan, _ in self._due(wanted, now):
                due.add(wanted.stack)
                waits.append(0.0)
                log.debug("backup_due", stack=wanted.stack, backup=plan.name)
            for plan in wanted.plans:
                waits.append(next_slot(plan.schedule, self._offset(wanted.stack, plan), now) - now)
        return Look(frozenset(due), max(0.0, min(waits)))

    def run_due(self, wanted: Wanted) -> None:
        """Every backup of the stack that is due now. Raises WaitingError(reason="Interrupted")."""
        for plan, slot in tuple(self._due(wanted, self._kit.clock.now())):
            self._run(wanted.stack, plan, slot, by_hand=False)

    def perform(self, wanted: Wanted, order: Order, who: str) -> str:
        """What somebody asks for; what went wrong, "" if nothing did. Raises WaitingError(reason="Interrupted")."""
        try:
            match order.do:
                case Do.RUN:
                    made = self.run(wanted, (order.name,) if order.name else (), who)
                    return "\n".join(
                        f"{found.finding.level.name}: {found.finding.problem}" for found in made if found.finding
                    )
                case Do.VERIFY:
                    return self.verify(wanted, order.name)
                case Do.PRUNE:
                    self.prune(wanted)
                    return ""
                case Do.RESTORE:
                    self.restore(wanted, order, who)
                    return ""
                case _:
                    assert_never(order.do)
        except ReconcilerError as error:
            if error.reason == "Interrupted":
                raise
            return str(error)

    def run(self, wanted: Wanted, names: Iterable[str], who: str) -> tuple[Made, ...]:
        """Now, because somebody asks for it; all of them if none is named. Raises StalledError, WaitingError."""
        plans = [wanted.plan(name) for name in names] or list(wanted.plans)
        if not plans:
            raise StalledError(f"{wanted.stack} declares no backups: in its stack.yaml", reason="NoBackup")
        return tuple(self._run(wanted.stack, plan, None, by_hand=True, who=who) for plan in plans)

    def verify(self, wanted: Wanted, name: str) -> str:
        """Prove one that is there anew; what is wrong with it, "" if nothing is. Raises StalledError, WaitingError."""
        backup, store = self.find(wanted, name)
        target = self._target_or_none(wanted.stack, backup.service)
        image = backup.image if self._kit.engine.image(backup.image) else (target.image if target else backup.image)
        self._kit.containers.sweep(wanted.stack)
        # What it was refused for when it was made (it had shrunk) is no longer asked: whoever verifies it looks at it.
        proven = self._kit.maker.prove(replace(backup, problems=()), store, self._kit.engines(backup.engine), image)
        self._note_verified(wanted, backup.plan, store)
        self._tell(wanted.stack, "info" if proven.sound else "error", "BackupVerified" if proven.sound else "BackupBad",
                   f"{name}: {proven.why_not or f'reaches {proven.level.name}'}")  # fmt: skip
        return proven.why_not

    def prune(self, wanted: Wanted) -> tuple[str, ...]:
        """Let go of what need not be kept; the names. Raises WaitingError."""
        gone: list[str] = []
        for plan in wanted.plans:
            gone += prune(plan, wanted.stack, self.store(wanted.stack, plan), self._pinned(wanted.stack, plan))
        return tuple(gone)

    def restore(self, wanted: Wanted, order: Order, who: str) -> Restored:
        """Raises StalledError, WaitingError; then the live database is what it was, and why is an event."""
        try:
            restored = self._restore(wanted, order, who)
        except ReconcilerError as error:
            self._tell(wanted.stack, "error", "RestoreFailed", f"{order.name}: {error} (asked for by {who})")
            raise
        where = f"the database {restored.database}" + (f"; the one before is {restored.old}" if restored.old else "")
        self._tell(wanted.stack, "info", "Restored", f"{order.name} is {where} (asked for by {who})")
        return restored

    def _restore(self, wanted: Wanted, order: Order, who: str) -> Restored:
        kit, stack = self._kit, wanted.stack
        backup, store = self.find(wanted, order.name)
        plan, target = wanted.plan(backup.plan), self.target(stack, backup.service)
        scripts, container = kit.engines(backup.engine), target.container
        kit.restorer.check(backup, store)
        if order.into:
            return kit.restorer.beside(order.into, backup, store, scripts, container)
        if kit.restorer.is_there(backup.database, backup, scripts, container):
            self._save_from_loss(stack, replace(plan, database=backup.database), who)
        return kit.restorer.in_place(backup, store, scripts, container, drop_old=order.drop_old)

    def _save_from_loss(self, stack: str, plan: BackupPlan, who: str) -> None:
        """A backup of the live database as it is, however little is left of it. Nothing old goes: what is restored must
        stay. Raises WaitingError."""
        plan = replace(plan, max_shrink_percent=100)
        made = self._run(stack, plan, None, by_hand=True, who=f"{who}, before a restore", prunes=False)
        if made.finding:
            raise WaitingError(
                f"nothing was restored, because the live database could not be backed up first: {made.finding.problem}",
                reason="NoSafetyBackup",
            )

    def store(self, stack: str, plan: BackupPlan) -> Store:
        return Store(Path(plan.folder) if plan.folder else self._kit.folder_of(stack))

    def find(self, wanted: Wanted, name: str) -> tuple[Backup, Store]:
        """``name``: of one, or latest: the newest sound one. Raises StalledError."""
        stores = [self.store(wanted.stack, plan) for plan in wanted.plans]
        found = named(across([*stores, Store(self._kit.folder_of(wanted.stack))], wanted.stack), name)
        if found is None:
            raise StalledError(
                f'{wanted.stack} has no backup "{name}"; see: reconciler backup list {wanted.stack}', reason="NoBackup"
            )
        return found

    def target(self, stack: str, service: str) -> Target:
        """Raises WaitingError where the service does not run."""
        found = self._target_or_none(stack, service)
        if found is None:
            raise WaitingError(f"the service {service} does not run, so nothing can be dumped", reason="NotRunning")
        return found

    def _due(self, wanted: Wanted, now: float) -> Iterator[tuple[BackupPlan, float]]:
        record = self._kit.journal.stack(wanted.stack)
        if record is None or record.applied_release is None:
            return
        records = {found.plan: found for found in self._kit.book.backups(wanted.stack)}
        for plan in wanted.plans:
            last = self._last_slot(wanted.stack, plan, records.get(plan.name))
            slot = due_slot(plan.schedule, self._offset(wanted.stack, plan), last, now)
            if slot is not None:
                yield plan, slot

    def _last_slot(self, stack: str, plan: BackupPlan, record: BackupRecord | None) -> float | None:
        """None makes it due now. Where state.db was lost, the newest backup says when it was last time."""
        if record is not None:
            return record.slot if record.ended_at is not None else None
        return max((found.created_at for found in self.store(stack, plan).all(stack, plan.name)), default=None)

    def _run(
        self, stack: str, plan: BackupPlan, slot: float | None, *, by_hand: bool, who: str = "", prunes: bool = True
    ) -> Made:
        book, now = self._kit.book, self._kit.clock.now()
        before = next((found for found in book.backups(stack) if found.plan == plan.name), None)
        store = self.store(stack, plan)
        if slot is None:
            slot = before.slot if before else float("-inf")
        began = BackupRecord(stack, plan.name, slot, now, None, folder=str(store.folder))
        if before is not None:
            began = replace(began, failed=before.failed, level=before.level)
        if not by_hand:
            book.save_backup(self._with_verified(began, plan, store))
        log.info("backup_begins", stack=stack, backup=plan.name)
        made = self._make(stack, plan, store, by_hand, prunes)
        failed = f"{made.finding.level.name}: {made.finding.problem}" if made.finding else ""
        level = made.backup.level if made.backup else Level.NONE
        ended = replace(began, ended_at=self._kit.clock.now(), failed=failed, level=level)
        if slot == float("-inf"):
            ended = replace(ended, slot=now)
        book.save_backup(self._with_verified(ended, plan, store))
        self._tell_of(stack, plan, made, failed, before, who)
        return made

    def _make(self, stack: str, plan: BackupPlan, store: Store, by_hand: bool, prunes: bool) -> Made:
        kit = self._kit
        try:
            kit.containers.sweep(stack)
            return kit.maker.make(
                plan,
                lambda: self.target(stack, plan.service),
                store,
                kit.engines(plan.engine),
                stack=stack,
                pinned=self._pinned(stack, plan),
                by_hand=by_hand,
                prunes=prunes,
            )
        except ReconcilerError as error:
            if error.reason == "Interrupted":
                raise
            return Made(None, Finding(Level.L0, str(error)))
        except Exception as error:
            # Whatever it was, the slot is over: a mistake of ours must not dump a database again and again.
            log.exception("backup_crashed", stack=stack, backup=plan.name)
            return Made(None, Finding(Level.L0, f"a mistake in reconciler: {error!r}"))

    def _tell_of(
        self, stack: str, plan: BackupPlan, made: Made, failed: str, before: BackupRecord | None, who: str
    ) -> None:
        """A success is told when it is news: asked for, the first, or after a failure. The list shows all."""
        by = f" (asked for by {who})" if who else ""
        if failed:
            kept = f"; kept as {made.backup.name} to look into" if made.backup else ""
            log.error("backup_failed", stack=stack, backup=plan.name, error=failed)
            self._tell(stack, "error", "BackupFailed", f"{plan.name}: {failed}{kept}{by}")
            return
        assert made.backup is not None
        log.info(
            "backup_made", stack=stack, backup=made.backup.name, level=made.backup.level.name, size=made.backup.size
        )
        if who or before is None or before.failed:
            told = f"{plan.name}: {made.backup.name} reaches {made.backup.level.name}, {made.backup.size} bytes{by}"
            self._tell(stack, "info", "BackupMade", told)

    def _with_verified(self, record: BackupRecord, plan: BackupPlan, store: Store) -> BackupRecord:
        newest = next((found for found in store.all(record.stack, plan.name) if found.verified), None)
        if newest is None:
            return replace(record, verified_at=None, verified="")
        return replace(record, verified_at=newest.created_at, verified=newest.name)

    def _note_verified(self, wanted: Wanted, name: str, store: Store) -> None:
        record = next((found for found in self._kit.book.backups(wanted.stack) if found.plan == name), None)
        plan = next((found for found in wanted.plans if found.name == name), None)
        if record is not None and plan is not None:
            self._kit.book.save_backup(self._with_verified(record, plan, store))

    def _pinned(self, stack: str, plan: BackupPlan) -> frozenset[int]:
        if plan.at_most:
            return frozenset()
        applied = [found.number for found in self._kit.journal.releases(stack) if found.outcome is Outcome.APPLIED]
        return frozenset(applied[-KEPT_RELEASES:])

    def _target_or_none(self, stack: str, service: str) -> Target | None:
        record = self._kit.journal.stack(stack)
        number = record.applied_release if record else None
        release = next((found for found in self._kit.journal.releases(stack) if found.number == number), None)
        for container in self._kit.engine.containers():
            is_it = container.stack == stack and container.service == service and container.owned
            if is_it and container.state is State.RUNNING and not container.oneoff:
                return Target(
                    stack=stack,
                    container=container.id,
                    image=container.image_id,
                    release=number,
                    revision=release.revision if release else "",
                    images=release.images if release else {},
                )
        return None

    def _offset(self, stack: str, plan: BackupPlan) -> float:
        return offset_of(plan.schedule, self._kit.root_id, stack, plan.name)

    def _complain(self, wanted: Wanted) -> None:
        """Once, of variables that say nothing that can be done."""
        if self._complained.get(wanted.stack, ()) != wanted.problems:
            self._complained[wanted.stack] = wanted.problems
            for problem in wanted.problems:
                self._tell(wanted.stack, "error", "InvalidVariable", f"{problem}; what stack.yaml says counts instead")

    def _tell(self, stack: str, severity: str, reason: str, message: str) -> None:
        record = self._kit.journal.stack(stack)
        revision = record.applied_revision if record else ""
        self._kit.journal.tell(stack, severity, reason, message, revision, self._kit.clock.now())
