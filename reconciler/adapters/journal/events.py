"""The events' table of state.db: what people are told, the newest ten thousand of it. Decides nothing."""

from __future__ import annotations

from typing import cast

from reconciler.adapters.journal import rows
from reconciler.adapters.journal.table import Table
from reconciler.model.record import EventRecord

_KEPT = 10_000


class EventTable(Table):
    def tell(self, stack: str, severity: str, reason: str, message: str, revision: str, now: float) -> EventRecord:
        values = (now, stack, severity, reason, message, revision)
        with self._database.write() as connection:
            told = connection.execute(
                "INSERT INTO events (at, stack, severity, reason, message, revision) VALUES (?, ?, ?, ?, ?, ?)", values
            )
            event_id = cast(int, told.lastrowid)
            connection.execute("DELETE FROM events WHERE id <= ?", (event_id - _KEPT,))
        return EventRecord(event_id, *values)

    def events(self, after: int = 0, stack: str | None = None, limit: int = 1000) -> tuple[EventRecord, ...]:
        condition, values = ("", ()) if stack is None else (" AND stack = ?", (stack,))
        found = self._database.read(
            f"SELECT {rows.EVENT} FROM events WHERE id > ?{condition} ORDER BY id DESC LIMIT ?",
            (after, *values, limit),
        )
        return tuple(rows.event_of(row) for row in reversed(found))
