"""The tables of passes and of their steps in state.db. Decides nothing.

A stack may be forgotten by its own last pass, so ending what is gone is fine.
"""

from __future__ import annotations

from typing import cast

from reconciler.adapters.journal import rows
from reconciler.adapters.journal.table import Table
from reconciler.model.record import PassGoal, PassRecord, StepRecord, StepState

_KEPT = 200  # of each stack, with their steps


class PassTables(Table):
    def begin_pass(self, stack: str, release: int | None, goal: PassGoal, now: float) -> int:
        with self._database.write() as connection:
            begun = connection.execute(
                "INSERT INTO passes (stack, release, goal, began_at, outcome) VALUES (?, ?, ?, ?, '')",
                (stack, release, goal.value, now),
            )
            # One that never ended is kept, however old: it has not been recovered from yet.
            connection.execute(
                "DELETE FROM passes WHERE stack = ? AND ended_at IS NOT NULL AND id <= "
                "(SELECT id FROM passes WHERE stack = ? ORDER BY id DESC LIMIT 1 OFFSET ?)",
                (stack, stack, _KEPT),
            )
        return cast(int, begun.lastrowid)

    def end_pass(self, pass_id: int, outcome: str, now: float) -> None:
        self._write("UPDATE passes SET outcome = ?, ended_at = ? WHERE id = ?", (outcome, now, pass_id))

    def open_pass(self, stack: str) -> PassRecord | None:
        found = self._database.read(
            f"SELECT {rows.PASS} FROM passes WHERE stack = ? AND ended_at IS NULL ORDER BY id DESC LIMIT 1", (stack,)
        )
        return rows.pass_of(found[0]) if found else None

    def passes(self, stack: str, limit: int) -> tuple[PassRecord, ...]:
        found = self._database.read(
            f"SELECT {rows.PASS} FROM passes WHERE stack = ? ORDER BY id DESC LIMIT ?", (stack, limit)
        )
        return tuple(rows.pass_of(row) for row in found)

    def intend(self, pass_id: int, index: int, service: str, text: str, now: float) -> None:
        """Writing the same step again starts it again."""
        self._put("steps", rows.STEP, (pass_id, index, service, text, StepState.INTENDED.value, now, None, ""))

    def done(self, pass_id: int, index: int, now: float) -> None:
        self._end_step(pass_id, index, StepState.DONE, "", now)

    def failed(self, pass_id: int, index: int, error: str, now: float) -> None:
        self._end_step(pass_id, index, StepState.FAILED, error, now)

    def _end_step(self, pass_id: int, index: int, state: StepState, error: str, now: float) -> None:
        self._write(
            "UPDATE steps SET state = ?, error = ?, ended_at = ? WHERE pass_id = ? AND number = ?",
            (state.value, error, now, pass_id, index),
        )

    def steps(self, pass_id: int) -> tuple[StepRecord, ...]:
        """By index."""
        found = self._database.read(f"SELECT {rows.STEP} FROM steps WHERE pass_id = ? ORDER BY number", (pass_id,))
        return tuple(rows.step_of(row) for row in found)
