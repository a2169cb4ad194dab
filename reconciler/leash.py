"""A program in a session of its own: streamed, limited in time, and ended whole, with whatever it started.

Its processes are found by its process group, and by a variable that they inherit: that also finds those that left the
group, those inside containers of this host, and those that a killed reconciler left behind. Knows no hook and no action.
"""

from __future__ import annotations

import hashlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from reconciler.model.errors import StalledError

MARK = "RECONCILER_RUN"
GRACE_S = 5.0  # from SIGTERM to SIGKILL
_LOOK_EVERY_S = 0.1
_PROC = Path("/proc")
_PIECE = 64 * 1024

Take = Callable[[bytes], object]


@dataclass(frozen=True, slots=True)
class Program:
    """``environment``: all that it sees, with ``mark`` under MARK. ``given``: what it reads, to its end."""

    arguments: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    folder: Path
    mark: str
    limit_s: float
    grace_s: float = GRACE_S
    given: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Ended:
    """``status``: None where it had to be ended: it took too long, or ``interrupted``: somebody asked."""

    status: int | None
    interrupted: bool = False


def mark_of(root: Path, *words: str) -> str:
    """Of a run of this ``root``, which ``words`` name: roots of one host do not end each other's."""
    return "/".join((hashlib.sha256(str(root).encode()).hexdigest()[:12], *words))


def run(program: Program, take: Take, stop: Callable[[], str], take_errors: Take | None = None) -> Ended:
    """``take`` gets what it says, in pieces, as it comes; without ``take_errors`` its complaints as well. Raises StalledError
    where it cannot be started, and whatever these raise; then it is ended."""
    process = _begin(program, apart=take_errors is not None)
    takes = {
        pipe.fileno(): taker
        for pipe, taker in ((process.stdout, take), (process.stderr, take_errors))
        if pipe and taker
    }
    try:
        return _follow(process, takes, stop, time.monotonic() + program.limit_s)
    finally:
        end_all(program.mark, process, program.grace_s)
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def end_all(mark: str, process: subprocess.Popen[bytes] | None = None, grace_s: float = GRACE_S) -> None:
    """SIGTERM to all that is left of the run ``mark``, and SIGKILL to what is still there a while later."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + grace_s
        if not _signal(sign, mark, process):
            return
        while time.monotonic() < deadline and _signal(0, mark, process):
            time.sleep(0.02)


def _begin(program: Program, *, apart: bool) -> subprocess.Popen[bytes]:
    """What it is given lies in memory, so that nobody waits for it to read, and no disk ever sees it."""
    with open(os.memfd_create("given"), "w+b") as given:
        given.write(program.given)
        given.seek(0)
        return _begin_with(program, given, subprocess.PIPE if apart else subprocess.STDOUT)


def _begin_with(program: Program, given: IO[bytes], errors: int) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            list(program.arguments),
            env={**program.environment, MARK: program.mark},
            cwd=program.folder,
            stdin=given,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
    except OSError as error:
        raise StalledError(
            f"{program.arguments[0]} cannot be run: {error.strerror}; is its first line right (#!/bin/sh), and the "
            "interpreter that it names on this host?",
            reason="HookFailed",
        ) from error


def _follow(
    process: subprocess.Popen[bytes], takes: Mapping[int, Take], stop: Callable[[], str], deadline: float
) -> Ended:
    """What it started may hold a pipe open after it ended; that is not waited for."""
    open_pipes = set(takes)
    while True:
        status = process.poll()
        ready = _readable(open_pipes, 0.0 if status is not None else _LOOK_EVERY_S)
        for pipe in ready:
            if piece := os.read(pipe, _PIECE):
                takes[pipe](piece)
            else:
                open_pipes.discard(pipe)
        if status is not None and not ready:
            return Ended(status)
        if stop():
            return Ended(None, interrupted=True)
        if time.monotonic() > deadline:
            return Ended(None)


def _readable(pipes: Collection[int], within_s: float) -> list[int]:
    """Those with something to read, or at their end."""
    if not pipes:
        time.sleep(within_s)
        return []
    return select.select(list(pipes), [], [], within_s)[0]


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
