"""What keeping backups is made of: the ports, what a stack wants backed up, and where its backups and databases are found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from reconciler.backup.containers import Containers
from reconciler.backup.engines import Engine, scripts_of
from reconciler.backup.entry import Backup
from reconciler.backup.making import Maker, Target
from reconciler.backup.restoring import Restorer
from reconciler.backup.store import Store, across, named
from reconciler.backup.variables import with_variables
from reconciler.model.backup import BackupPlan
from reconciler.model.data import AroundData, no_hooks
from reconciler.model.errors import StalledError, WaitingError
from reconciler.model.observed import State
from reconciler.ports.books import BackupBook, Journal
from reconciler.ports.clock import Clock
from reconciler.ports.engine import Engine as DockerEngine

Stop = Callable[[], str]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one stack wants backed up. ``problems``: of the variables that would say otherwise."""

    stack: str
    plans: tuple[BackupPlan, ...]
    problems: tuple[str, ...] = ()
    hooks: AroundData = no_hooks

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
    kept_releases: int = 10

    def wanted(
        self, stack: str, plans: Iterable[BackupPlan], variables: Mapping[str, str], hooks: AroundData = no_hooks
    ) -> Wanted:
        found = [with_variables(plan, variables, str(self.data_of(stack))) for plan in plans]
        problems = tuple(dict.fromkeys(problem for _, wrong in found for problem in wrong))
        return Wanted(stack, tuple(plan for plan, _ in found), problems, hooks)

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
        for container in sorted(self.engine.containers(stack), key=lambda found: found.state is not State.RUNNING):
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
