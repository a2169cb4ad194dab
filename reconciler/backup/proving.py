"""Climbs the ladder with a backup that lies on the disk. Never touches the database that it was made of."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from reconciler.backup import ladder
from reconciler.backup.containers import Containers
from reconciler.backup.engines import Engine
from reconciler.backup.entry import Backup, Finding
from reconciler.backup.sealing import Sealing
from reconciler.backup.store import Store
from reconciler.backup.words import said
from reconciler.model.backup import Level
from reconciler.ports.clock import Clock

_DATABASE = "reconciler_verify"


@dataclass(frozen=True, slots=True)
class Climb:
    """How far one got: ``level`` was reached, ``finding`` says why not the next."""

    level: Level
    finding: Finding | None
    durations_s: dict[str, float]


@dataclass(frozen=True, slots=True)
class Prover:
    containers: Containers
    clock: Clock
    stop: Callable[[], str]
    sealing: Sealing

    def prove(self, backup: Backup, store: Store, engine: Engine, image: str, memory: str) -> Backup:
        """``backup`` with the level it reaches and what is in the way of the next one. ``memory``: what a throwaway server
        may use, in words. Raises WaitingError where the process is to leave, or no throwaway container can be made: that
        says nothing about the backup."""
        climb = self._climb(backup, store, engine, image, memory)
        is_good = climb.finding is None and climb.level >= max(backup.wanted, Level.L1)
        return replace(
            backup,
            level=climb.level,
            problems=(climb.finding,) if climb.finding else (),
            verified_at=self.clock.now() if is_good else None,
            durations_s={**backup.durations_s, **climb.durations_s},
        )

    def _climb(self, backup: Backup, store: Store, engine: Engine, image: str, memory: str) -> Climb:
        took: dict[str, float] = {}
        if backup.wanted < Level.L1:
            return Climb(Level.L0, None, took)
        with _timed(took, "read"):
            finding = self._read(backup, store)
        if finding:
            return Climb(Level.L0, finding, took)
        if not self.sealing.can_open(backup):
            # Its checksum is all that can be read here.
            finding = Finding(Level.L2, self.sealing.why_not(backup)) if backup.wanted > Level.L1 else None
            return Climb(Level.L1, finding, took)
        server = engine.server({"BACKUP_USER": backup.user} if backup.user else {})
        with self.containers.throwaway(image, backup.stack, server, memory) as container:
            with _timed(took, "check"):
                finding = self._check(backup, store, engine, container)
            if finding or backup.wanted < Level.L2:
                return Climb(Level.L0 if finding else Level.L1, finding, took)
            with _timed(took, "restore"):
                finding = self._restore(backup, store, engine, container, memory)
            if finding:
                return Climb(Level.L1, finding, took)
            with _timed(took, "count"):
                finding = self._count(backup, engine, container)
            return Climb(Level.L2 if finding else Level.L3, finding, took)

    def _read(self, backup: Backup, store: Store) -> Finding | None:
        try:
            digest, size = store.digest(backup.name, self.stop)
        except OSError as error:
            return Finding(Level.L1, f"the file cannot be read: {error.strerror}")
        return ladder.read(digest, size, backup.sha256, backup.size, 0, "")

    def _check(self, backup: Backup, store: Store, engine: Engine, container: str) -> Finding | None:
        script = engine.thrown_away("check", {})
        with self.sealing.opened(store, backup) as file:
            ended = self.containers.run(container, script, source=file)
        return ladder.read(
            backup.sha256, backup.size, backup.sha256, backup.size, ended.status, said(ended.err).complaint
        )

    def _restore(self, backup: Backup, store: Store, engine: Engine, container: str, memory: str) -> Finding | None:
        script = engine.thrown_away("restore", restore_variables(backup, _DATABASE, owners=False))
        with self.sealing.opened(store, backup) as file:
            ended = self.containers.run(container, script, source=file)
        killed = bool(ended.status) and self.containers.was_out_of_memory(container)
        return ladder.restored(ended.status, said(ended.err).complaint, killed, memory)

    def _count(self, backup: Backup, engine: Engine, container: str) -> Finding | None:
        ended = self.containers.run(container, engine.thrown_away("count", variables(backup, _DATABASE)))
        if ended.status:
            return Finding(Level.L3, f"its rows cannot be counted: {said(ended.err).complaint}")
        found = said(ended.out)
        return ladder.counted(backup.counts, found.counts) or ladder.compared(backup.digests, found.digests)


def variables(backup: Backup, database: str) -> dict[str, str]:
    """What every script is told that is to do something with ``database``."""
    told = {"BACKUP_DATABASE": database, "BACKUP_LIVE": backup.database}
    return told | ({"BACKUP_USER": backup.user} if backup.user else {})


def restore_variables(backup: Backup, database: str, *, owners: bool) -> dict[str, str]:
    told = {f"BACKUP_{name}": value for name, value in backup.settings.items()}
    return {**told, **variables(backup, database), "BACKUP_OWNERS": "yes" if owners else "no"}


class _timed:
    """Notes in ``took`` how long the block was at work."""

    def __init__(self, took: dict[str, float], step: str) -> None:
        self._took, self._step = took, step

    def __enter__(self) -> None:
        self._began = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self._took[self._step] = round(time.monotonic() - self._began, 3)
