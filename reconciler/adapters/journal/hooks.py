"""The hooks' tables of state.db: the ``HookBook`` port. Decides nothing."""

from __future__ import annotations

import sqlite3
from typing import cast

from reconciler.adapters.journal.rows import HOOK, Row
from reconciler.adapters.journal.table import Table
from reconciler.model.hook import HookRecord, HookState, Phase

_KEPT = 500  # runs of each stack


class HookTables(Table):
    def begin_attempt(self, stack: str, release: int) -> int:
        """The same number as before where that attempt never ended: the process was killed in it."""
        this_one = "WHERE stack = ? AND release = ?"
        with self._database.write() as connection:
            connection.execute("UPDATE attempts SET is_open = 0 WHERE stack = ? AND release <> ?", (stack, release))
            connection.execute("INSERT OR IGNORE INTO attempts VALUES (?, ?, 0, 0)", (stack, release))
            connection.execute(
                f"UPDATE attempts SET number = number + 1, is_open = 1 {this_one} AND is_open = 0", (stack, release)
            )
            found = connection.execute(f"SELECT number FROM attempts {this_one}", (stack, release)).fetchone()
        return cast(int, found[0])

    def save_hook(self, record: HookRecord) -> None:
        values = _row(record)
        with self._database.write() as connection:
            connection.execute(f"REPLACE INTO hooks ({HOOK}) VALUES ({', '.join('?' * len(values))})", values)
            connection.execute(
                "DELETE FROM hooks WHERE stack = ? AND began_at < "
                "(SELECT began_at FROM hooks WHERE stack = ? ORDER BY began_at DESC LIMIT 1 OFFSET ?)",
                (record.stack, record.stack, _KEPT),
            )

    def hook(self, stack: str, release: int, attempt: int, phase: Phase, name: str) -> HookRecord | None:
        found = self._database.read(
            f"SELECT {HOOK} FROM hooks WHERE stack = ? AND release = ? AND attempt = ? AND phase = ? AND name = ?",
            (stack, release, attempt, phase.value, name),
        )
        return _record(found[0]) if found else None

    def hooks(self, stack: str, state: HookState | None = None) -> tuple[HookRecord, ...]:
        condition, values = ("", (stack,)) if state is None else (" AND state = ?", (stack, state.value))
        found = self._database.read(
            f"SELECT {HOOK} FROM hooks WHERE stack = ?{condition} ORDER BY began_at, name", values
        )
        return tuple(_record(row) for row in found)

    def drop_hook(self, record: HookRecord) -> None:
        self._write(
            "DELETE FROM hooks WHERE stack = ? AND release = ? AND attempt = ? AND phase = ? AND name = ?",
            (record.stack, record.release, record.attempt, record.phase.value, record.name),
        )


def end_attempt(connection: sqlite3.Connection, stack: str, release: int) -> None:
    """It failed: the next one is another."""
    connection.execute("UPDATE attempts SET is_open = 0 WHERE stack = ? AND release = ?", (stack, release))


def _record(row: Row) -> HookRecord:
    stack, release, attempt, phase, name, state, pass_id, began, ended, code, output, step, error, domains = row
    return HookRecord(
        stack=stack,
        release=release,
        attempt=attempt,
        phase=Phase(phase),
        name=name,
        state=HookState(state),
        pass_id=pass_id,
        began_at=began,
        ended_at=ended,
        exit_code=code,
        output=output,
        failed_step=step,
        error=error,
        domains=tuple(domains.split()),
    )


def _row(record: HookRecord) -> Row:
    return (
        record.stack,
        record.release,
        record.attempt,
        record.phase.value,
        record.name,
        record.state.value,
        record.pass_id,
        record.began_at,
        record.ended_at,
        record.exit_code,
        record.output,
        record.failed_step,
        record.error,
        " ".join(record.domains),
    )
