"""The tables of state.db, and how a file of an older version becomes one of this version.

Only ever add to ``MIGRATIONS``: hosts out there have run the ones that are here. The number of migrations that a file
has seen is its ``PRAGMA user_version``. Nothing here needs a newer SQLite than 3.24 (no RETURNING, no STRICT), because
the enterprise distributions that have Python 3.11 link it with an SQLite that old.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from reconciler.model.errors import StalledError

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
        """CREATE TABLE stacks (
            name TEXT PRIMARY KEY, sync TEXT NOT NULL, health TEXT NOT NULL,
            ready_status TEXT NOT NULL, ready_reason TEXT NOT NULL, ready_message TEXT NOT NULL,
            attempted_revision TEXT NOT NULL, applied_revision TEXT NOT NULL,
            attempted_release INTEGER, applied_release INTEGER, wanted_release INTEGER,
            suspension TEXT, updated_at REAL NOT NULL
        ) WITHOUT ROWID""",
        """CREATE TABLE releases (
            stack TEXT NOT NULL, number INTEGER NOT NULL, digest TEXT NOT NULL, revision TEXT NOT NULL,
            outcome TEXT NOT NULL, created_at REAL NOT NULL, ended_at REAL, subject TEXT NOT NULL,
            asked_by TEXT NOT NULL, quarantined TEXT NOT NULL, images TEXT NOT NULL,
            PRIMARY KEY (stack, number), UNIQUE (stack, digest)
        ) WITHOUT ROWID""",
        # AUTOINCREMENT: an id is never given out twice, although the oldest rows are dropped.
        """CREATE TABLE passes (
            id INTEGER PRIMARY KEY AUTOINCREMENT, stack TEXT NOT NULL, release INTEGER, goal TEXT NOT NULL,
            began_at REAL NOT NULL, ended_at REAL, outcome TEXT NOT NULL
        )""",
        "CREATE INDEX passes_of_stack ON passes (stack, id)",
        "CREATE INDEX passes_open ON passes (stack, id) WHERE ended_at IS NULL",
        """CREATE TABLE steps (
            pass_id INTEGER NOT NULL REFERENCES passes (id) ON DELETE CASCADE, number INTEGER NOT NULL,
            service TEXT NOT NULL, text TEXT NOT NULL, state TEXT NOT NULL,
            began_at REAL NOT NULL, ended_at REAL, error TEXT NOT NULL,
            PRIMARY KEY (pass_id, number)
        ) WITHOUT ROWID""",
        """CREATE TABLE baselines (
            container_id TEXT PRIMARY KEY, stack TEXT NOT NULL, settings TEXT NOT NULL
        ) WITHOUT ROWID""",
        """CREATE TABLE events (
            id INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, stack TEXT NOT NULL, severity TEXT NOT NULL,
            reason TEXT NOT NULL, message TEXT NOT NULL, revision TEXT NOT NULL
        )""",
        "CREATE INDEX events_of_stack ON events (stack, id)",
        """CREATE TABLE requests (
            id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, stack TEXT NOT NULL, who TEXT NOT NULL,
            created_at REAL NOT NULL, force INTEGER NOT NULL, release INTEGER, reason TEXT NOT NULL, until REAL,
            handled_at REAL, answer TEXT NOT NULL
        )""",
        "CREATE INDEX requests_open ON requests (id) WHERE handled_at IS NULL",
    ),
    (
        """CREATE TABLE certificates (
            origin TEXT NOT NULL, name TEXT NOT NULL, state TEXT NOT NULL, domains TEXT NOT NULL, issuer TEXT NOT NULL,
            fingerprint TEXT NOT NULL, not_after REAL NOT NULL, message TEXT NOT NULL, verified_at REAL NOT NULL,
            verified_by TEXT NOT NULL, warned_at REAL NOT NULL, PRIMARY KEY (origin, name)
        ) WITHOUT ROWID""",
        """CREATE TABLE served (
            id INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, service TEXT NOT NULL, domain TEXT NOT NULL,
            fingerprint TEXT NOT NULL, name TEXT NOT NULL, issuer TEXT NOT NULL, not_after REAL NOT NULL
        )""",
        """CREATE TABLE trials (
            domain TEXT PRIMARY KEY, attempts INTEGER NOT NULL, began_at REAL, next_at REAL NOT NULL
        ) WITHOUT ROWID""",
    ),
    (
        """CREATE TABLE attempts (
            stack TEXT NOT NULL, release INTEGER NOT NULL, number INTEGER NOT NULL, is_open INTEGER NOT NULL,
            PRIMARY KEY (stack, release)
        ) WITHOUT ROWID""",
        """CREATE TABLE hooks (
            stack TEXT NOT NULL, release INTEGER NOT NULL, attempt INTEGER NOT NULL, phase TEXT NOT NULL,
            name TEXT NOT NULL, state TEXT NOT NULL, pass_id INTEGER NOT NULL, began_at REAL NOT NULL, ended_at REAL,
            exit_code INTEGER, output TEXT NOT NULL, failed_step TEXT NOT NULL, error TEXT NOT NULL,
            PRIMARY KEY (stack, release, attempt, phase, name)
        )""",
    ),
    (
        """CREATE TABLE backup_runs (
            stack TEXT NOT NULL, plan TEXT NOT NULL, slot REAL NOT NULL, began_at REAL NOT NULL, ended_at REAL,
            failed TEXT NOT NULL, level TEXT NOT NULL, verified_at REAL, verified TEXT NOT NULL, folder TEXT NOT NULL,
            PRIMARY KEY (stack, plan)
        ) WITHOUT ROWID""",
    ),
    ("ALTER TABLE hooks ADD COLUMN domains TEXT NOT NULL DEFAULT ''",),
    ("CREATE TABLE images (id TEXT NOT NULL, name TEXT NOT NULL, PRIMARY KEY (id, name)) WITHOUT ROWID",),
    (
        """CREATE TABLE tracked_images (
            stack TEXT NOT NULL, service TEXT NOT NULL, repository TEXT NOT NULL, policy TEXT NOT NULL, tag TEXT NOT NULL,
            digest TEXT NOT NULL, before TEXT NOT NULL, taken_at REAL NOT NULL, slot REAL NOT NULL, looked_at REAL NOT NULL,
            problem TEXT NOT NULL, attempts INTEGER NOT NULL, retry_at REAL NOT NULL, seen TEXT NOT NULL,
            written TEXT NOT NULL, PRIMARY KEY (stack, service)
        ) WITHOUT ROWID""",
        """CREATE TABLE approvals (
            stack TEXT NOT NULL, release INTEGER NOT NULL, who TEXT NOT NULL, at REAL NOT NULL,
            PRIMARY KEY (stack, release)
        ) WITHOUT ROWID""",
    ),
    (
        """CREATE TABLE data_changes (
            stack TEXT PRIMARY KEY, release INTEGER NOT NULL, back TEXT NOT NULL, forth TEXT NOT NULL
        ) WITHOUT ROWID""",
        "ALTER TABLE requests ADD COLUMN data TEXT NOT NULL DEFAULT '[]'",
    ),
    (
        "ALTER TABLE tracked_images ADD COLUMN waits_for TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE tracked_images ADD COLUMN waits_until REAL NOT NULL DEFAULT 0",
    ),
    (
        """CREATE TABLE marks (
            stack TEXT NOT NULL, name TEXT NOT NULL, salt TEXT NOT NULL, print TEXT NOT NULL,
            making INTEGER NOT NULL, made INTEGER NOT NULL, PRIMARY KEY (stack, name)
        ) WITHOUT ROWID""",
    ),
    (
        "ALTER TABLE marks ADD COLUMN renewed_after INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE marks ADD COLUMN rolls TEXT NOT NULL DEFAULT ''",
    ),
)


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the file to this version, all of it or nothing. Raises StalledError where a newer version wrote it."""
    if _version(connection, path) == len(MIGRATIONS):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Read again inside the transaction: another process may have migrated while this one waited for the lock.
        for number in range(_version(connection, path), len(MIGRATIONS)):
            for statement in MIGRATIONS[number]:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number + 1}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _version(connection: sqlite3.Connection, path: Path) -> int:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > len(MIGRATIONS):
        raise StalledError(
            f"{path} was written by a newer reconciler (schema {version}; this one knows {len(MIGRATIONS)}). "
            f"Install that version again, or move the file away to start without history.",
            reason="JournalTooNew",
        )
    return version
