"""Runs a program with its input and output streamed in pieces, both ways at once. Holds no more than a piece of either
direction; knows neither containers nor databases.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Protocol

from reconciler.model.errors import StalledError, WaitingError

PIECE = 64 * 1024
CLOSES_WITHIN_S = 120.0

_MOST_SAID = 4 * 1024 * 1024  # a line for each table
_SILENCE_S = 1800.0  # an index of a big table is built without a word
_LOOK_EVERY_S = 0.25

Piece = Callable[[memoryview | bytes], object]


class Source(Protocol):
    """What is put in: read in pieces to its end."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Ended:
    """``out``: "" where it was taken by pieces."""

    status: int
    out: str
    err: str


def stream(
    command: Sequence[str], name: str, source: Source | None, sink: Piece | None, stop: Callable[[], str]
) -> Ended:
    """Raises WaitingError where it says nothing for too long or is to stop, and whatever ``source`` and ``sink`` raise;
    then it is ended. ``name``: what it is called in messages."""
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL if source is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            bufsize=0,
        )
    except FileNotFoundError as error:
        raise no_docker() from error
    out, err = bytearray(), bytearray()
    try:
        _pump(process, name, source, sink or _bounded(out), _bounded(err), stop)
        status = process.wait(CLOSES_WITHIN_S)
    except subprocess.TimeoutExpired as error:
        raise WaitingError(f"{name} closed its output and did not end", reason="TimedOut") from error
    finally:
        _end(process)
    return Ended(status, text(bytes(out)), text(bytes(err)))


def _pump(
    process: subprocess.Popen[bytes],
    name: str,
    source: Source | None,
    out: Piece,
    err: Piece,
    stop: Callable[[], str],
) -> None:
    """Until both outputs have ended. Holds no more than a piece of either direction."""
    assert process.stdout is not None
    assert process.stderr is not None
    heard_at = time.monotonic()
    with selectors.DefaultSelector() as ready:
        ready.register(process.stdout, selectors.EVENT_READ, out)
        ready.register(process.stderr, selectors.EVENT_READ, err)
        feed = _Feed(source, process.stdin) if source is not None and process.stdin is not None else None
        if feed is not None:
            ready.register(feed.pipe, selectors.EVENT_WRITE, None)
        reading = 2
        while reading:
            for key, _ in ready.select(_LOOK_EVERY_S):
                heard_at = time.monotonic()
                if key.data is None:
                    assert feed is not None
                    if not feed.more():
                        ready.unregister(feed.pipe)
                        feed.pipe.close()
                elif piece := os.read(key.fd, PIECE):
                    key.data(piece)
                else:
                    ready.unregister(key.fileobj)
                    reading -= 1
            if why := stop():
                raise WaitingError(f"{name} was ended, because of {why}", reason="Interrupted")
            if time.monotonic() - heard_at > _SILENCE_S:
                raise WaitingError(f"{name} was ended: nothing came for {_SILENCE_S:g} s", reason="TimedOut")


class _Feed:
    """Puts a file into a pipe, a piece at a time and never waiting."""

    def __init__(self, source: Source, pipe: IO[bytes]) -> None:
        self.pipe = pipe
        self._source = source
        self._left = memoryview(b"")
        os.set_blocking(self.pipe.fileno(), False)

    def more(self) -> bool:
        """False when all is in, or nobody reads any more: how that one ended then says why."""
        if not self._left:
            self._left = memoryview(self._source.read(PIECE))
            if not self._left:
                return False
        try:
            self._left = self._left[os.write(self.pipe.fileno(), self._left) :]
        except BlockingIOError:
            return True
        except BrokenPipeError:
            return False
        return True


def _bounded(into: bytearray) -> Piece:
    """Its beginning: facts come with it, and what goes on for megabytes says nothing new."""

    def take(piece: memoryview | bytes) -> None:
        into.extend(piece[: max(0, _MOST_SAID - len(into))])

    return take


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()


def no_docker() -> StalledError:
    return StalledError("there is no program docker on this host; install docker-cli", reason="ToolMissing")


def text(raw: bytes) -> str:
    return raw.decode(errors="replace")
