"""A keeper of backups on a real journal, with backups that take no time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from reconciler.adapters.journal import SqliteJournal
from reconciler.backup.entry import Backup
from reconciler.backup.keeper import Keeper
from reconciler.backup.kit import Kit, Wanted
from reconciler.backup.making import Made
from reconciler.backup.restoring import Restored
from reconciler.backup.store import Store, name_of
from reconciler.model.backup import BackupPlan, Level
from reconciler.model.observed import Container, State
from reconciler.model.record import StackRecord
from reconciler.model.schedule import Schedule
from tests.fakes.clock import FakeClock

DAY = 86400.0
NOON = 20_000 * DAY + DAY / 2
PLAN = BackupPlan("db", "postgres", "db", "shop", schedule=Schedule(every_s=DAY))


@dataclass
class Running:
    """The engine, as far as backups ask for it: the services that run."""

    services: set[str] = field(default_factory=lambda: {"db"})

    def containers(self, stack: str | None = None) -> tuple[Container, ...]:
        return tuple(
            Container(f"{name}-id", f"shop-{name}-1", "shop", name, 1, "", "image", State.RUNNING)
            for name in sorted(self.services)
        )

    def image(self, reference: str) -> None:
        """None that a backup was made of: the one that runs is taken."""


class NoContainers:
    def sweep(self, stack: str | None = None) -> None: ...


@dataclass
class FakeMaker:
    """Makes a sound backup at once, or does as ``instead`` says."""

    clock: FakeClock
    made: list[str] = field(default_factory=list)
    instead: Callable[[], Made] | None = None
    level: Level = Level.L3
    stop: Callable[[], str] = lambda: ""

    def until(self, stop: Callable[[], str]) -> Any:
        self.stop = stop
        return self

    def prove(self, backup: Backup, store: Store, *_: object) -> Backup:
        proven = replace(backup, level=self.level, verified_at=self.clock.now())
        store.describe(proven)
        return proven

    def make(self, plan: BackupPlan, find: object, store: Store, engine: object, **_: Any) -> Made:
        self.made.append(plan.name)
        if self.instead is not None:
            return self.instead()
        now = self.clock.now()
        backup = Backup(
            name=name_of(plan.name, "shop", now),
            stack="shop",
            plan=plan.name,
            engine=plan.engine,
            service=plan.service,
            database=plan.database,
            user="",
            created_at=now,
            wanted=plan.verify.level,
            level=self.level,
            verified_at=now,
        )
        with store.writing(backup.name) as writing:
            writing.take(b"dump")
        store.publish(backup)
        return Made(backup, None)


@dataclass
class FakeRestorer:
    """Restores at once; ``done``: the names of what."""

    done: list[str] = field(default_factory=list)

    def check(self, backup: Backup, store: Store) -> None: ...

    def is_there(self, database: str, *_: object) -> bool:
        return True

    def in_place(
        self, backup: Backup, *_: object, swapped: Callable[[], None] = lambda: None, **__: object
    ) -> Restored:
        self.done.append(backup.name)
        swapped()
        return Restored(backup.database, f"{backup.database}_before")


@dataclass
class Desk:
    keeper: Keeper
    maker: FakeMaker
    clock: FakeClock
    journal: SqliteJournal
    engine: Running
    restorer: FakeRestorer
    folder: Path
    wanted: Wanted = field(default_factory=lambda: Wanted("shop", (PLAN,)))

    def is_due(self) -> bool:
        return "shop" in self.keeper.look([self.wanted]).due

    def backups(self) -> tuple[Backup, ...]:
        return Store(self.folder).all("shop")

    def reasons(self) -> list[str]:
        return [event.reason for event in self.journal.events(stack="shop")]


@contextmanager
def make_desk(tmp_path: Path) -> Iterator[Desk]:
    clock = FakeClock(NOON)
    (tmp_path / "state").mkdir()
    with SqliteJournal(tmp_path / "state" / "state.db", synchronous="OFF") as journal:
        journal.save_stack(StackRecord("shop", applied_release=1))
        maker, engine, restorer = FakeMaker(clock), Running(), FakeRestorer()
        kit = Kit(
            root_id="root",
            engine=cast(Any, engine),
            containers=cast(Any, NoContainers()),
            maker=maker.until,
            restorer=cast(Any, restorer),
            journal=journal,
            book=journal.backups,
            clock=clock,
            stop=lambda: "",
            folder_of=lambda stack: tmp_path / "backups" / stack,
            data_of=lambda stack: tmp_path / "data" / stack,
        )
        yield Desk(Keeper(kit), maker, clock, journal, engine, restorer, tmp_path / "backups" / "shop")
