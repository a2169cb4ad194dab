"""Makes one backup of one plan: checks the room, dumps, proves, and lets go of what need not be kept. Keeps no schedule.

Whatever goes wrong, the backups that were there and the database itself stay as they are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace

import structlog

from reconciler.backup import ladder, retention
from reconciler.backup.containers import Containers
from reconciler.backup.engines import Engine
from reconciler.backup.entry import Backup, Finding
from reconciler.backup.proving import Prover
from reconciler.backup.sealing import Sealing
from reconciler.backup.standstill import Standstill
from reconciler.backup.store import Store, name_of
from reconciler.backup.words import Said, said
from reconciler.model.backup import BackupPlan, Level
from reconciler.model.errors import ReconcilerError
from reconciler.ports.clock import Clock

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Target:
    """What is backed up: the running container of the plan's service, and the release that it belongs to."""

    stack: str
    container: str
    image: str
    release: int | None = None
    revision: str = ""
    images: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Made:
    """``backup``: None where nothing could be kept. ``finding``: what went wrong, None if all is as was asked for."""

    backup: Backup | None
    finding: Finding | None


class _Refused(Exception):
    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.problem)
        self.finding = finding


@dataclass(frozen=True, slots=True)
class Maker:
    containers: Containers
    prover: Prover
    clock: Clock
    standstill: Standstill
    sealing: Sealing

    def make(
        self,
        plan: BackupPlan,
        find: Callable[[], Target],
        store: Store,
        engine: Engine,
        *,
        stack: str,
        pinned: frozenset[int],
        by_hand: bool,
        prunes: bool = True,
    ) -> Made:
        """``find``: what is dumped, or why it cannot be. ``prunes``: whether old ones go afterwards. Raises ReconcilerError(reason="Interrupted") where the process is
        to leave, and nothing else."""
        store.sweep(stack, frozenset({plan.name}))
        try:
            target = find()
            backup = self._dump(plan, target, store, engine, by_hand)
        except _Refused as refused:
            return Made(None, refused.finding)
        except ReconcilerError as error:
            if error.reason == "Interrupted":
                raise
            return Made(None, Finding(Level.L0, str(error)))
        if not backup.problems:
            backup = self.prove(backup, store, engine, target.image, plan.memory)
        if prunes:
            _let_go(plan, stack, store, pinned)
        return Made(backup, backup.problems[0] if backup.problems else None)

    def prove(self, backup: Backup, store: Store, engine: Engine, image: str, memory: str) -> Backup:
        """As it is then, and written down so."""
        try:
            proven = self.prover.prove(backup, store, engine, image, memory)
        except ReconcilerError as error:
            if error.reason == "Interrupted":
                raise
            finding = Finding(Level(min(backup.level + 1, Level.L3)), f"it could not be proven: {error}")
            proven = replace(backup, problems=(finding,))
        store.describe(proven)
        return proven

    def _dump(self, plan: BackupPlan, target: Target, store: Store, engine: Engine, by_hand: bool) -> Backup:
        """Published, and at L0 where nothing is wrong with it."""
        before = next((found for found in store.all(target.stack, plan.name) if found.sound), None)
        store.check_room(before.size if before else 0)
        now, began = self.clock.now(), time.monotonic()
        name = name_of(plan.name, target.stack, now)
        plain = 0

        def take(piece: memoryview | bytes) -> None:
            nonlocal plain
            plain += len(piece)
            into(piece)

        with store.writing(name) as writing:
            with self._at_rest(plan, target, engine), self.sealing.sealed(plan.recipients, writing.take) as into:
                ended = self.containers.run(target.container, engine.script("dump", _variables(plan)), sink=take)
            told = _understood(ended.err)
            status = ended.status or told.status
            last_size = before.size if before else None
            size = writing.size if plain else 0  # also nothing at all is some bytes, once it is encrypted
            finding = ladder.made(status, told.complaint, size, last_size, plan.max_shrink_percent)
            if finding and (status or not size):
                raise _Refused(finding)
        backup = Backup(
            name=name,
            stack=target.stack,
            plan=plan.name,
            engine=plan.engine,
            service=plan.service,
            database=plan.database,
            user=plan.user,
            created_at=now,
            wanted=plan.verify.level,
            release=target.release,
            revision=target.revision,
            image=target.image,
            images=dict(target.images),
            server=told.server,
            size=writing.size,
            sha256=writing.sha256,
            level=Level.NONE if finding else Level.L0,
            counts=told.counts,
            digests=told.digests,
            database_size=told.size,
            recipients=plan.recipients,
            settings=told.settings,
            durations_s={"dump": round(time.monotonic() - began, 3)},
            problems=(finding,) if finding else (),
            complaint=told.complaint,
            by_hand=by_hand,
        )
        store.publish(backup)
        return backup

    def _at_rest(self, plan: BackupPlan, target: Target, engine: Engine) -> AbstractContextManager[None]:
        """What files there are to read must outlive the container, and nobody may write to them where that is asked for."""
        if not engine.has_server:
            self.containers.sharing(target.container, plan.database)
        return self.standstill.stopped(target.container) if plan.stop else nullcontext()


def _variables(plan: BackupPlan) -> dict[str, str]:
    told = {"BACKUP_DATABASE": plan.database, "BACKUP_LIVE": plan.database}
    return told | ({"BACKUP_USER": plan.user} if plan.user else {})


def _let_go(plan: BackupPlan, stack: str, store: Store, pinned: frozenset[int]) -> None:
    """That old ones could not be removed makes the new one no worse."""
    try:
        prune(plan, stack, store, pinned)
    except ReconcilerError as error:
        log.warning("backups_not_removed", stack=stack, backup=plan.name, error=str(error))


def prune(plan: BackupPlan, stack: str, store: Store, pinned: frozenset[int]) -> tuple[str, ...]:
    """The names of those that were let go. Raises WaitingError."""
    here = store.all(stack, plan.name)
    gone = {found.name: None for found in retention.may_go(here, plan.keep, plan.min_verified, pinned)}
    gone |= {found.name: None for found in retention.failed_that_may_go(here)}
    for name in gone:
        store.remove(name)
    return tuple(gone)


def _understood(text: str) -> Said:
    try:
        return said(text)
    except ValueError as error:
        raise _Refused(Finding(Level.L0, f"the dump script told something that is no fact: {error}")) from error
