"""The table of what is remembered of variables in state.db: the ``MarkBook`` port. Decides nothing, holds no value."""

from __future__ import annotations

from dataclasses import astuple

from reconciler.adapters.journal.rows import MARK, mark_of
from reconciler.adapters.journal.table import Table
from reconciler.model.environment import Mark


class MarkTable(Table):
    def marks(self, stack: str) -> tuple[Mark, ...]:
        found = self._database.read(f"SELECT {MARK} FROM marks WHERE stack = ? ORDER BY name", (stack,))
        return tuple(mark_of(row) for row in found)

    def save_mark(self, mark: Mark) -> None:
        self._put("marks", MARK, astuple(mark))
