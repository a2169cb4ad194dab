"""What SQLite complains of, told as errors of ours: once, here. Opens nothing and mends nothing."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reconciler.model.errors import ReconcilerError, StalledError, WaitingError

_BROKEN = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_REFUSED = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH)
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)

# SQLite maps 32 KiB of shared memory beside the file. With less room than that it tells of an I/O error, not of a
# full disk.
_ROOM_IT_NEEDS = 64 * 1024


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Raises WaitingError (DiskFull, JournalBusy, JournalUnavailable) and StalledError (JournalBroken,
    JournalForbidden). A mistake of ours in SQL is none of these and passes through as it is."""
    try:
        yield
    except sqlite3.Error as error:
        translated = translate(error, path)
        if translated is None:
            raise
        raise translated from error
    except OSError as error:
        raise _from_system(error, path) from error


def is_broken(error: sqlite3.Error) -> bool:
    return _primary_code(error) in _BROKEN


def is_busy(error: sqlite3.Error) -> bool:
    return _primary_code(error) in _BUSY


def translate(error: sqlite3.Error, path: Path) -> ReconcilerError | None:
    code = _primary_code(error)
    if code == sqlite3.SQLITE_FULL:
        return _disk_full(path)
    if code in _BROKEN:
        return StalledError(
            f"{path} is damaged ({error}). The daemon sets it aside at its next start and goes on with a new one: "
            f"restart it. If that repeats, check the disk.",
            reason="JournalBroken",
        )
    if code in _REFUSED:
        return _disk_full(path) if _is_full(path) else _refused(path, str(error))
    if code in _BUSY:
        return WaitingError(f"{path} was locked by another process for too long.", reason="JournalBusy")
    if code == sqlite3.SQLITE_IOERR:
        return _disk_full(path) if _is_full(path) else _unavailable(path, str(error))
    return None


def _primary_code(error: sqlite3.Error) -> int:
    # Only what SQLite itself raised has a code, not what Python's module did. Its lowest byte is the primary one.
    return int(getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF


def _from_system(error: OSError, path: Path) -> ReconcilerError:
    if _is_full(path):
        return _disk_full(path)
    if isinstance(error, PermissionError | NotADirectoryError | IsADirectoryError | FileNotFoundError):
        return _refused(path, error.strerror or type(error).__name__)
    return _unavailable(path, error.strerror or type(error).__name__)


def _disk_full(path: Path) -> WaitingError:
    return WaitingError(
        f"The disk that holds {path} is full. Free some space; what runs goes on running.", reason="DiskFull"
    )


def _unavailable(path: Path, why: str) -> WaitingError:
    return WaitingError(f"{path} cannot be read or written now ({why}). Check the disk.", reason="JournalUnavailable")


def _refused(path: Path, why: str) -> ReconcilerError:
    """Whosever the file is, nobody writes to a file system that was mounted so, by itself after an error of its disk."""
    if not _is_read_only(path):
        return _forbidden(path, why)
    return WaitingError(
        f"{path} cannot be opened ({why}): the file system that holds it may only be read (findmnt -T {path.parent}; dmesg says why, "
        f"where nobody asked for that). What runs goes on running.",
        reason="JournalUnavailable",
    )


def _is_read_only(path: Path) -> bool:
    try:
        return bool(os.statvfs(path.parent).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def _forbidden(path: Path, why: str) -> StalledError:
    owner = _owner(path)
    whose = f"It belongs to {owner}: run this as {owner}" if owner else "Run this as the user that runs the daemon"
    return StalledError(f"{path} cannot be opened ({why}). {whose}, for instance with sudo.", reason="JournalForbidden")


def _owner(path: Path) -> str:
    for place in (path, path.parent, path.parent.parent):
        try:
            return place.owner()
        except (OSError, KeyError):
            continue
    return ""


def _is_full(path: Path) -> bool:
    try:
        state = os.statvfs(path.parent)
        return shutil.disk_usage(path.parent).free < _ROOM_IT_NEEDS or (state.f_files > 0 and state.f_favail == 0)
    except OSError:
        return False
