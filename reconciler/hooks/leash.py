"""A program in a session of its own: streamed, limited in time, and ended whole, with whatever it started.

Its processes are found by its process group, and by a variable that they inherit: that also finds those that left the
group, those inside containers of this host, and those that a killed reconciler left behind. Knows no hook.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.hooks.tail import Tail
from reconciler.model.errors import StalledError

MARK = "RECONCILER_RUN"
GRACE_S = 5.0  # from SIGTERM to SIGKILL
_LOOK_EVERY_S = 0.1
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Program:
    """``environment``: all that it sees, with ``mark`` under MARK."""

    arguments: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    folder: Path
    mark: str
    limit_s: float
    grace_s: float = GRACE_S


@dataclass(frozen=True, slots=True)
class Ended:
    """``status``: None where it had to be ended: it took too long, or ``interrupted``: somebody asked."""

    status: int | None
    interrupted: bool = False


def run(program: Program, tail: Tail, stop: Callable[[], str]) -> Ended:
    """Raises StalledError where it cannot be started."""
    process = _begin(program)
    try:
        return _follow(process, tail, stop, time.monotonic() + program.limit_s)
    finally:
        end_all(program.mark, process, program.grace_s)
        assert process.stdout is not None
        process.stdout.close()


def end_all(mark: str, process: subprocess.Popen[bytes] | None = None, grace_s: float = GRACE_S) -> None:
    """SIGTERM to all that is left of the run ``mark``, and SIGKILL to what is still there a while later."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + grace_s
        if not _signal(sign, mark, process):
            return
        while time.monotonic() < deadline and _signal(0, mark, process):
            time.sleep(0.02)


def _begin(program: Program) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            list(program.arguments),
            env={**program.environment, MARK: program.mark},
            cwd=program.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise StalledError(
            f"{program.arguments[0]} cannot be run: {error.strerror}; is its first line right (#!/bin/sh), and the "
            "interpreter that it names on this host?",
            reason="HookFailed",
        ) from error


def _follow(process: subprocess.Popen[bytes], tail: Tail, stop: Callable[[], str], deadline: float) -> Ended:
    """What it started may hold the pipe open after it ended; that is not waited for."""
    assert process.stdout is not None
    pipe = process.stdout.fileno()
    is_open = True
    while True:
        status = process.poll()
        chunk = _read(pipe, 0.0 if status is not None else _LOOK_EVERY_S) if is_open else None
        if chunk:
            tail.take(chunk)
        elif status is not None:
            return Ended(status)
        elif chunk == b"":
            is_open = False
        elif not is_open:
            time.sleep(_LOOK_EVERY_S)
        if stop():
            return Ended(None, interrupted=True)
        if time.monotonic() > deadline:
            return Ended(None)


def _read(pipe: int, within_s: float) -> bytes | None:
    """None: nothing came. Empty: nothing will come."""
    if not select.select([pipe], [], [], within_s)[0]:
        return None
    return os.read(pipe, 64 * 1024)


def _signal(sign: int, mark: str, process: subprocess.Popen[bytes] | None) -> bool:
    """Whether anybody was there to get it."""
    found = False
    if process is not None:
        process.poll()  # a zombie would count as one of its group
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, sign)
            found = True
    for other in _marked(mark):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(other, sign)
            found = True
    return found


def _marked(mark: str) -> Iterator[int]:
    """Processes that inherited the mark. Not those whose environment nobody but they may read: they are not ours."""
    wanted = f"{MARK}={mark}".encode()
    for folder in _PROC.iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        with suppress(OSError):
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                yield int(folder.name)
