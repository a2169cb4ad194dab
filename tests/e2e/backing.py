"""What a container holds is backed up and restored, without a stack around it: the real parts below the keeper."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from reconciler.adapters.clock import SystemClock
from reconciler.backup.containers import Containers
from reconciler.backup.engines import Engine, scripts_of
from reconciler.backup.entry import Backup
from reconciler.backup.making import Made, Maker, Target
from reconciler.backup.proving import Prover
from reconciler.backup.restoring import Restored, Restorer
from reconciler.backup.sealing import Sealing
from reconciler.backup.standstill import Standstill
from reconciler.backup.store import Store
from reconciler.model.backup import BackupPlan
from reconciler.model.observed import Container, State


@dataclass
class Users:
    """The containers of a stack, as the engine has them: what is done to them is written down."""

    ids: tuple[str, ...] = ("web-id", "api-id", "other-id")
    done: list[str] = field(default_factory=list)

    def containers(self, stack: str | None = None) -> tuple[Container, ...]:
        return tuple(self.inspect(found) for found in self.ids)

    def inspect(self, container_id: str) -> Container:
        name = container_id.removesuffix("-id")
        return Container(container_id, container_id, "shop", name, 1, "", "image", State.RUNNING)

    def stop(self, container_id: str, grace_s: float | None) -> None:
        self.done.append(f"stop {container_id}")

    def start(self, container_id: str) -> None:
        self.done.append(f"start {container_id}")


class Backing:
    """``container``: of docker. ``database``: what of it is backed up, by ``engine``."""

    def __init__(self, container: Any, engine: str, database: str, folder: Path, **plan: Any) -> None:
        self.container = container
        self.plan = BackupPlan("db", engine, "db", database, **plan)
        self.store = Store(folder)
        self.users = Users(("web-id", "api-id", "other-id", container.id))
        self._containers = Containers(f"test-{container.short_id}")
        self.identity = folder / "age-identity.txt"
        self._sealing = Sealing(self.identity)
        self._standstill = Standstill(cast(Any, self.users), lambda *_: ("web", "api"))

    def made(self) -> Made:
        prover = Prover(self._containers, SystemClock(), lambda: "", self._sealing)
        return Maker(self._containers, prover, SystemClock(), self._standstill, self._sealing).make(
            self.plan,
            lambda: Target("shop", self.container.id, self.container.image.id),
            self.store,
            scripts_of(self.plan.engine),
            stack="shop",
            pinned=frozenset(),
            by_hand=False,
        )

    def proven(self, backup: Backup) -> Backup:
        prover = Prover(self._containers, SystemClock(), lambda: "", self._sealing)
        return prover.prove(backup, self.store, scripts_of(self.plan.engine), self.container.image.id, self.plan.memory)

    def good(self) -> Backup:
        made = self.made()
        assert made.backup is not None, made
        assert made.backup.sound, made
        return made.backup

    def restored(self, backup: Backup, engine: Engine | None = None, *, drop_old: bool = False) -> Restored:
        restorer = Restorer(self._containers, self._standstill, SystemClock(), lambda: "", self._sealing)
        engine = engine or scripts_of(self.plan.engine)
        restorer.check(backup, self.store)
        return restorer.in_place(backup, self.store, engine, self.container.id, drop_old=drop_old)
