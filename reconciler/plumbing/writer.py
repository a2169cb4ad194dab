"""Tells whether a git that we started still writes to the mirror, even if we were killed in between.

The lock belongs to the open file, which git and its children inherit: it is free only when the last of them is gone.
Then, and only then, are lock files that lie about in the mirror leftovers that may be removed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from reconciler.model.errors import SourceError

_LEAVES_WITHIN_S = 5.0
_LOOK_EVERY_S = 0.02


class WriterLock:
    """One writer at a time: between threads, between processes, and against what a killed process left running.

    ``turn``: a file that only the reconciler itself locks. ``heirs``: a file whose lock git inherits, and in which
    the number of its process group is written.
    """

    def __init__(self, turn: Path, heirs: Path) -> None:
        self._turn = turn
        self._heirs = heirs
        self._threads = threading.Lock()
        self._inherited: int | None = None

    @contextmanager
    def held(self, within_s: float) -> Iterator[None]:
        """Raises SourceError where another process of ours does not come to its end within ``within_s`` seconds."""
        if not self._threads.acquire(timeout=within_s):
            raise _busy(within_s)
        try:
            self._turn.parent.mkdir(parents=True, exist_ok=True)
            with _locked(self._turn, within_s), self._without_orphans():
                yield
        finally:
            self._threads.release()

    def descriptors(self) -> tuple[int, ...]:
        """The open files that git is to inherit."""
        return () if self._inherited is None else (self._inherited,)

    def write_down(self, group: int) -> None:
        if self._inherited is not None:
            os.pwrite(self._inherited, f"{group:<12}".encode(), 0)

    @contextmanager
    def _without_orphans(self) -> Iterator[None]:
        """We hold the turn, so whoever still holds the heirs' file outlived the process that started it."""
        with ExitStack() as stack:
            try:
                descriptor = stack.enter_context(_locked(self._heirs, 0.0))
            except _TakenError:
                self._end_orphan()
                descriptor = stack.enter_context(_locked(self._heirs, _LEAVES_WITHIN_S))
            self._inherited = descriptor
            stack.callback(self._forget)
            yield

    def _forget(self) -> None:
        self._inherited = None

    def _end_orphan(self) -> None:
        written = self._heirs.read_text().strip()
        if written.isdigit() and int(written) > 1:
            # The group cannot have been handed to anybody else: a member of it holds the lock.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(int(written), signal.SIGKILL)


class _TakenError(SourceError):
    reason = "Busy"


@contextmanager
def _locked(path: Path, within_s: float) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + within_s
        while not _try_lock(descriptor):
            if time.monotonic() >= deadline:
                raise _busy(within_s)
            time.sleep(_LOOK_EVERY_S)
        yield descriptor
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _busy(within_s: float) -> _TakenError:
    return _TakenError(f"another git of this root still writes to the mirror after {within_s:g} s")
