"""A person at a terminal: types an answer whenever the question for it is there, and reads all that is printed."""

from __future__ import annotations

import os
import pty
import re
import select
import time
from collections.abc import Mapping, Sequence

_AT_MOST_S = 120.0


class Terminal:
    """A program on a pseudo-terminal of its own. ``printed``: all of it until now."""

    def __init__(self, words: Sequence[str], environment: Mapping[str, str]) -> None:
        self.printed = ""
        self._read = 0
        self._pid, self._end = pty.fork()
        if self._pid == 0:
            os.execvpe(words[0], list(words), dict(environment))

    def answer(self, question: str, text: str) -> None:
        """``question``: a regular expression that the program's words from here on must come to."""
        self.await_words(question)
        self.type(text)

    def type(self, text: str) -> None:
        os.write(self._end, f"{text}\n".encode())

    def await_words(self, words: str) -> str:
        """What the first group of them that matched stands for, "" where they have none."""
        end = time.monotonic() + _AT_MOST_S
        while (found := re.search(words, self.printed[self._read :])) is None:
            if not self._take(end):
                raise AssertionError(f"it never said {words!r}; it said:\n{self.printed}")
        self._read += found.end()
        return next((group for group in found.groups() if group), "")

    def status(self) -> int:
        """Reads to the end."""
        end = time.monotonic() + _AT_MOST_S
        while self._take(end):
            pass
        _, status = os.waitpid(self._pid, 0)
        os.close(self._end)
        return os.waitstatus_to_exitcode(status)

    def _take(self, until: float) -> bool:
        """False where nothing more comes."""
        if not select.select([self._end], [], [], max(0.0, until - time.monotonic()))[0]:
            return False
        try:
            piece = os.read(self._end, 4096)
        except OSError:  # how Linux says that the other side is closed
            return False
        self.printed += piece.decode(errors="replace").replace("\r\n", "\n")
        return bool(piece)
