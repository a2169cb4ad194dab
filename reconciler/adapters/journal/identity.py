"""Which root this is: made once, kept in state.db and in a small file beside it.

Twice, because every container of this root carries it. Were it lost with state.db, all that runs would look like
somebody else's and would never be touched again.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from reconciler import files
from reconciler.adapters.journal.database import Database
from reconciler.adapters.journal.trouble import told

_KEY = "root_id"


def root_id(database: Database) -> str:
    """What state.db says, else what the file says, else a new one. Both say the same afterwards."""
    beside = database.path.with_name("root-id")
    with told(beside):
        written = _read(beside)
        kept = _kept(database) or claim(database, written or secrets.token_hex(8))
        if kept != written:
            _write(beside, kept)
    return kept


def _kept(database: Database) -> str:
    found = database.read("SELECT value FROM meta WHERE key = ?", (_KEY,))
    return str(found[0][0]) if found else ""


def claim(database: Database, identity: str) -> str:
    """The first process that claims an identity gives it to all; what it is."""
    with database.write() as connection:
        connection.execute("INSERT OR IGNORE INTO meta (key, value) VALUES (?, ?)", (_KEY, identity))
    return _kept(database)


def take(database: Database, identity: str) -> None:
    """Be ``identity`` from now on, whatever was claimed before."""
    with database.write() as connection:
        connection.execute("REPLACE INTO meta (key, value) VALUES (?, ?)", (_KEY, identity))
    beside = database.path.with_name("root-id")
    with told(beside):
        _write(beside, identity)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (FileNotFoundError, UnicodeDecodeError):
        return ""


def _write(path: Path, identity: str) -> None:
    files.replace(path, f"{identity}\n".encode("ascii"), path.parent)
