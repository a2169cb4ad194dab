"""The requests' table of state.db: what the command line asks of the daemon, and the answer. Decides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from reconciler.adapters.journal import rows
from reconciler.adapters.journal.data import text_of
from reconciler.adapters.journal.table import Table
from reconciler.model.data import DataBackup
from reconciler.model.record import Request, RequestKind

_KEPT = 1_000


class RequestTable(Table):
    def ask(self, kind: RequestKind, stack: str, who: str, now: float, **details: Any) -> int:
        """``details``: ``force``, ``release``, ``reason``, ``until``, ``data``, as in Request. Raises TypeError for any other."""
        asked_for = _details(**details)
        with self._database.write() as connection:
            asked = connection.execute(
                "INSERT INTO requests (kind, stack, who, created_at, force, release, reason, until, data, answer) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, '')",
                (kind.value, stack, who, now, *asked_for),
            )
            request_id = cast(int, asked.lastrowid)
            connection.execute("DELETE FROM requests WHERE handled_at IS NOT NULL AND id <= ?", (request_id - _KEPT,))
        return request_id

    def requests(self) -> tuple[Request, ...]:
        found = self._database.read(f"SELECT {rows.REQUEST} FROM requests WHERE handled_at IS NULL ORDER BY id")
        return tuple(rows.request_of(row) for row in found)

    def request(self, request_id: int) -> Request | None:
        found = self._database.read(f"SELECT {rows.REQUEST} FROM requests WHERE id = ?", (request_id,))
        return rows.request_of(found[0]) if found else None

    def answer(self, request_id: int, answer: str, now: float) -> None:
        self._write("UPDATE requests SET answer = ?, handled_at = ? WHERE id = ?", (answer, now, request_id))


def _details(
    *,
    force: bool = False,
    release: int | None = None,
    reason: str = "",
    until: float | None = None,
    data: Sequence[DataBackup] = (),
) -> rows.Row:
    return (force, release, reason, until, text_of(data))
