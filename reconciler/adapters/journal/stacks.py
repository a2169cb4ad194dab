"""The stacks' table of state.db: the status of each, and what people ask for of it. Decides nothing."""

from __future__ import annotations

from dataclasses import replace

from reconciler.adapters.journal import rows
from reconciler.adapters.journal.table import Table
from reconciler.model.record import StackRecord, Suspension


class StackTable(Table):
    def stacks(self) -> tuple[StackRecord, ...]:
        """By name."""
        found = self._database.read(f"SELECT {rows.STACK} FROM stacks ORDER BY name")
        return tuple(rows.stack_of(row) for row in found)

    def stack(self, name: str) -> StackRecord | None:
        found = self._database.read(f"SELECT {rows.STACK} FROM stacks WHERE name = ?", (name,))
        return rows.stack_of(found[0]) if found else None

    def save_stack(self, record: StackRecord) -> None:
        """Writes nothing where only ``updated_at`` differs: that one says when the status last changed."""
        known = self.stack(record.name)
        if known is not None and replace(known, updated_at=record.updated_at) == record:
            return
        self._put("stacks", rows.STACK, rows.stack_row(record))

    def save_status(self, record: StackRecord) -> None:
        known = self.stack(record.name)
        if known is None:
            self.save_stack(record)
            return
        asked = replace(record, wanted_release=known.wanted_release, suspension=known.suspension)
        if replace(asked, updated_at=known.updated_at) != known:
            status = rows.status_of(record)
            columns = ", ".join(f"{column} = ?" for column in status)
            self._write(f"UPDATE stacks SET {columns} WHERE name = ?", (*status.values(), record.name))

    def save_suspension(self, stack: str, suspension: Suspension | None) -> None:
        self._write("UPDATE stacks SET suspension = ? WHERE name = ?", (rows.suspension_text(suspension), stack))

    def save_wanted(self, stack: str, number: int) -> None:
        self._write("UPDATE stacks SET wanted_release = ? WHERE name = ?", (number, stack))

    def drop_wanted(self, stack: str, applied: int) -> None:
        known = self.stack(stack)
        if known is None or known.wanted_release is None:
            return
        self._write(
            "UPDATE stacks SET wanted_release = NULL WHERE name = ? AND NOT EXISTS "
            "(SELECT 1 FROM releases WHERE stack = ? AND number = ? AND quarantined != '')",
            (stack, stack, applied),
        )
