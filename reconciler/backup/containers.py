"""Runs scripts inside containers, their input and output streamed in pieces, and makes throwaway containers.

Through the program ``docker``, whose pipes give both directions and back-pressure. Knows no database.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import BinaryIO

from reconciler.model.errors import StalledError, WaitingError

PIECE = 64 * 1024
LABEL = "io.reconciler.backup"  # on throwaway containers: the root that made them, and may take them away
LABEL_OF = "io.reconciler.backup.of"

_MOST_SAID = 4 * 1024 * 1024  # a line for each table
_SILENCE_S = 1800.0  # an index of a big table is built without a word
_LOOK_EVERY_S = 0.25
_SHORT_S = 120.0

Piece = Callable[[memoryview | bytes], object]


@dataclass(frozen=True, slots=True)
class Script:
    """``text``: of a POSIX shell. ``variables``: its environment; never a password, for others may read them."""

    text: str = field(repr=False)
    variables: Mapping[str, str]
    name: str


@dataclass(frozen=True, slots=True)
class Ended:
    """``out``: "" where it was taken by pieces."""

    status: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Limits:
    memory: str = "1g"
    pids: int = 512
    ready_s: float = 120.0


class Containers:
    """``root_id``: whose throwaway containers are ours. ``stop``: asked while streaming; a reason to leave, "" to go on."""

    def __init__(self, root_id: str, stop: Callable[[], str] = lambda: "", limits: Limits | None = None) -> None:
        self._root_id = root_id
        self._stop = stop
        self._limits = limits or Limits()

    def run(
        self,
        container: str,
        script: Script,
        *,
        source: BinaryIO | None = None,
        sink: Piece | None = None,
        to_its_end: bool = False,
    ) -> Ended:
        """Run it in the container. Raises WaitingError where it says nothing for too long or is to stop (but not
        ``to_its_end``: what is short and must not be half done), and whatever ``sink`` raises; then it is ended."""
        variables = [word for name, value in script.variables.items() for word in ("--env", f"{name}={value}")]
        command = ["docker", "exec", "--interactive", *variables, container, "sh", "-c", script.text, script.name]
        stop = (lambda: "") if to_its_end else self._stop
        return self._stream(command, script.name, source, sink, stop)

    @contextmanager
    def throwaway(self, image: str, stack: str, serve: Script, ready: Script) -> Iterator[str]:
        """A container of ``image`` without a network, always taken away with all that it wrote. ``serve`` is its first
        process. Raises WaitingError where it is not ready in time."""
        container = f"reconciler-backup-{uuid.uuid4().hex[:12]}"
        try:
            self._make(container, image, stack, serve)
            self._await(container, ready)
            yield container
        finally:
            self._docker("rm", "--force", "--volumes", container)

    def sweep(self, stack: str | None = None) -> None:
        """Take away what a process that was killed left behind; all of this root's, or one stack's."""
        labels = [f"label={LABEL}={self._root_id}"] + ([f"label={LABEL_OF}={stack}"] if stack else [])
        filters = [word for label in labels for word in ("--filter", label)]
        found = self._docker("ps", "--all", "--quiet", *filters).out.split()
        if found:
            self._docker("rm", "--force", "--volumes", *found)

    def was_out_of_memory(self, container: str) -> bool:
        """Whether the kernel ended something in it for want of memory."""
        counted = self._docker("exec", container, "cat", "/sys/fs/cgroup/memory.events").out
        told = self._docker("inspect", "--format", "{{.State.OOMKilled}}", container).out
        kills = [line.split()[-1] for line in counted.splitlines() if line.startswith("oom_kill ")]
        return told.strip() == "true" or any(number != "0" for number in kills)

    def _make(self, container: str, image: str, stack: str, serve: Script) -> None:
        limits = self._limits
        variables = [word for name, value in serve.variables.items() for word in ("--env", f"{name}={value}")]
        made = self._docker(
            *("run", "--detach", "--name", container, "--pull", "never", "--network", "none", "--restart", "no"),
            *("--label", f"{LABEL}={self._root_id}", "--label", f"{LABEL_OF}={stack}"),
            *("--memory", limits.memory, "--memory-swap", limits.memory, "--pids-limit", str(limits.pids)),
            *("--cpu-shares", "256", "--no-healthcheck", "--log-driver", "json-file", "--log-opt", "max-size=1m"),
            *(*variables, "--entrypoint", "sh", image, "-c", serve.text, serve.name),
        )
        if made.status:
            raise WaitingError(f"the throwaway container cannot be made: {_last_line(made.err)}", reason="NoThrowaway")

    def _await(self, container: str, ready: Script) -> None:
        ends = time.monotonic() + self._limits.ready_s
        pause_s = 0.1
        while self.run(container, ready).status:
            if self._docker("inspect", "--format", "{{.State.Running}}", container).out.strip() != "true":
                raise WaitingError(
                    f"the throwaway server has ended: {self._last_words(container)}", reason="NoThrowaway"
                )
            if time.monotonic() > ends or self._stop():
                raise WaitingError(
                    f"the throwaway server is not ready: {self._last_words(container)}", reason="NoThrowaway"
                )
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.5, 1.0)

    def _last_words(self, container: str) -> str:
        logged = self._docker("logs", "--tail", "3", container)
        return _last_line(logged.err) or _last_line(logged.out) or "it said nothing"

    def _docker(self, *words: str) -> Ended:
        try:
            done = subprocess.run(
                ["docker", *words], stdin=subprocess.DEVNULL, capture_output=True, timeout=_SHORT_S, check=False
            )
        except FileNotFoundError as error:
            raise _no_docker() from error
        except subprocess.TimeoutExpired as error:
            raise WaitingError(f"docker {words[0]} has not ended within {_SHORT_S:g} s", reason="TimedOut") from error
        return Ended(done.returncode, _text(done.stdout), _text(done.stderr))

    def _stream(
        self,
        command: Sequence[str],
        name: str,
        source: BinaryIO | None,
        sink: Piece | None,
        stop: Callable[[], str],
    ) -> Ended:
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
            raise _no_docker() from error
        out, err = bytearray(), bytearray()
        try:
            self._pump(process, name, source, sink or _bounded(out), _bounded(err), stop)
            status = process.wait(_SHORT_S)
        except subprocess.TimeoutExpired as error:
            raise WaitingError(f"{name} closed its output and did not end", reason="TimedOut") from error
        finally:
            _end(process)
        return Ended(status, _text(bytes(out)), _text(bytes(err)))

    def _pump(
        self,
        process: subprocess.Popen[bytes],
        name: str,
        source: BinaryIO | None,
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

    def __init__(self, source: BinaryIO, pipe: object) -> None:
        self.pipe: BinaryIO = pipe  # type: ignore[assignment]  # unbuffered, so a FileIO
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


def _no_docker() -> StalledError:
    return StalledError("there is no program docker on this host; install docker-cli", reason="ToolMissing")


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
