"""The backups' table of state.db: the ``BackupBook`` port. Decides nothing."""

from __future__ import annotations

from reconciler.adapters.journal import rows
from reconciler.adapters.journal.table import Table
from reconciler.model.backup import BackupRecord


class BackupTable(Table):
    def backups(self, stack: str | None = None) -> tuple[BackupRecord, ...]:
        where, values = ("", ()) if stack is None else (" WHERE stack = ?", (stack,))
        found = self._database.read(f"SELECT {rows.BACKUP} FROM backup_runs{where} ORDER BY stack, plan", values)
        return tuple(rows.backup_of(row) for row in found)

    def save_backup(self, record: BackupRecord) -> None:
        values = (
            record.stack,
            record.plan,
            record.slot,
            record.began_at,
            record.ended_at,
            record.failed,
            record.level.name,
            record.verified_at,
            record.verified,
            record.folder,
        )
        self._put("backup_runs", rows.BACKUP, values)
