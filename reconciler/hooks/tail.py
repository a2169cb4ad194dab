"""The end of what a hook says: told line by line as it comes, without a secret, and never more than is worth keeping."""

from __future__ import annotations

from collections.abc import Callable

KEPT = 64 * 1024  # characters
_MOST_TOLD = 1000  # lines: who says more is not watched line by line
_LONGEST_LINE = 4096
_LONGEST_SECRET = 1024  # of a line that is told in pieces, so much is held back, lest a secret is cut in two


class Tail:
    """``told`` takes each line, ``clean`` takes the secrets out of a text."""

    def __init__(self, told: Callable[[str], None], clean: Callable[[str], str]) -> None:
        self._told = told
        self._clean = clean
        self._begun = ""
        self._kept = ""
        self._lines = 0

    def take(self, raw: bytes) -> None:
        self._begun += raw.decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n")
        *lines, self._begun = self._begun.split("\n")
        for line in lines:
            self._take_line(line)
        while len(self._begun) > _LONGEST_LINE + _LONGEST_SECRET:
            cleaned = self._clean(self._begun)
            self._take_line(cleaned[:_LONGEST_LINE])
            self._begun = cleaned[_LONGEST_LINE:]

    def end(self) -> str:
        """All that is kept, cleaned once more as a whole: a secret may go over several lines."""
        if self._begun:
            self._take_line(self._begun)
            self._begun = ""
        return self._clean(self._kept).strip("\n")

    def _take_line(self, line: str) -> None:
        line = "".join(sign for sign in self._clean(line) if sign == "\t" or sign.isprintable())
        self._kept = f"{self._kept}{line}\n"
        if len(self._kept) > KEPT:
            cut = self._kept[-KEPT:]
            self._kept = cut.partition("\n")[2] or cut
        self._lines += 1
        if self._lines <= _MOST_TOLD and line:
            self._told(line)
        elif self._lines == _MOST_TOLD + 1:
            self._told("(it says more than is shown here; the end is in history --steps)")
