"""Restores one backup: into a new database beside the live one, counted, and only then swapped in by rename.

Until the swap, which is one transaction, the live database is not touched; whatever fails before leaves it as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from reconciler.backup import ladder
from reconciler.backup.containers import Containers, Script
from reconciler.backup.engines import Engine
from reconciler.backup.entry import Backup
from reconciler.backup.proving import restore_script
from reconciler.backup.store import Store
from reconciler.backup.words import said
from reconciler.model.errors import ReconcilerError, StalledError, WaitingError
from reconciler.model.observed import State
from reconciler.ports import Clock
from reconciler.ports import Engine as DockerEngine

log = structlog.get_logger()

_RESTORING, _BEFORE = "_restoring_", "_before_"
_MOST_NAME = 63 - len("_restoring_20260101T000000")  # what PostgreSQL takes of a name


@dataclass(frozen=True, slots=True)
class Restored:
    """``old``: what the database that was live is called now, "" where there is none (any more)."""

    database: str
    old: str = ""


@dataclass(frozen=True, slots=True)
class Restorer:
    """``dependents``: the services of a stack that depend on a service, those that depend on the others first."""

    containers: Containers
    engine: DockerEngine
    clock: Clock
    dependents: Callable[[str, str], tuple[str, ...]]
    stop: Callable[[], str]

    def check(self, backup: Backup, store: Store) -> None:
        """Raises StalledError where it is not worth restoring."""
        if not backup.sound:
            raise StalledError(
                f"{backup.name} is not sound ({backup.why_not or 'it was never proven'}); choose another one, or prove "
                f"it: reconciler backup verify {backup.stack} {backup.name}",
                reason="BadBackup",
            )
        digest, size = store.digest(backup.name, self.stop)
        finding = ladder.read(digest, size, backup.sha256, backup.size, 0, "")
        if finding:
            raise StalledError(f"{backup.name} is not what was written: {finding.problem}", reason="BadBackup")

    def is_there(self, database: str, backup: Backup, engine: Engine, container: str) -> bool:
        return database in self._databases(backup, engine, container)

    def beside(self, database: str, backup: Backup, store: Store, engine: Engine, container: str) -> Restored:
        """Into ``database``, which must not be there. Raises StalledError, WaitingError; then it is not there either."""
        if self.is_there(database, backup, engine, container):
            raise StalledError(f"there is a database {database} already; name another one", reason="DatabaseExists")
        try:
            with store.opened(backup.name) as file:
                ended = self.containers.run(
                    container, restore_script(engine, backup, database, owners=True), source=file
                )
            if ended.status:
                raise WaitingError(f"it could not be restored: {said(ended.err).complaint}", reason="RestoreFailed")
            counted = said(self._do("count", backup, engine, container, BACKUP_DATABASE=database))
            finding = ladder.counted(backup.counts, counted.counts)
            if finding:
                raise WaitingError(f"it was restored with other rows: {finding.problem}", reason="RestoreFailed")
        except BaseException:
            with suppress(ReconcilerError):
                self._do("drop", backup, engine, container, BACKUP_DATABASE=database)
            raise
        return Restored(database)

    def in_place(self, backup: Backup, store: Store, engine: Engine, container: str, *, drop_old: bool) -> Restored:
        """Raises StalledError, WaitingError; then the live database is what it was."""
        live, moment = backup.database, f"{datetime.fromtimestamp(self.clock.now(), UTC):%Y%m%dT%H%M%S}"
        new, old = f"{live[:_MOST_NAME]}{_RESTORING}{moment}", f"{live[:_MOST_NAME]}{_BEFORE}{moment}"
        databases = self._databases(backup, engine, container)
        self._drop(databases, f"{live[:_MOST_NAME]}{_RESTORING}", backup, engine, container)
        self.beside(new, backup, store, engine, container)
        try:
            with self._stopped(backup.stack, backup.service):
                self._do("swap", backup, engine, container, BACKUP_DATABASE=live, BACKUP_NEW=new, BACKUP_OLD=old)
        except BaseException:
            if self._is_still(new, backup, engine, container):
                with suppress(ReconcilerError):
                    self._do("drop", backup, engine, container, BACKUP_DATABASE=new)
            raise
        with suppress(ReconcilerError):  # what is left is only in the way of nobody, and goes with the next restore
            self._drop(databases, f"{live[:_MOST_NAME]}{_BEFORE}", backup, engine, container)
            if drop_old:
                self._do("drop", backup, engine, container, BACKUP_DATABASE=old)
        return Restored(live, "" if drop_old or live not in databases else old)

    def _is_still(self, database: str, backup: Backup, engine: Engine, container: str) -> bool:
        try:
            return self.is_there(database, backup, engine, container)
        except ReconcilerError:
            return False

    def _databases(self, backup: Backup, engine: Engine, container: str) -> tuple[str, ...]:
        return tuple(self._do("databases", backup, engine, container).splitlines())

    def _drop(self, databases: tuple[str, ...], prefix: str, backup: Backup, engine: Engine, container: str) -> None:
        for database in databases:
            if database.startswith(prefix) and len(database) == len(prefix) + len("20260101T000000"):
                self._do("drop", backup, engine, container, BACKUP_DATABASE=database)

    def _do(self, script: str, backup: Backup, engine: Engine, container: str, **variables: str) -> str:
        """What it says. Raises WaitingError with its complaint where it fails."""
        variables |= {"BACKUP_USER": backup.user} if backup.user else {}
        ended = self.containers.run(container, Script(engine.scripts[script], variables, script), to_its_end=True)
        if ended.status:
            complaint = said(ended.err).complaint or f"exit status {ended.status}"
            raise WaitingError(f"{script}: {complaint}", reason="RestoreFailed")
        return ended.out

    @contextmanager
    def _stopped(self, stack: str, service: str) -> Iterator[None]:
        """The services that use it; those that ran are started again, whatever happens."""
        order = self.dependents(stack, service)
        running = [
            container
            for name in order
            for container in self.engine.containers()
            if container.stack == stack and container.service == name and container.owned
            if container.state is State.RUNNING
        ]
        try:
            for container in running:
                self.engine.stop(container.id, None)
            yield
        finally:
            for container in reversed(running):
                try:
                    self.engine.start(container.id)
                except ReconcilerError as error:
                    # The next pass starts it, and says what is in the way.
                    log.error("not_started_again", stack=stack, service=container.service, error=str(error))
