"""Runs a program to its end within a time limit and leaves nothing of it behind. Knows no Compose."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from reconciler.model.errors import StalledError, WaitingError

_GRACE_S = 5.0  # to end in order after SIGTERM, before SIGKILL
_MOST_LINES = 200
_LONGEST_LINE = 2000


@dataclass(frozen=True, slots=True)
class Finished:
    status: int
    out: str = field(repr=False)
    err: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Program:
    """``environment`` is all that it sees; it gets no standard input, so it cannot wait for an answer."""

    arguments: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    limit_s: float

    def run(self) -> Finished:
        """Raises WaitingError(reason="TimedOut"), StalledError when it cannot be run at all."""
        process = self._begin(subprocess.PIPE)
        try:
            out, err = process.communicate(timeout=self.limit_s)
        except subprocess.TimeoutExpired as error:
            raise self._timed_out() from error
        finally:
            _end(process)
        return Finished(process.returncode, _text(out), _text(err))

    def run_telling(self, told: Callable[[str], None]) -> Finished:
        """The same, with each line of either output told at once. ``out`` holds the last lines."""
        process = self._begin(subprocess.STDOUT)
        last: deque[str] = deque(maxlen=_MOST_LINES)
        try:
            for line in self._lines(process):
                last.append(line)
                told(line)
            process.wait(_GRACE_S)
        except subprocess.TimeoutExpired as error:
            raise self._timed_out() from error
        finally:
            _end(process)
        return Finished(process.returncode, "\n".join(last), "")

    def _begin(self, errors_to: int) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                list(self.arguments),
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors_to,
                start_new_session=True,
                cwd="/",
            )
        except OSError as error:
            raise StalledError(f"{self.arguments[0]} cannot be run: {error.strerror}", reason="ToolMissing") from error

    def _lines(self, process: subprocess.Popen[bytes]) -> _Lines:
        assert process.stdout is not None
        return _Lines(process.stdout.fileno(), time.monotonic() + self.limit_s, self.arguments)

    def _timed_out(self) -> WaitingError:
        name = os.path.basename(self.arguments[0])
        return WaitingError(f"{name} has not ended within {self.limit_s:g} s and was ended", reason="TimedOut")


class _Lines:
    """The lines of a pipe until its end. Raises subprocess.TimeoutExpired at ``deadline``."""

    def __init__(self, descriptor: int, deadline: float, arguments: Sequence[str]) -> None:
        self._descriptor = descriptor
        self._deadline = deadline
        self._arguments = arguments
        self._begun = b""
        self._ready: deque[str] = deque()
        self._ended = False

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        while not self._ready:
            if self._ended:
                raise StopIteration
            self._read()
        return self._ready.popleft()

    def _read(self) -> None:
        left = self._deadline - time.monotonic()
        if left <= 0 or not select.select([self._descriptor], [], [], left)[0]:
            raise subprocess.TimeoutExpired(list(self._arguments), left)
        chunk = os.read(self._descriptor, 64 * 1024)
        self._ended = not chunk
        *whole, self._begun = (self._begun + chunk).splitlines(keepends=True) or [b""]
        if self._ended or self._begun.endswith((b"\n", b"\r")) or len(self._begun) > _LONGEST_LINE:
            whole, self._begun = [*whole, self._begun], b""
        self._ready.extend(line for line in (_text(part).strip()[:_LONGEST_LINE] for part in whole) if line)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Whatever is left of it and of its children. Compose gets the time to take back what it is in the middle of."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            break
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, sign)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_S)
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")
