"""What keeping backups is made of: the ports, what a stack wants backed up, and where its backups and databases are found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from reconciler.backup.containers import Containers
from reconciler.backup.engines import Engine, scripts_of
from reconciler.backup.entry import Backup
from reconciler.backup.making import Maker, Target
from reconciler.backup.restoring import Restorer
from reconciler.backup.store import Store, across, named
from reconciler.model.backup import BackupPlan
from reconciler.model.errors import StalledError, WaitingError
from reconciler.model.hook import BackupFacts, Phase
from reconciler.model.observed import State
from reconciler.ports import BackupBook, Clock, Journal
from reconciler.ports import Engine as DockerEngine

Stop = Callable[[], str]


class Hooks(Protocol):
    """What a stack has run around its backups and restores."""

    def __call__(self, phase: Phase, facts: BackupFacts, error: str = "") -> None:
        """Raises StalledError where one fails that must not, WaitingError(reason="Interrupted")."""


def no_hooks(phase: Phase, facts: BackupFacts, error: str = "") -> None:
    """Of a stack that declares none."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one stack wants backed up. ``problems``: of the variables that would say otherwise."""

    stack: str
    plans: tuple[BackupPlan, ...]
    problems: tuple[str, ...] = ()
    hooks: Hooks = no_hooks

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
class Kit:
    """``folder_of``: where a stack's backups lie; ``data_of``: its host data, which relative paths begin at. ``maker``: one
    that ends as soon as what it is given says why. ``stop``: why the process is to leave, "" while it is not."""

    root_id: str
    engine: DockerEngine
    containers: Containers
    maker: Callable[[Stop], Maker]
    restorer: Restorer
    journal: Journal
    book: BackupBook
    clock: Clock
    stop: Stop
    folder_of: Callable[[str], Path]
    data_of: Callable[[str], Path]
    engines: Callable[[str], Engine] = scripts_of

    def store(self, stack: str, plan: BackupPlan) -> Store:
        return Store(Path(plan.folder) if plan.folder else self.folder_of(stack))

    def all(self, wanted: Wanted) -> list[tuple[Backup, Store]]:
        """The newest first."""
        stores = [self.store(wanted.stack, plan) for plan in wanted.plans]
        return across([*stores, Store(self.folder_of(wanted.stack))], wanted.stack)

    def find(self, wanted: Wanted, name: str) -> tuple[Backup, Store]:
        """``name``: of one, or latest: the newest sound one. Raises StalledError."""
        found = named(self.all(wanted), name)
        if found is None:
            raise StalledError(
                f'{wanted.stack} has no backup "{name}"; see: reconciler backup list {wanted.stack}', reason="NoBackup"
            )
        return found

    def target(self, stack: str, service: str, engine: Engine) -> Target:
        """Raises WaitingError where the service does not run; for files it need not."""
        found = self.target_or_none(stack, service, must_run=engine.has_server)
        if found is None:
            raise WaitingError(f"the service {service} does not run, so nothing can be dumped", reason="NotRunning")
        return found

    def target_or_none(self, stack: str, service: str, *, must_run: bool = False) -> Target | None:
        """One that runs, if there is any."""
        record = self.journal.stack(stack)
        number = record.applied_release if record else None
        release = next((found for found in self.journal.releases(stack) if found.number == number), None)
        for container in sorted(self.engine.containers(), key=lambda found: found.state is not State.RUNNING):
            is_it = container.is_ours_of(stack, service) and not container.oneoff
            if is_it and (container.state is State.RUNNING or not must_run):
                return Target(
                    stack=stack,
                    container=container.id,
                    image=container.image_id,
                    release=number,
                    revision=release.revision if release else "",
                    images=release.images if release else {},
                )
        return None

    def tell(self, stack: str, severity: str, reason: str, message: str) -> None:
        record = self.journal.stack(stack)
        revision = record.applied_revision if record else ""
        self.journal.tell(stack, severity, reason, message, revision, self.clock.now())
