"""A damaged state.db is moved aside, never deleted, and what can still be read of it goes into the new one.

Losing history is bearable; leaving the host's services unattended because of it is not. But a suspension, a quarantine
or a half-done pass that is forgotten does harm, so every row that still reads as a record is carried over.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from reconciler.adapters.journal import rows

_KEPT = 5  # a failing disk must not fill up with damaged copies

_TABLES: tuple[tuple[str, str, Callable[[rows.Row], object]], ...] = (
    ("meta", "key, value", lambda row: row),
    ("stacks", rows.STACK, rows.stack_of),
    ("releases", rows.RELEASE, rows.release_of),
    ("passes", rows.PASS, rows.pass_of),
    ("steps", rows.STEP, rows.step_of),
    ("baselines", rows.BASELINE, lambda row: rows.settings_of(row[2])),
    ("backup_runs", rows.BACKUP, rows.backup_of),
    ("tracked_images", rows.IMAGE, rows.image_of),
    ("approvals", "stack, release, who, at", lambda row: row),
    ("events", rows.EVENT, rows.event_of),
    ("requests", rows.REQUEST, rows.request_of),
    ("attempts", "stack, release, number, is_open", lambda row: row),
    ("hooks", rows.HOOK, lambda row: row),
    ("marks", rows.MARK, rows.mark_of),
    ("data_changes", "stack, release, back, forth", lambda row: row),
)


def set_aside(path: Path) -> Path:
    """Rename the file to ``<name>.broken-<n>``, the highest n being the newest, and drop all but the last five."""
    taken = sorted(_numbers(path))
    broken = _numbered(path, taken[-1] + 1 if taken else 1)
    # The log goes first: killed in between, the file is still there, still damaged, and is set aside the next time.
    with suppress(FileNotFoundError):
        os.replace(f"{path}-wal", f"{broken}-wal")
    with suppress(FileNotFoundError):
        os.remove(f"{path}-shm")
    os.replace(path, broken)
    for number in taken[: -(_KEPT - 1)]:
        for suffix in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                os.remove(f"{_numbered(path, number)}{suffix}")
    return broken


def _numbers(path: Path) -> set[int]:
    ends = (found.name.rpartition(".broken-")[2] for found in path.parent.glob(f"{path.name}.broken-*"))
    return {int(end.partition("-")[0]) for end in ends if end.partition("-")[0].isdigit()}


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.broken-{number}")


def salvage(broken: Path, into: sqlite3.Connection) -> None:
    """Copy every row of ``broken`` that can be read and understood; what cannot is left behind without a word."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"{broken.absolute().as_uri()}?mode=ro", uri=True)) as old:
        into.execute("BEGIN IMMEDIATE")
        for table, columns, understand in _TABLES:
            _copy(old, into, table, columns, understand)
    if into.in_transaction:
        into.execute("COMMIT")


def _copy(
    old: sqlite3.Connection,
    into: sqlite3.Connection,
    table: str,
    columns: str,
    understand: Callable[[rows.Row], object],
) -> None:
    places = ", ".join("?" for _ in columns.split(","))
    with suppress(sqlite3.DatabaseError):  # the rest of this table cannot be read: on with the next
        for row in old.execute(f"SELECT {columns} FROM {table}"):
            with suppress(ValueError, KeyError, TypeError, sqlite3.IntegrityError):
                understand(row)
                into.execute(f"INSERT OR IGNORE INTO {table} ({columns}) VALUES ({places})", row)
