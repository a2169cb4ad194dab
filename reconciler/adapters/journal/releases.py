"""The releases' tables of state.db: what became of each release, and who approved it. Decides nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from reconciler.adapters.journal import rows
from reconciler.adapters.journal.hooks import end_attempt
from reconciler.adapters.journal.table import Table
from reconciler.model.record import Outcome, ReleaseRecord


class ReleaseTables(Table):
    def add_release(
        self, stack: str, digest: str, revision: str, subject: str, asked_by: str, now: float
    ) -> ReleaseRecord:
        return self._add_release(stack, digest, revision, subject, asked_by, now, Outcome.PENDING)

    def await_release(
        self, stack: str, digest: str, revision: str, subject: str, asked_by: str, now: float
    ) -> ReleaseRecord:
        found = self._add_release(stack, digest, revision, subject, asked_by, now, Outcome.WAITING)
        if found.outcome is Outcome.SUPERSEDED:  # Git came back to it; it is as old as it was
            self._change_release(stack, found.number, "outcome = ?, ended_at = NULL", Outcome.WAITING.value)
            found = replace(found, outcome=Outcome.WAITING, ended_at=None)
        return found

    def _add_release(
        self, stack: str, digest: str, revision: str, subject: str, asked_by: str, now: float, outcome: Outcome
    ) -> ReleaseRecord:
        this_one = f"SELECT {rows.RELEASE} FROM releases WHERE stack = ? AND digest = ?"
        with self._database.write() as connection:
            known = connection.execute(this_one, (stack, digest)).fetchone()
            if known is None:
                connection.execute(
                    f"INSERT INTO releases ({rows.RELEASE}) "
                    "SELECT ?, coalesce(max(number), 0) + 1, ?, ?, ?, ?, NULL, ?, ?, '', '{}' "
                    "FROM releases WHERE stack = ?",
                    (stack, digest, revision, outcome.value, now, subject, asked_by, stack),
                )
                known = connection.execute(this_one, (stack, digest)).fetchone()
        return rows.release_of(known)

    def releases(self, stack: str) -> tuple[ReleaseRecord, ...]:
        def read() -> tuple[ReleaseRecord, ...]:
            found = self._database.read(
                f"SELECT {rows.RELEASE} FROM releases WHERE stack = ? ORDER BY number", (stack,)
            )
            return tuple(rows.release_of(row) for row in found)

        return self._database.remembered(("releases", stack), read)

    def pin_images(self, stack: str, number: int, images: Mapping[str, str]) -> None:
        self._change_release(stack, number, "images = ?", rows.images_text(images))

    def end_release(self, stack: str, number: int, outcome: Outcome, now: float, quarantined: str = "") -> None:
        """One that failed or was given up ends its attempt with it, so that the next try of it has hooks of its own."""
        with self._database.write() as connection:
            if outcome in (Outcome.FAILED, Outcome.SUPERSEDED):
                end_attempt(connection, stack, number)
            _change(connection, stack, number, "outcome = ?, ended_at = ?", outcome.value, now)
            if quarantined:
                _change(connection, stack, number, "quarantined = ?", quarantined)

    def reopen_release(self, stack: str, number: int, revision: str, now: float) -> None:
        """``created_at`` becomes ``now``: it is applied anew, for ``revision``."""
        self._change_release(
            stack,
            number,
            "outcome = ?, revision = ?, created_at = ?, ended_at = NULL, quarantined = ''",
            Outcome.PENDING.value,
            revision,
            now,
        )

    def quarantine(self, stack: str, number: int, why: str) -> None:
        self._change_release(stack, number, "quarantined = ?", why)

    def approve(self, stack: str, number: int, who: str, now: float) -> None:
        self._write("REPLACE INTO approvals VALUES (?, ?, ?, ?)", (stack, number, who, now))

    def approved_by(self, stack: str, number: int) -> str:
        where = "WHERE stack = ? AND release = ?"
        found = self._database.read(f"SELECT who FROM approvals {where}", (stack, number))
        return str(found[0][0]) if found else ""

    def _change_release(self, stack: str, number: int, change: str, *values: Any) -> None:
        with self._database.write() as connection:
            _change(connection, stack, number, change, *values)


def _change(connection: sqlite3.Connection, stack: str, number: int, change: str, *values: Any) -> None:
    where = "WHERE stack = ? AND number = ?"
    changed = connection.execute(f"UPDATE releases SET {change} {where}", (*values, stack, number))
    if changed.rowcount == 0:
        raise LookupError(f"stack {stack} has no release {number}")
