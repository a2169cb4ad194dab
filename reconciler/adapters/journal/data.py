"""The table of changed data of state.db: the ``DataBook`` port. Decides nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence

from reconciler.adapters.journal.table import Table
from reconciler.model.data import DataBackup, DataChange


class DataTable(Table):
    def data_change(self, stack: str) -> DataChange | None:
        found = self._database.read("SELECT release, back, forth FROM data_changes WHERE stack = ?", (stack,))
        return DataChange(stack, found[0][0], backups_of(found[0][1]), backups_of(found[0][2])) if found else None

    def save_data_change(self, change: DataChange) -> None:
        values = (change.stack, change.release, text_of(change.back), text_of(change.forth))
        self._put("data_changes", "stack, release, back, forth", values)

    def drop_data_change(self, stack: str) -> None:
        self._write("DELETE FROM data_changes WHERE stack = ?", (stack,))


def text_of(backups: Sequence[DataBackup]) -> str:
    return json.dumps([[backup.name, backup.service] for backup in backups])


def backups_of(text: str) -> tuple[DataBackup, ...]:
    return tuple(DataBackup(name, service) for name, service in json.loads(text or "[]"))
