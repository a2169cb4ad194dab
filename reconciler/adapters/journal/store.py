"""The ``Journal`` port on SQLite: the tables of state.db, joined. Decides nothing and never logs."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from reconciler.adapters.journal.backups import BackupTable
from reconciler.adapters.journal.baselines import BaselineTable
from reconciler.adapters.journal.certificates import CertificateTables
from reconciler.adapters.journal.data import DataTable
from reconciler.adapters.journal.database import Database, Synchronous
from reconciler.adapters.journal.events import EventTable
from reconciler.adapters.journal.hooks import HookTables
from reconciler.adapters.journal.identity import root_id, take
from reconciler.adapters.journal.images import ImageTable
from reconciler.adapters.journal.marks import MarkTable
from reconciler.adapters.journal.passes import PassTables
from reconciler.adapters.journal.releases import ReleaseTables
from reconciler.adapters.journal.requests import RequestTable
from reconciler.adapters.journal.stacks import StackTable
from reconciler.adapters.journal.updates import UpdateTables

_GONE_WITH_THEIR_STACK = (
    "releases",
    "passes",
    "baselines",
    "attempts",
    "hooks",
    "backup_runs",
    "tracked_images",
    "approvals",
    "data_changes",
)


class SqliteJournal(StackTable, ReleaseTables, PassTables, BaselineTable, EventTable, RequestTable):
    """state.db. Shared by the threads of a process; other processes write to the same file at the same time.

    It is itself the tables that the ``Journal`` port speaks of; a room's own book is one of its attributes.

    Every write is durable, against ``kill -9`` and loss of power, when the call returns. ``synchronous="OFF"`` gives up
    the second, and makes a write some fifty times cheaper: for tests.

    ``mend=True`` is for the holder of the root's lock alone: it checks the file, and a damaged one is moved aside to
    ``state.db.broken-<n>`` and replaced by a new one with every row that could still be read. ``recovered_from`` then
    says where the damaged one lies, so that the caller can tell people. Without ``mend`` a damaged file raises.

    Opening and every method raise StalledError (JournalBroken, JournalForbidden, JournalTooNew, NoRoot) and
    WaitingError (DiskFull, JournalBusy, JournalUnavailable). A write that raised has changed nothing.
    """

    def __init__(self, path: Path, *, synchronous: Synchronous = "FULL", mend: bool = False) -> None:
        database = Database(path, synchronous=synchronous, mend=mend)
        super().__init__(database)
        self._root_id = root_id(database)
        self.certificates = CertificateTables(database)
        self.backups = BackupTable(database)
        self.hooks = HookTables(database)
        self.images = ImageTable(database)
        self.updates = UpdateTables(database)
        self.data = DataTable(database)
        self.marks = MarkTable(database)

    @property
    def recovered_from(self) -> Path | None:
        return self._database.recovered_from

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def root_id(self) -> str:
        return self._root_id

    def take_root_id(self, identity: str) -> None:
        """Be ``identity`` from now on: what runs belongs to it, and the record of that was lost."""
        take(self._database, identity)
        self._root_id = identity

    def version(self) -> int:
        return self._database.version()

    def forget_stack(self, name: str) -> None:
        """Its status, releases, passes and baselines. Its events stay: they tell that it went. So do the marks of its variables:
        its volumes stay, too, and what is in them was made with those."""
        with self._database.write() as connection:
            connection.execute("DELETE FROM stacks WHERE name = ?", (name,))
            for table in _GONE_WITH_THEIR_STACK:
                connection.execute(f"DELETE FROM {table} WHERE stack = ?", (name,))
            # Of releases that are counted from 1 again.
            connection.execute("UPDATE marks SET renewed_after = 0, rolls = '' WHERE stack = ?", (name,))
