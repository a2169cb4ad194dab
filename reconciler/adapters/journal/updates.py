"""The updates' tables of state.db: the ``UpdateBook`` port. Decides nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import astuple

from reconciler.adapters.journal.rows import IMAGE, Row, image_of
from reconciler.adapters.journal.table import Table
from reconciler.model.updates import ImageRecord


class UpdateTables(Table):
    def images(self, stack: str | None = None) -> tuple[ImageRecord, ...]:
        where, values = ("", ()) if stack is None else (" WHERE stack = ?", (stack,))
        found = self._database.read(f"SELECT {IMAGE} FROM tracked_images{where} ORDER BY stack, service", values)
        return tuple(image_of(row) for row in found)

    def save_image(self, record: ImageRecord) -> None:
        self._put("tracked_images", IMAGE, _row(record))

    def forget_images(self, stack: str, keep: Sequence[str]) -> None:
        gone = [(found.stack, found.service) for found in self.images(stack) if found.service not in keep]
        if not gone:
            return
        with self._database.write() as connection:
            connection.executemany("DELETE FROM tracked_images WHERE stack = ? AND service = ?", gone)


def _row(record: ImageRecord) -> Row:
    seen = json.dumps([astuple(one) for one in record.seen])
    return (
        record.stack,
        record.service,
        record.repository,
        record.policy,
        record.tag,
        record.digest,
        record.before,
        record.taken_at,
        record.slot,
        record.looked_at,
        record.problem,
        record.attempts,
        record.retry_at,
        seen,
        record.written,
        record.waits_for,
        record.waits_until,
    )
