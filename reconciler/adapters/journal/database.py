"""One connection to state.db behind one lock: opens, reads, writes durably, tells whether anybody wrote.

Knows nothing of records. One connection and not one per thread, since SQLite lets one writer in at a time anyway, a
pass writes a few rows a second, and ``PRAGMA data_version`` then tells exactly the writes of other processes.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from reconciler.adapters.journal.rows import Row
from reconciler.adapters.journal.salvage import salvage, set_aside
from reconciler.adapters.journal.schema import migrate
from reconciler.adapters.journal.trouble import is_broken, is_busy, told
from reconciler.model.errors import StalledError

Synchronous = Literal["FULL", "OFF"]
T = TypeVar("T")

_BUSY_TIMEOUT_S = 10.0
_LOG_LIMIT_BYTES = 4 * 1024 * 1024


class Database:
    """``recovered_from``: where the damaged file lies that this one replaces, None where there was none.

    ``mend``: check the whole file and set it aside when it is damaged. Only for the holder of the root's lock: for
    others the file would vanish from under the daemon, which would go on writing to what nobody reads.
    """

    def __init__(self, path: Path, *, synchronous: Synchronous, mend: bool) -> None:
        self.path = path
        self.recovered_from: Path | None = None
        self._lock = threading.RLock()
        self._own_writes = 0
        self._remembered: tuple[int, dict[tuple[str, str], Any]] = (-1, {})
        with told(path):
            self._connection = self._open(synchronous, mend)

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def read(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        with self._lock, told(self.path):
            return self._connection.execute(sql, values).fetchall()

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One transaction: durable when this returns, undone when anything raises."""
        with self._lock, told(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            finally:
                # A full disk makes SQLite roll back by itself.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
            self._own_writes += 1

    def version(self) -> int:
        """Grows with every write, whoever wrote."""
        with self._lock, told(self.path):
            foreign = self._connection.execute("PRAGMA data_version").fetchone()[0]
            return int(foreign) + self._own_writes

    def remembered(self, what: tuple[str, str], read: Callable[[], T]) -> T:
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

    def _open(self, synchronous: Synchronous, mend: bool) -> sqlite3.Connection:
        try:
            return self._connect(synchronous, check=mend)
        except sqlite3.DatabaseError as error:
            if not (mend and is_broken(error)):
                raise
        self.recovered_from = set_aside(self.path)
        connection = self._connect(synchronous, check=False)
        salvage(self.recovered_from, connection)
        return connection

    def _connect(self, synchronous: Synchronous, *, check: bool) -> sqlite3.Connection:
        _make_private(self.path)
        connection = sqlite3.connect(self.path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        try:
            connection.execute(f"PRAGMA synchronous = {synchronous}")
            connection.execute(f"PRAGMA journal_size_limit = {_LOG_LIMIT_BYTES}")
            connection.execute("PRAGMA foreign_keys = ON")
            _use_write_ahead_log(connection)
            if check:
                _check(connection)
            migrate(connection, self.path)
        except BaseException:
            connection.close()
            raise
        return connection


def _make_private(path: Path) -> None:
    """The log and the shared memory beside the file get its mode from SQLite.

    The file is never opened and closed here when it exists: closing any descriptor of a file drops all POSIX locks
    that this process holds on it, those of another connection included.
    """
    if not path.parent.parent.is_dir():
        raise StalledError(
            f"There is no folder {path.parent.parent}. Name the root with --root, or make it with `reconciler init`.",
            reason="NoRoot",
        )
    path.parent.mkdir(mode=0o700, exist_ok=True)
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        if path.stat().st_mode & 0o077:
            with suppress(PermissionError):
                path.chmod(0o600)


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """SQLite does not wait here, whatever the busy timeout, and two processes may make the file at once."""
    last = time.monotonic() + _BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() > last:
                raise
        time.sleep(0.01)


def _check(connection: sqlite3.Connection) -> None:
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        damage = sqlite3.DatabaseError(found)
        damage.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise damage
