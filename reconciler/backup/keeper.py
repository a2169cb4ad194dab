"""Keeps the backups of all stacks: which are due, and what people ask for. One run at a time for each stack: whoever calls
sees to it that the stack is passed over by nobody meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import assert_never

import structlog

from reconciler.backup.choosing import newest_sound
from reconciler.backup.entry import Backup
from reconciler.backup.gate import Gate
from reconciler.backup.kit import Kit, Wanted
from reconciler.backup.loss import Loss, loss_of
from reconciler.backup.making import Made, Target, prune
from reconciler.backup.orders import Do, Order
from reconciler.backup.restores import Restores
from reconciler.backup.running import Errand, Runs
from reconciler.backup.store import Store
from reconciler.model.backup import VERIFY_MEMORY, BackupPlan, BackupRecord
from reconciler.model.data import AroundData, no_hooks
from reconciler.model.errors import ReconcilerError, StalledError
from reconciler.model.hook import BackupGate
from reconciler.model.hook_call import HookCall, HookEnd
from reconciler.planning.schedule import due_slot, next_slot, offset_of

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Look:
    """``due``: stacks with something to back up; ``wait_s``: until there may be the next."""

    due: frozenset[str]
    wait_s: float


class Keeper:
    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._runs = Runs(kit)
        self.restores = Restores(kit, self._runs)
        self.wanted = kit.wanted
        self._gate = Gate(kit, self._runs)
        self._complained: dict[str, tuple[str, ...]] = {}

    def begin(self) -> None:
        """At the start, by the holder of the root's lock: what a process that was killed left running goes."""
        self._kit.containers.sweep()

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
            self._runs.run(wanted, plan, Errand(slot))

    def pass_gate(self, gate: BackupGate, call: HookCall, hooks: AroundData = no_hooks) -> HookEnd:
        """A hook of the kind backup: see ``Gate``."""
        wanted = self.wanted(call.attempt.stack, call.manifest.backups, call.variables, hooks)
        return self._gate.let_pass(wanted, gate, call)

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
                    self.restores.by_hand(wanted, order, who)
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
        return tuple(self._runs.run(wanted, plan, Errand(why=f"asked for by {who}")) for plan in plans)

    def of_another(self, wanted: Wanted, plan: BackupPlan, target: Target) -> Made | None:
        """Of a container that is not the stack's: one that it is to take the place of. None where what it holds is files, which
        are at rest only when it stands. It lies in the root's own folder whatever the plan says, and no schedule removes it."""
        kit, engine = self._kit, self._kit.engines(plan.engine)
        if not engine.has_server:
            return None
        return kit.maker(kit.stop).make(
            plan,
            lambda: target,
            Store(kit.folder_of(wanted.stack)),
            engine,
            stack=wanted.stack,
            pinned=frozenset(),
            by_hand=True,
            prunes=False,
        )

    def verify(self, wanted: Wanted, name: str) -> str:
        """Prove one that is there anew; what is wrong with it, "" if nothing is. Raises StalledError, WaitingError."""
        kit = self._kit
        backup, store = kit.find(wanted, name)
        target = kit.target_or_none(wanted.stack, backup.service)
        image = backup.image if kit.engine.image(backup.image) else (target.image if target else backup.image)
        kit.containers.sweep(wanted.stack)
        # What it was refused for when it was made (it had shrunk) is no longer asked: whoever verifies it looks at it.
        unjudged, scripts = replace(backup, problems=()), kit.engines(backup.engine)
        memory = next((plan.memory for plan in wanted.plans if plan.name == backup.plan), VERIFY_MEMORY)
        proven = kit.maker(kit.stop).prove(unjudged, store, scripts, image, memory)
        self._note_verified(wanted, backup.plan, store)
        kit.tell(wanted.stack, "info" if proven.sound else "error", "BackupVerified" if proven.sound else "BackupBad",
                 f"{name}: {proven.why_not or f'reaches {proven.level.name}'}")  # fmt: skip
        return proven.why_not

    def prune(self, wanted: Wanted) -> tuple[str, ...]:
        """Let go of what need not be kept; the names. Raises WaitingError."""
        gone: list[str] = []
        for plan in wanted.plans:
            store, pinned = self._kit.store(wanted.stack, plan), self._runs.pinned(wanted.stack, plan)
            gone += prune(plan, wanted.stack, store, pinned)
        return tuple(gone)

    def newest_sound(self, wanted: Wanted) -> tuple[Backup, ...]:
        """Of each plan that is wanted the newest sound one, by plan."""
        plans = {plan.name for plan in wanted.plans}
        return newest_sound(backup for backup, _ in self._kit.all(wanted) if backup.plan in plans)

    def losses(self, wanted: Wanted, backups: Iterable[Backup]) -> tuple[tuple[Backup, Loss], ...]:
        """What going back to each would lose, counted in the live databases. Raises StalledError, WaitingError."""
        now = self._kit.clock.now()
        return tuple((backup, loss_of(backup, self.restores.counted(wanted, backup), now)) for backup in backups)

    def _due(self, wanted: Wanted, now: float) -> Iterator[tuple[BackupPlan, float]]:
        record = self._kit.journal.stack(wanted.stack)
        if record is None or record.applied_release is None or self._data_are_owed(wanted.stack):
            return
        records = {found.plan: found for found in self._kit.book.backups(wanted.stack)}
        for plan in wanted.plans:
            last = self._last_slot(wanted.stack, plan, records.get(plan.name))
            slot = due_slot(plan.schedule, self._offset(wanted.stack, plan), last, now)
            if slot is not None:
                yield plan, slot

    def _data_are_owed(self, stack: str) -> bool:
        """A release changed them and is not proven, or is being undone: a backup of them would be one of something half."""
        change = self._kit.journal.data.data_change(stack)
        return change is not None and bool(change.back)

    def _last_slot(self, stack: str, plan: BackupPlan, record: BackupRecord | None) -> float | None:
        """None makes it due now. Where state.db was lost, the newest backup says when it was last time."""
        if record is not None:
            return record.slot if record.ended_at is not None else None
        store = self._kit.store(stack, plan)
        return max((found.created_at for found in store.all(stack, plan.name)), default=None)

    def _note_verified(self, wanted: Wanted, name: str, store: Store) -> None:
        record = next((found for found in self._kit.book.backups(wanted.stack) if found.plan == name), None)
        plan = next((found for found in wanted.plans if found.name == name), None)
        if record is not None and plan is not None:
            newest = next(iter(store.all(wanted.stack, name)), None)
            # What that run was said to have failed for was looked at by somebody, who accepted it.
            if newest is not None and newest.sound and newest.created_at >= record.began_at:
                record = replace(record, failed="", level=newest.level)
            self._kit.book.save_backup(self._runs.with_verified(record, plan, store))

    def _offset(self, stack: str, plan: BackupPlan) -> float:
        return offset_of(plan.schedule, self._kit.root_id, stack, plan.name)

    def _complain(self, wanted: Wanted) -> None:
        """Once, of variables that say nothing that can be done."""
        if self._complained.get(wanted.stack, ()) != wanted.problems:
            self._complained[wanted.stack] = wanted.problems
            for problem in wanted.problems:
                why = f"{problem}; what stack.yaml says counts instead"
                self._kit.tell(wanted.stack, "error", "InvalidVariable", why)
