"""Runs git: nobody's configuration but ours, a limit on its time, and nothing left behind of its process group.

It knows no repository's meaning; it translates nothing but "git failed" and "git took too long".
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import IO

from reconciler.model.errors import SourceError
from reconciler.model.remote import redacted
from reconciler.plumbing.writer import WriterLock

_LAST_WORDS = 16 * 1024  # bytes kept of what git says: a server may say any amount
_MOST_OUTPUT = 64 * 1024 * 1024  # bytes that run() takes of a command that is expected to answer shortly
_GRACE_S = 1.0  # from SIGTERM, on which git removes its lock files, to SIGKILL

# Set for every command. The host's own git configuration is not read: what root runs must not depend on it, and
# hooks, filters, credential helpers and automatic maintenance could come from there.
_CONFIGURATION = {
    "core.hooksPath": os.devnull,
    "core.attributesFile": os.devnull,
    "core.fsmonitor": "false",
    "core.fsync": "committed,reference",
    "credential.helper": "",
    "fetch.recurseSubmodules": "false",
    "fetch.unpackLimit": "1",  # packs only: a handful of files, so that looking at all of them is cheap
    "gc.auto": "0",
    "maintenance.auto": "false",
    "safe.directory": "*",
}
_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
    "LANGUAGE": "",
}
_INHERITED_GIT = frozenset({"GIT_EXEC_PATH"})  # where a git outside the usual places finds its own parts


class GitFailedError(SourceError):
    """git ended with an error. ``said``: the end of its standard error, logins taken out."""

    def __init__(self, command: str, status: int, said: str) -> None:
        last_line = next((line for line in reversed(said.splitlines()) if line.strip()), f"exit status {status}")
        super().__init__(f"git {command}: {last_line.strip()}")
        self.said = said
        self.status = status


class GitTimeLimitError(SourceError):
    """git was ended because it took too long."""

    reason = "FetchTimedOut"


@dataclass(frozen=True, slots=True)
class Git:
    """git on the bare repository ``folder``. ``limit_s`` bounds every command.

    ``environment`` and ``configuration`` come on top of the hardened defaults; both travel in the process environment
    and never on a command line. ``writer``: held by git and its children as long as any of them lives.
    """

    folder: Path
    limit_s: float = 60.0
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    configuration: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    writer: WriterLock | None = None

    def on(self, folder: Path) -> Git:
        return replace(self, folder=folder)

    def run(self, *arguments: str, stdin: bytes = b"", strict: bool = False) -> bytes:
        """What git wrote. Raises GitFailedError, GitTimeLimitError.

        ``strict``: any error that git tells of counts, for some commands tell of them and end with status 0.
        """
        with self.stream(*arguments, stdin=stdin, strict=strict) as output:
            answer = output.read(_MOST_OUTPUT + 1)
            if len(answer) > _MOST_OUTPUT:
                raise SourceError(f"git {arguments[0]} answers more than {_MOST_OUTPUT} bytes")
            return answer

    @contextmanager
    def stream(self, *arguments: str, stdin: bytes = b"", strict: bool = False) -> Iterator[IO[bytes]]:
        """git's standard output, to be read inside the ``with``; its failure is raised at the end of it.

        A reader that meets the end too early raises EOFError; what made git stop is then raised in its place.
        """
        process = self._start(arguments, stdin)
        leash = _Leash(process, self.limit_s)
        leash.start()
        cut_short = False
        try:
            assert process.stdout is not None
            yield process.stdout
            # Read to the end, so that git is not ended by a closed pipe when the caller has all it wants.
            while process.stdout.read(64 * 1024):
                pass
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        except EOFError:
            cut_short = True
        finally:
            status = leash.end()
        if leash.expired:
            raise GitTimeLimitError(f"git {arguments[0]} was ended after its time limit of {self.limit_s:g} s")
        if status != 0 or (strict and "error:" in leash.said):
            raise GitFailedError(arguments[0], status, redacted(leash.said))
        if cut_short:
            raise GitFailedError(arguments[0], status, "its answer ends in the middle")

    def _start(self, arguments: tuple[str, ...], stdin: bytes) -> subprocess.Popen[bytes]:
        with _input(stdin) as source:
            try:
                process = subprocess.Popen(
                    ("git", *arguments),
                    cwd="/",
                    env=self._whole_environment(),
                    stdin=source,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    start_new_session=True,
                    pass_fds=() if self.writer is None else self.writer.descriptors(),
                )
            except FileNotFoundError as error:
                raise SourceError("git is not installed on this host", reason="ToolMissing") from error
        if self.writer is not None:
            self.writer.write_down(process.pid)
        return process

    def _whole_environment(self) -> dict[str, str]:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name in _INHERITED_GIT or not name.startswith(("GIT_", "SSH_ASKPASS", "LC_"))
        }
        configuration = {**_CONFIGURATION, **self.configuration}
        named = {"GIT_CONFIG_COUNT": str(len(configuration)), "GIT_DIR": str(self.folder)}
        for index, (key, value) in enumerate(configuration.items()):
            named[f"GIT_CONFIG_KEY_{index}"] = key
            named[f"GIT_CONFIG_VALUE_{index}"] = value
        return {**inherited, **_ENVIRONMENT, **named, **self.environment}


@contextmanager
def _input(content: bytes) -> Iterator[IO[bytes] | int]:
    """A file rather than a pipe: git may answer before it has read all, and nobody would be there to listen."""
    if not content:
        yield subprocess.DEVNULL
        return
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.seek(0)
        yield file


class _Leash(threading.Thread):
    """Keeps the end of what a process says on standard error, and ends its whole group at the time limit."""

    def __init__(self, process: subprocess.Popen[bytes], limit_s: float) -> None:
        super().__init__(name="git-leash", daemon=True)
        self.expired = False
        self._process = process
        self._deadline = time.monotonic() + limit_s
        self._ended = threading.Event()
        self._tail = b""

    @property
    def said(self) -> str:
        """What a server sends may end on somebody's terminal, so nothing in it may steer one."""
        text = self._tail.decode("utf-8", "replace")
        return "".join(character if character.isprintable() or character == "\n" else " " for character in text)

    def run(self) -> None:
        if self._ends_by(self._deadline):
            return
        self.expired = True
        self._signal(signal.SIGTERM)
        if not self._ends_by(time.monotonic() + _GRACE_S):
            self._signal(signal.SIGKILL)

    def end(self) -> int:
        """Leave nothing of the group behind, then the exit status. The leader is not reaped before, so that its
        group's number cannot belong to anybody else yet."""
        self._signal(signal.SIGKILL)
        self._ended.set()
        self.join()
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
        return self._process.wait()

    def _ends_by(self, deadline: float) -> bool:
        self._listen_until(deadline)
        return self._ended.wait(max(0.0, deadline - time.monotonic()))

    def _listen_until(self, deadline: float) -> None:
        assert self._process.stderr is not None
        descriptor = self._process.stderr.fileno()
        while (left := deadline - time.monotonic()) > 0:
            if not select.select([descriptor], [], [], left)[0]:
                return
            chunk = os.read(descriptor, 64 * 1024)
            if not chunk:
                return
            self._tail = (self._tail + chunk)[-_LAST_WORDS:]

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)
