"""The ``Journal`` port on SQLite: what each method means in rows. Decides nothing and never logs."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self, TypeVar, cast

from reconciler.adapters.journal import rows
from reconciler.adapters.journal.backups import BackupTable
from reconciler.adapters.journal.certificates import CertificateTables
from reconciler.adapters.journal.data import DataTable, text_of
from reconciler.adapters.journal.database import Database, Synchronous
from reconciler.adapters.journal.hooks import HookTables, end_attempt
from reconciler.adapters.journal.identity import root_id, take
from reconciler.adapters.journal.images import ImageTable
from reconciler.adapters.journal.marks import MarkTable
from reconciler.adapters.journal.updates import UpdateTables
from reconciler.model.data import DataBackup
from reconciler.model.observed import LiveSettings
from reconciler.model.record import (
    EventRecord,
    Outcome,
    PassGoal,
    PassRecord,
    ReleaseRecord,
    Request,
    RequestKind,
    StackRecord,
    StepRecord,
    StepState,
    Suspension,
)

_KEPT_PASSES = 200  # of each stack, with their steps
_KEPT_EVENTS = 10_000
_KEPT_REQUESTS = 1_000

T = TypeVar("T")


class SqliteJournal:
    """state.db. Shared by the threads of a process; other processes write to the same file at the same time.

    Every write is durable, against ``kill -9`` and loss of power, when the call returns. ``synchronous="OFF"`` gives up
    the second, and makes a write some fifty times cheaper: for tests.

    ``mend=True`` is for the holder of the root's lock alone: it checks the file, and a damaged one is moved aside to
    ``state.db.broken-<n>`` and replaced by a new one with every row that could still be read. ``recovered_from`` then
    says where the damaged one lies, so that the caller can tell people. Without ``mend`` a damaged file raises.

    Opening and every method raise StalledError (JournalBroken, JournalForbidden, JournalTooNew, NoRoot) and
    WaitingError (DiskFull, JournalBusy, JournalUnavailable). A write that raised has changed nothing.
    """

    def __init__(self, path: Path, *, synchronous: Synchronous = "FULL", mend: bool = False) -> None:
        self._database = Database(path, synchronous=synchronous, mend=mend)
        self._root_id = root_id(self._database)
        self.certificates = CertificateTables(self._database)
        self.backups = BackupTable(self._database)
        self.hooks = HookTables(self._database)
        self.images = ImageTable(self._database)
        self.updates = UpdateTables(self._database)
        self.data = DataTable(self._database)
        self.marks = MarkTable(self._database)
        self._remembered: tuple[int, dict[tuple[str, str], Any]] = (-1, {})

    @property
    def recovered_from(self) -> Path | None:
        return self._database.recovered_from

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def root_id(self) -> str:
        return self._root_id

    def take_root_id(self, identity: str) -> None:
        """Be ``identity`` from now on: what runs belongs to it, and the record of that was lost."""
        take(self._database, identity)
        self._root_id = identity

    def version(self) -> int:
        return self._database.version()

    # Stacks

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
        values = rows.stack_row(record)
        self._write(f"REPLACE INTO stacks ({rows.STACK}) VALUES ({_places(values)})", values)

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

    def forget_stack(self, name: str) -> None:
        """Its status, releases, passes and baselines. Its events stay: they tell that it went. So do the marks of its variables:
        its volumes stay, too, and what is in them was made with those."""
        with self._database.write() as connection:
            connection.execute("DELETE FROM stacks WHERE name = ?", (name,))
            for table in (
                "releases",
                "passes",
                "baselines",
                "attempts",
                "hooks",
                "backup_runs",
                "tracked_images",
                "approvals",
                "data_changes",
            ):
                connection.execute(f"DELETE FROM {table} WHERE stack = ?", (name,))
            # Of releases that are counted from 1 again.
            connection.execute("UPDATE marks SET renewed_after = 0, rolls = '' WHERE stack = ?", (name,))

    # Releases

    def add_release(
        self, stack: str, digest: str, revision: str, subject: str, asked_by: str, now: float
    ) -> ReleaseRecord:
        return self._add(stack, digest, revision, subject, asked_by, now, Outcome.PENDING)

    def _add(
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

        return self._remember(("releases", stack), read)

    def pin_images(self, stack: str, number: int, images: Mapping[str, str]) -> None:
        self._change_release(stack, number, "images = ?", rows.images_text(images))

    def end_release(self, stack: str, number: int, outcome: Outcome, now: float, quarantined: str = "") -> None:
        """One that failed or was given up ends its attempt with it, so that the next try of it has hooks of its own."""
        with self._database.write() as connection:
            if outcome in (Outcome.FAILED, Outcome.SUPERSEDED):
                end_attempt(connection, stack, number)
            _change_release(connection, stack, number, "outcome = ?, ended_at = ?", outcome.value, now)
            if quarantined:
                _change_release(connection, stack, number, "quarantined = ?", quarantined)

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

    def await_release(
        self, stack: str, digest: str, revision: str, subject: str, asked_by: str, now: float
    ) -> ReleaseRecord:
        found = self._add(stack, digest, revision, subject, asked_by, now, Outcome.WAITING)
        if found.outcome is Outcome.SUPERSEDED:  # Git came back to it; it is as old as it was
            self._change_release(stack, found.number, "outcome = ?, ended_at = NULL", Outcome.WAITING.value)
            found = replace(found, outcome=Outcome.WAITING, ended_at=None)
        return found

    def approve(self, stack: str, number: int, who: str, now: float) -> None:
        self._write("REPLACE INTO approvals VALUES (?, ?, ?, ?)", (stack, number, who, now))

    def approved_by(self, stack: str, number: int) -> str:
        where = "WHERE stack = ? AND release = ?"
        found = self._database.read(f"SELECT who FROM approvals {where}", (stack, number))
        return str(found[0][0]) if found else ""

    def _change_release(self, stack: str, number: int, change: str, *values: Any) -> None:
        with self._database.write() as connection:
            _change_release(connection, stack, number, change, *values)

    # Passes and steps. A stack may be forgotten by its own last pass, so ending what is gone is fine.

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
                (stack, stack, _KEPT_PASSES),
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
        values = (pass_id, index, service, text, StepState.INTENDED.value, now, None, "")
        self._write(f"REPLACE INTO steps ({rows.STEP}) VALUES ({_places(values)})", values)

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

    # Baselines

    def baselines(self) -> Mapping[str, LiveSettings]:
        def read() -> Mapping[str, LiveSettings]:
            found = self._database.read(f"SELECT {rows.BASELINE} FROM baselines")
            return MappingProxyType({container: rows.settings_of(text) for container, _, text in found})

        return self._remember(("baselines", ""), read)

    def save_baseline(self, container_id: str, stack: str, settings: LiveSettings) -> None:
        if self.baselines().get(container_id) == settings:
            return
        self._write(
            f"REPLACE INTO baselines ({rows.BASELINE}) VALUES (?, ?, ?)",
            (container_id, stack, rows.settings_text(settings)),
        )

    def forget_baselines(self, keep: frozenset[str]) -> None:
        gone = [(container,) for container in self.baselines() if container not in keep]
        if not gone:
            return
        with self._database.write() as connection:
            connection.executemany("DELETE FROM baselines WHERE container_id = ?", gone)

    # Events

    def tell(self, stack: str, severity: str, reason: str, message: str, revision: str, now: float) -> EventRecord:
        values = (now, stack, severity, reason, message, revision)
        with self._database.write() as connection:
            told = connection.execute(
                "INSERT INTO events (at, stack, severity, reason, message, revision) VALUES (?, ?, ?, ?, ?, ?)", values
            )
            event_id = cast(int, told.lastrowid)
            connection.execute("DELETE FROM events WHERE id <= ?", (event_id - _KEPT_EVENTS,))
        return EventRecord(event_id, *values)

    def events(self, after: int = 0, stack: str | None = None, limit: int = 1000) -> tuple[EventRecord, ...]:
        condition, values = ("", ()) if stack is None else (" AND stack = ?", (stack,))
        found = self._database.read(
            f"SELECT {rows.EVENT} FROM events WHERE id > ?{condition} ORDER BY id DESC LIMIT ?",
            (after, *values, limit),
        )
        return tuple(rows.event_of(row) for row in reversed(found))

    # Requests

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
            connection.execute(
                "DELETE FROM requests WHERE handled_at IS NOT NULL AND id <= ?", (request_id - _KEPT_REQUESTS,)
            )
        return request_id

    def requests(self) -> tuple[Request, ...]:
        found = self._database.read(f"SELECT {rows.REQUEST} FROM requests WHERE handled_at IS NULL ORDER BY id")
        return tuple(rows.request_of(row) for row in found)

    def request(self, request_id: int) -> Request | None:
        found = self._database.read(f"SELECT {rows.REQUEST} FROM requests WHERE id = ?", (request_id,))
        return rows.request_of(found[0]) if found else None

    def answer(self, request_id: int, answer: str, now: float) -> None:
        self._write("UPDATE requests SET answer = ?, handled_at = ? WHERE id = ?", (answer, now, request_id))

    def _write(self, sql: str, values: rows.Row) -> None:
        with self._database.write() as connection:
            connection.execute(sql, values)

    def _remember(self, what: tuple[str, str], read: Callable[[], T]) -> T:
        """What a pass with nothing to do asks for again and again is decoded again only after somebody wrote.

        The version is read before the rows: a write in between makes the next call read again, never a stale answer.
        """
        version = self.version()
        if version != self._remembered[0]:
            self._remembered = (version, {})
        answers = self._remembered[1]
        if what not in answers:
            answers[what] = read()
        return cast(T, answers[what])


def _change_release(connection: sqlite3.Connection, stack: str, number: int, change: str, *values: Any) -> None:
    where = "WHERE stack = ? AND number = ?"
    changed = connection.execute(f"UPDATE releases SET {change} {where}", (*values, stack, number))
    if changed.rowcount == 0:
        raise LookupError(f"stack {stack} has no release {number}")


def _details(
    *,
    force: bool = False,
    release: int | None = None,
    reason: str = "",
    until: float | None = None,
    data: Sequence[DataBackup] = (),
) -> rows.Row:
    return (force, release, reason, until, text_of(data))


def _places(values: rows.Row) -> str:
    return ", ".join("?" for _ in values)
