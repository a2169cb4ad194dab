"""The pages that people read, and the blocks in them: what a test runs, validates or parses. Runs nothing itself.

A block of the language ``console`` holds commands (lines that begin with ``$ ``, continued after a backslash) and below
each what it prints: every line shown must be printed, in this order, ``…`` standing for anything. A block of the language
``sh`` is a script. An HTML comment right above a block says what is not plain of it:

    <!-- docs: not run: REASON -->   nobody runs it
    <!-- docs: ends with 1 -->       the exit status of its last command, where it is not 0
    <!-- docs: goes on -->           its last command ends only when it is told to
    <!-- docs: on a new host -->     where no host.yaml is yet, whatever the blocks above it did
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
RUNNABLE = ("console", "sh")

_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>[\w-]*)$")
_MARK = re.compile(r"^ *<!-- docs: (?P<mark>.+) -->$")
_ENDS_WITH = re.compile(r"ends with (\d+)$")
_NOT_RUN = "not run: "
_GOES_ON = "goes on"
_ON_A_NEW_HOST = "on a new host"


@dataclass(frozen=True, slots=True)
class Command:
    """``shown``: the lines below it. ``status``: what it must end with; None where it goes on."""

    text: str
    line: int
    shown: tuple[str, ...] = ()
    status: int | None = 0


@dataclass(frozen=True, slots=True)
class Block:
    """``line``: of its first line of text, counted from 1."""

    page: str
    line: int
    language: str
    lines: tuple[str, ...]
    mark: str = ""

    @property
    def text(self) -> str:
        return "".join(f"{line}\n" for line in self.lines)

    @property
    def why_not_run(self) -> str | None:
        return self.mark.removeprefix(_NOT_RUN) if self.mark.startswith(_NOT_RUN) else None

    @property
    def begins_anew(self) -> bool:
        return self.mark == _ON_A_NEW_HOST

    @property
    def commands(self) -> tuple[Command, ...]:
        if self.language not in RUNNABLE:
            return ()
        found = _console(self) if self.language == "console" else [Command(self.text, self.line)]
        *before, last = found
        return (*before, Command(last.text, last.line, last.shown, self._last_status()))

    def _last_status(self) -> int | None:
        if self.mark == _GOES_ON:
            return None
        told = _ENDS_WITH.match(self.mark)
        return int(told[1]) if told else 0

    @property
    def is_marked_as_known(self) -> bool:
        """Whether its mark, if it has one, is one of those above."""
        known = ("", _GOES_ON, _ON_A_NEW_HOST)
        return self.mark in known or bool(self.why_not_run or _ENDS_WITH.match(self.mark))


def pages() -> tuple[str, ...]:
    """All that people read, relative to the checkout."""
    found = [*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/**/*.md"), *CHECKOUT.glob("hooks/*.md")]
    return tuple(sorted(str(path.relative_to(CHECKOUT)) for path in found))


def text_of(page: str) -> str:
    return (CHECKOUT / page).read_text(encoding="utf-8")


def blocks(page: str) -> tuple[Block, ...]:
    return tuple(blocks_of(page, text_of(page)))


def blocks_of(page: str, text: str) -> Iterator[Block]:
    """Raises ValueError for a block that does not end."""
    lines, mark, number = text.splitlines(), "", 0
    while number < len(lines):
        opened, marked = _FENCE.match(lines[number]), _MARK.match(lines[number])
        number += 1
        if opened:
            end = _end(page, lines, number, opened["indent"])
            inner = tuple(line.removeprefix(opened["indent"]) for line in lines[number:end])
            yield Block(page, number + 1, opened["language"], inner, mark)
            number = end + 1
        mark = marked["mark"] if marked else ""


def prose(page: str) -> str:
    """The page without its blocks, with as many lines."""
    text, within = [], False
    for line in text_of(page).splitlines():
        is_fence = bool(_FENCE.match(line))
        text.append("" if within or is_fence else line)
        within = within is not is_fence
    return "\n".join(text)


def _end(page: str, lines: list[str], first: int, indent: str) -> int:
    for number in range(first, len(lines)):
        if lines[number] == f"{indent}```":
            return number
    raise ValueError(f"{page}:{first}: this block does not end")


def _console(block: Block) -> list[Command]:
    """Raises ValueError where it does not begin with a command."""
    found: list[Command] = []
    lines = iter(enumerate(block.lines, block.line))
    for number, line in lines:
        if line.startswith("$ "):
            text = line.removeprefix("$ ")
            while text.endswith("\\"):
                text = f"{text}\n{next(lines)[1]}"
            found.append(Command(text, number))
        elif not found:
            raise ValueError(f"{block.page}:{number}: a console block begins with a command: $ …")
        else:
            last = found.pop()
            found.append(Command(last.text, last.line, (*last.shown, line)))
    return found


def is_shown(wanted: tuple[str, ...], printed: str) -> bool:
    """Whether all lines ``wanted`` are printed, in their order. Spaces count as one; ``…`` stands for anything."""
    rest = iter([" ".join(line.split()) for line in printed.splitlines()])
    patterns = (".*".join(map(re.escape, " ".join(line.split()).split("…"))) for line in wanted if line.strip(" …"))
    return all(any(re.fullmatch(pattern, line) for line in rest) for pattern in patterns)
