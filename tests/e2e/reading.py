"""Somebody who reads a page and types what it says: each command in one shell, in a folder of the page's own.

What is written for everybody (``/srv/reconciler``, ``git.example.com``) is replaced by what is here, in commands and in
what they are to print; ``Reader.here`` is the whole list.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from tests.docs.pages import Block, Command, blocks, is_shown
from tests.e2e.world import eventually

_AT_MOST_S = 120.0  # no command of a page takes as long
_SHELL = """
cd "$(cat "$READER/folder")" && . "$READER/environment"
trap 'pwd >"$READER/folder"; export -p >"$READER/environment"' EXIT
"""


@dataclass
class Reader:
    """``here``: what stands in the pages, and what is typed instead. ``folder``: where he begins. ``forget``: makes the
    host a new one again."""

    home: Path
    folder: Path
    here: Mapping[str, str]
    environment: Mapping[str, str]
    forget: Callable[[], None]
    complaints: list[str] = field(default_factory=list)
    _going_on: list[tuple[str, subprocess.Popen[bytes]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        (self.home / "folder").write_text(f"{self.folder}\n")
        (self.home / "environment").write_text("")

    def read(self, page: str) -> None:
        """All blocks that can be run, in their order."""
        with self._whatever_goes_on_ends():
            for block in blocks(page):
                if block.why_not_run is None:
                    self._type(page, block)

    def _type(self, page: str, block: Block) -> None:
        if block.begins_anew:
            self.forget()
        for command in block.commands:
            if command.status is None:
                self._begin(page, command, block.language)
            else:
                self._run(page, command, block.language)

    def _run(self, page: str, command: Command, language: str) -> None:
        log = self.home / "printed"
        with log.open("wb") as printed:
            process = self._started(command, language, printed)
            try:
                status = process.wait(_AT_MOST_S)
            except subprocess.TimeoutExpired:
                _end(process)
                status = -1
        text = log.read_text(errors="replace")
        if status != command.status or not is_shown(tuple(map(self._as_here, command.shown)), text):
            wanted = "".join(f"\n  | {line}" for line in command.shown)
            self.complaints.append(
                f"{page}:{command.line}: {command.text}\n  ended with {status}, not {command.status}; printed:\n{text}"
                f"{'wanted:' if wanted else ''}{wanted}"
            )

    def _begin(self, page: str, command: Command, language: str) -> None:
        log = self.home / f"going-on-{len(self._going_on)}"
        with log.open("wb") as printed:
            process = self._started(command, language, printed)
        self._going_on.append((f"{page}:{command.line}: {command.text}", process))
        eventually(lambda: log.stat().st_size > 0 or process.poll() is not None)

    def _started(self, command: Command, language: str, printed: BinaryIO) -> subprocess.Popen[bytes]:
        text = self._as_here(command.text)
        script = f"{_SHELL}{'set -e' if language == 'sh' else ''}\n{text}\n"
        return subprocess.Popen(
            ["bash", "-c", script],
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.STDOUT,
            env={**os.environ, **self.environment, "READER": str(self.home), "NO_COLOR": "1", "PATH": _path()},
            start_new_session=True,
        )

    def _as_here(self, text: str) -> str:
        for everywhere, here in self.here.items():
            text = re.sub(rf"(?<![\w.-]){re.escape(everywhere)}(?![\w-])", _by(here), text)
        return text

    @contextmanager
    def _whatever_goes_on_ends(self) -> Iterator[None]:
        """What ended before it was told to was no command that goes on."""
        try:
            yield
            ended = [told for told, process in self._going_on if process.poll() is not None]
            self.complaints += [f"{told}\n  ended by itself" for told in ended]
        finally:
            for _, process in self._going_on:
                _end(process)
            self._going_on.clear()


def _by(text: str) -> Callable[[re.Match[str]], str]:
    """As it is: without a meaning for its backslashes."""
    return lambda _: text


def _end(process: subprocess.Popen[bytes]) -> None:
    """With all that it started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
    process.wait(30)


def _path() -> str:
    """The program that is tested comes first."""
    return f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}"
