"""Restores one backup: into a new database beside the live one, counted, and only then swapped in by rename.

Until the swap, which is one transaction, the live database is not touched; whatever fails before leaves it as it was.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from reconciler.backup import ladder, proving
from reconciler.backup.containers import Containers
from reconciler.backup.engines import Engine
from reconciler.backup.entry import Backup
from reconciler.backup.proving import restore_variables
from reconciler.backup.sealing import Sealing
from reconciler.backup.standstill import Standstill
from reconciler.backup.store import Store
from reconciler.backup.words import said
from reconciler.model.errors import ReconcilerError, StalledError, WaitingError
from reconciler.model.size import shown_bytes
from reconciler.ports.clock import Clock

_RESTORING, _BEFORE = "_restoring_", "_before_"
_MOST_NAME = 63 - len("_restoring_20260101T000000")  # no engine takes a longer name than 63


@dataclass(frozen=True, slots=True)
class Restored:
    """``old``: what the database that was live is called now, "" where there is none (any more)."""

    database: str
    old: str = ""


def _nothing() -> None: ...


@dataclass(frozen=True, slots=True)
class Restorer:
    containers: Containers
    standstill: Standstill
    clock: Clock
    stop: Callable[[], str]
    sealing: Sealing

    def check(self, backup: Backup, store: Store) -> None:
        """Raises StalledError where it is not worth restoring."""
        if not backup.sound:
            raise StalledError(
                f"{backup.name} is not sound ({backup.why_not or 'it was never proven'}); choose another one, or prove "
                f"it: reconciler backup verify {backup.stack} {backup.name}",
                reason="BadBackup",
            )
        self.sealing.check(backup)
        digest, size = store.digest(backup.name, self.stop)
        finding = ladder.read(digest, size, backup.sha256, backup.size, 0, "")
        if finding:
            raise StalledError(f"{backup.name} is not what was written: {finding.problem}", reason="BadBackup")

    def counted(self, backup: Backup, engine: Engine, container: str) -> Mapping[str, int]:
        """The rows of each table of the live database. Raises WaitingError."""
        told = self._do("count", backup, engine, container, BACKUP_DATABASE=backup.database)
        try:
            return said(told).counts
        except ValueError as error:
            raise WaitingError(f"count says what is no fact ({error})", reason="RestoreFailed") from error

    def is_there(self, database: str, backup: Backup, engine: Engine, container: str) -> bool:
        return database in self._databases(backup, engine, container)

    def beside(self, database: str, backup: Backup, store: Store, engine: Engine, container: str) -> Restored:
        """Into ``database``, which must not be there. Raises StalledError, WaitingError; then it is not there either."""
        if self.is_there(database, backup, engine, container):
            raise StalledError(f"there is a database {database} already; name another one", reason="DatabaseExists")
        self._check_room(backup, engine, container)
        try:
            script = engine.script("restore", restore_variables(backup, database, owners=True))
            with self.sealing.opened(store, backup) as file:
                ended = self.containers.run(container, script, source=file)
            if ended.status:
                raise WaitingError(f"it could not be restored: {said(ended.err).complaint}", reason="RestoreFailed")
            counted = said(self._do("count", backup, engine, container, BACKUP_DATABASE=database))
            finding = ladder.counted(backup.counts, counted.counts)
            finding = finding or ladder.compared(backup.digests, counted.digests)
            if finding:
                raise WaitingError(f"it was restored with other rows: {finding.problem}", reason="RestoreFailed")
        except BaseException:
            with suppress(ReconcilerError):
                self._do("drop", backup, engine, container, BACKUP_DATABASE=database)
            raise
        return Restored(database)

    def in_place(
        self,
        backup: Backup,
        store: Store,
        engine: Engine,
        container: str,
        *,
        drop_old: bool,
        for_good: Collection[str] = (),
        swapping: Callable[[], None] = _nothing,
        swapped: Callable[[], None] = _nothing,
    ) -> Restored:
        """``for_good``: containers (ids) that stop for the change of names and stay so. ``swapping`` and ``swapped`` are called right before and after the change of names, while nobody uses it. Raises
        StalledError, WaitingError; where ``swapped`` was not called, the live database is what it was."""
        live, moment = (
            posixpath.basename(backup.database),
            f"{datetime.fromtimestamp(self.clock.now(), UTC):%Y%m%dT%H%M%S}",
        )
        new, old = f"{live[:_MOST_NAME]}{_RESTORING}{moment}", f"{live[:_MOST_NAME]}{_BEFORE}{moment}"
        databases = self._databases(backup, engine, container)
        self._drop(databases, f"{live[:_MOST_NAME]}{_RESTORING}", backup, engine, container)
        self.beside(new, backup, store, engine, container)
        try:
            sharing = () if engine.has_server else self.containers.sharing(container, backup.database)
            with self.standstill.users_stopped(backup.stack, backup.service, sharing, for_good):
                swapping()
                self._do("swap", backup, engine, container, BACKUP_NEW=new, BACKUP_OLD=old)
                swapped()
        except BaseException:
            if self._is_still(new, backup, engine, container):
                with suppress(ReconcilerError):
                    self._do("drop", backup, engine, container, BACKUP_DATABASE=new)
            raise
        with suppress(ReconcilerError):  # what is left is only in the way of nobody, and goes with the next restore
            self._drop(databases, f"{live[:_MOST_NAME]}{_BEFORE}", backup, engine, container)
            if drop_old:
                self._do("drop", backup, engine, container, BACKUP_DATABASE=old)
        return Restored(backup.database, "" if drop_old or backup.database not in databases else old)

    def _check_room(self, backup: Backup, engine: Engine, container: str) -> None:
        """Raises WaitingError where what is restored would fill the disk that the live one needs, too."""
        free = said(self._do("room", backup, engine, container)).free
        needed = max(backup.database_size, backup.size)
        if free is not None and free < needed:
            raise WaitingError(
                f"where {backup.database} lies {shown_bytes(free)} are free, and what is restored beside it needs "
                f"{shown_bytes(needed)}: free some space there",
                reason="DiskFull",
            )

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
        told = {**proving.variables(backup, backup.database), **variables}
        ended = self.containers.run(container, engine.script(script, told), to_its_end=True)
        if ended.status:
            complaint = said(ended.err).complaint or f"exit status {ended.status}"
            raise WaitingError(f"{script}: {complaint}", reason="RestoreFailed")
        return ended.out
