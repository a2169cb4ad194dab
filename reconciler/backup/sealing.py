"""Encrypts dumps to age recipients while they are written, and decrypts them while they are read: a piece at a time.

Keeps no secret: identities are read anew each time from a file that only its owner may read.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from reconciler import age_keys
from reconciler.backup.entry import Backup
from reconciler.backup.store import Store
from reconciler.backup.streaming import Piece, Source
from reconciler.model.errors import ReconcilerError, StalledError


class Sealing:
    """``identity_file``: lines as age-keygen writes them; it need not be there."""

    def __init__(self, identity_file: Path) -> None:
        self._file = identity_file

    @contextmanager
    def sealed(self, recipients: Sequence[str], sink: Piece) -> Iterator[Piece]:
        """What is put into it goes into ``sink``, encrypted where there are recipients. All of it is there only at the end
        of the block. Raises what ``sink`` raises."""
        if not recipients:
            yield sink
            return
        import pyrage

        to = age_keys.recipients(recipients)
        target = _Sink(sink)
        with _writing_to(target, lambda source: pyrage.encrypt_io(source, target, to)) as worker:
            yield worker.put

    @contextmanager
    def opened(self, store: Store, backup: Backup) -> Iterator[Source]:
        """Its content, decrypted. Reading raises StalledError where that cannot be done to the end."""
        with store.opened(backup.name) as file:
            if not backup.recipients:
                yield file
                return
            import pyrage

            self.check(backup)
            keys = age_keys.identities(self._file)
            with _reading_from(lambda target: pyrage.decrypt_io(file, target, keys)) as worker:
                yield worker

    def can_open(self, backup: Backup) -> bool:
        """Raises StalledError where the file of identities is not as it should be."""
        if not backup.recipients:
            return True
        return bool(
            {str(identity.to_public()) for identity in age_keys.identities(self._file)} & set(backup.recipients)
        )

    def check(self, backup: Backup) -> None:
        """Raises StalledError where this host cannot decrypt it."""
        if not self.can_open(backup):
            raise StalledError(self.why_not(backup), reason="NoIdentity")

    def why_not(self, backup: Backup) -> str:
        return (
            f"it is encrypted to {', '.join(backup.recipients)}, and this host has no identity for that; put it into "
            f"{self._file} (mode 0600)"
        )


class _Worker:
    """``work`` is done in a thread of its own; of the pipe between it and us ``ours`` is our end, and ``its`` the other."""

    def __init__(self, work: Callable[[], object], ours: int, its: io.FileIO) -> None:
        self._work = work
        self._ours = ours
        self._its = its
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="age", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001  # raised again in the thread that waits for it
            self._failure = error
        finally:
            with suppress(OSError):
                self._its.close()

    def put(self, piece: memoryview | bytes) -> None:
        left = memoryview(piece)
        try:
            while left:
                left = left[os.write(self._ours, left) :]
        except BrokenPipeError:
            self.close()
            self.check()
            raise

    def read(self, size: int, /) -> bytes:
        piece = os.read(self._ours, size)
        if not piece:
            self._thread.join()
            self.check()
        return piece

    def close(self) -> None:
        """Where we put, the work comes to its end; where we read, it is ended."""
        if self._ours >= 0:
            os.close(self._ours)
            self._ours = -1
        self._thread.join()

    def check(self) -> None:
        """Raises what ended the work too early."""
        if isinstance(self._failure, ReconcilerError):
            raise self._failure
        if self._failure is not None:
            raise StalledError(f"age: {self._failure}", reason="CannotDecrypt") from self._failure


class _Sink:
    """A file for age to write to. What it raises comes back as a text from there, so it is kept."""

    def __init__(self, sink: Piece) -> None:
        self._sink = sink
        self.raised: ReconcilerError | None = None

    def write(self, piece: bytes) -> int:
        try:
            self._sink(piece)
        except ReconcilerError as error:
            self.raised = error
            raise
        return len(piece)

    def flush(self) -> None: ...


@contextmanager
def _writing_to(target: _Sink, work: Callable[[io.FileIO], object]) -> Iterator[_Worker]:
    """``work`` reads what is put into the worker, and writes to ``target``."""
    reading, writing = os.pipe()
    its = io.FileIO(reading, "r")

    def run() -> None:
        try:
            work(its)
        finally:
            if target.raised:
                raise target.raised

    worker = _Worker(run, writing, its)
    try:
        yield worker
    finally:
        worker.close()
    worker.check()


@contextmanager
def _reading_from(work: Callable[[io.FileIO], object]) -> Iterator[_Worker]:
    """What ``work`` writes is read from the worker."""
    reading, writing = os.pipe()
    its = io.FileIO(writing, "w")
    worker = _Worker(lambda: work(its), reading, its)
    try:
        yield worker
    finally:
        worker.close()
