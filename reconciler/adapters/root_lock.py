"""One reconciler per root: a lock on ``state/lock`` that the kernel releases when its holder dies, however it dies.

Only what changes containers takes it. Commands that read need none, nor do requests: those are rows in state.db.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from reconciler.model.errors import StalledError

# ``holder`` takes the lock for an instant when it is free; a daemon that starts in that very instant tries again.
_TRIES = 10
_BETWEEN_TRIES_S = 0.02


@dataclass(frozen=True, slots=True)
class Holder:
    """``since``: seconds since the epoch. Both 0 when it has not written them yet."""

    pid: int = 0
    since: float = 0.0


class RootLock:
    """``path``: ``state/lock``. The file stays when the lock is released: removing it would let two hold "the" lock."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self, now: float) -> None:
        """Raises StalledError (AlreadyRunning) naming the process that holds it, or (LockForbidden)."""
        descriptor = _open(self._path)
        # Not inherited by programs we start: a `docker compose` that outlives us must not keep us from coming back.
        if not _lock(descriptor):
            held_by = _read(descriptor)
            os.close(descriptor)
            raise StalledError(_already_running(self._path, held_by), reason="AlreadyRunning")
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()} {now:.3f}\n".encode("ascii"), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Fine if it is not held."""
        if self._descriptor is None:
            return
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)
        self._descriptor = None

    def __enter__(self) -> Self:
        if self._descriptor is None:
            self.acquire(time.time())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def holder(path: Path) -> Holder | None:
    """Who holds the lock now, None where nobody does. What a dead process left written in the file does not count."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(descriptor)
    finally:
        os.close(descriptor)
    return None


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        mend = "Check --root, and that this user owns it"
        if error.errno == errno.EROFS:
            mend = f"See why it may only be read: findmnt -T {path.parent}"
        raise StalledError(
            f"{path} cannot be opened ({error.strerror}). {mend}.",
            reason="LockForbidden",
        ) from error


def _lock(descriptor: int) -> bool:
    for _ in range(_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(_BETWEEN_TRIES_S)
    return False


def _read(descriptor: int) -> Holder:
    try:
        pid, since = os.pread(descriptor, 100, 0).split()
        return Holder(int(pid), float(since))
    except ValueError:
        return Holder()


def _already_running(path: Path, held_by: Holder) -> str:
    who = f"process {held_by.pid}" if held_by.pid else "a process that is just starting"
    return (
        f"Another reconciler already runs for this root: {who} holds {path}. "
        f"Stop that one first; to ask it for something, use `reconciler reconcile`."
    )
