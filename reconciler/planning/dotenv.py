"""Reads ``NAME=value`` files as Compose's dotenv does: which names are set, to what, and what is wrong on which line.

Compose reads these files itself; this reading serves to mask secrets and to name mistakes before Compose does, whose
own messages print values. No message here ever holds a value. The rules are compose-go's (``dotenv`` and ``template``).
"""

from __future__ import annotations

import re
import unicodedata
from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from reconciler.model.errors import Problem
from reconciler.planning.substitution import InvalidTemplateError, substitute

_MOST_BYTES = 1024 * 1024
_MOST_TOLD = 100  # problems, and warnings: nobody reads more, and a file of nothing else must not fill the memory
_BOM = "\ufeff"
_BLANK = "\t\v\f\r \x85\xa0"  # what may stand around a name and before a value
_SPACE = (
    _BLANK + "\n\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
_EXPORT = re.compile(r"export[\t\n\f\r ]+")
_ESCAPE = re.compile(r'\\(?:[abcfnrtv$"\\]|0\d{0,3})')
_ESCAPED = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    '"': '"',
    "\\": "\\",
    "$": "$$",
}


@dataclass(frozen=True, slots=True)
class Variable:
    """``line``: where its name stands, from 1. ``span``: where its value is written in the decoded file, quotes included."""

    name: str
    value: str = field(repr=False)
    line: int
    span: tuple[int, int] = field(default=(0, 0), repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class DotEnv:
    """``variables``: as written, so a name that is set twice is here twice and the last one counts.

    ``problems``: what Compose refuses, or what cannot be meant. ``warnings``: what Compose takes otherwise than most
    people expect. ``whole``: not where some of the file could not be read, which may set what is not here.
    """

    variables: tuple[Variable, ...]
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    whole: bool = True

    @property
    def values(self) -> Mapping[str, str]:
        return MappingProxyType({variable.name: variable.value for variable in self.variables})

    @property
    def names(self) -> frozenset[str]:
        return frozenset(variable.name for variable in self.variables)


def read_dotenv(content: bytes, file: str, known: Mapping[str, str] | None = None) -> DotEnv:
    """``known``: variables that ``${NAME}`` in a value may refer to besides those above it in the file. Never raises."""
    if len(content) > _MOST_BYTES:
        return _unreadable(file, 0, f"the file is larger than {_MOST_BYTES // 1024} KiB; it cannot be meant as it is")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return _unreadable(file, line, f"byte {error.start} of the file is not UTF-8; save the file as UTF-8")
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        return _unreadable(file, line, "a NUL character, which no variable can hold; take it out")
    reader = _Reader(text, file, known or {})
    reader.read()
    return DotEnv(tuple(reader.variables), tuple(reader.problems), tuple(reader.warnings), reader.whole)


def _unreadable(file: str, line: int, message: str) -> DotEnv:
    return DotEnv((), (Problem(file, line, "", message),), whole=False)


class _Reader:
    """Walks over the text once; what cannot be understood is told and skipped to the end of its line."""

    def __init__(self, text: str, file: str, known: Mapping[str, str]) -> None:
        self.variables: list[Variable] = []
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self.whole = True
        self._file = file
        self._values: dict[str, str] = {}
        self._all = ChainMap(dict(known), self._values)
        self._lines: dict[str, int] = {}
        self._at = 0
        self._counted = (0, 1)  # a position, and its line
        self._text = text
        if text.startswith(_BOM):
            self._at = 1
            self._warn(1, "", "the file begins with a byte order mark; save it without one, for other programs")

    def read(self) -> None:
        while self._skip_to_statement():
            self._statement()

    def _skip_to_statement(self) -> bool:
        while True:
            self._skip(_SPACE)
            if self._at >= len(self._text):
                return False
            if self._text[self._at] != "#":
                return True
            self._at = self._line_end()

    def _statement(self) -> None:
        line = self._line()
        exported = _EXPORT.match(self._text, self._at)
        if exported is not None:
            self._at = exported.end()
        name = self._name(line)
        if name is None:
            self._at = self._line_end()
            return
        self._skip(_BLANK)
        start = self._at
        quote = self._text[start : start + 1]
        if quote not in ("'", '"'):
            bare = self._unquoted()
            self._set(name, self._replaced(bare, name, line), line, (start, start + len(bare)))
            return
        written = self._quoted(quote, line, name)
        if written is not None and quote == '"':
            written = self._replaced(_ESCAPE.sub(_escaped, written), name, line)
        self._set(name, written, line, (start, self._at))

    def _name(self, line: int) -> str | None:
        """The name, and the position after its ``=``; None where there is none to set."""
        end = next((at for at in range(self._at, self._line_end()) if not self._may_name(self._text[at])), -1)
        name = self._text[self._at : self._line_end() if end < 0 else end].strip(_SPACE)
        # What stands here may be a line of a key that was pasted without quotes, so it is never shown.
        if end < 0:
            self._warn(line, "", "a line without = sets nothing; write NAME=value, a value of several lines in quotes")
        elif self._text[end] not in "=:":
            column = end - self._text.rfind("\n", 0, end)
            self._refuse(line, "", f"column {column} holds a character that no name may have; write NAME=value")
        elif not name:
            self._refuse(line, "", f'a "{self._text[end]}" without a name before it')
        elif " " in name:
            self._refuse(line, "", "a space in the name; write NAME=value, one variable a line")
        else:
            self._at = end + 1
            return name
        return None

    @staticmethod
    def _may_name(character: str) -> bool:
        return character in _BLANK or character in "_.-[]" or unicodedata.category(character)[0] in "LN"

    def _unquoted(self) -> str:
        end = self._line_end()
        value = self._text[self._at : end].partition(" #")[0].rstrip(_SPACE)
        self._at = end
        return value

    def _quoted(self, quote: str, line: int, name: str) -> str | None:
        """Up to the same quote; a backslash keeps one from ending it. None where the file ends first."""
        start = at = self._at + 1
        parts: list[str] = []
        while at < len(self._text):
            character = self._text[at]
            if character == "\\" and at + 1 < len(self._text):
                parts.append(self._text[start:at] + ("" if self._text[at + 1] == quote else "\\"))
                start, at = at + 1, at + 2
            elif character == quote:
                self._at = at + 1
                self._check_rest(line, name)
                return "".join(parts) + self._text[start:at]
            else:
                at += 1
        self._refuse(line, name, f"a value is opened with {quote} on this line and never closed")
        self._at = len(self._text)
        self.whole = False
        return None

    def _check_rest(self, line: int, name: str) -> None:
        rest = self._text[self._at : self._line_end()].strip(_SPACE)
        if rest and not rest.startswith("#"):
            self._warn(line, name, "what follows the closing quote is not part of the value")

    def _replaced(self, text: str, name: str, line: int) -> str | None:
        """With its variables replaced; None where Compose refuses it."""
        try:
            value, unset = substitute(text, self._all)
        except InvalidTemplateError:
            message = '"${" begins no variable; write $$ for a plain dollar sign, or put the value in single quotes'
            self._refuse(line, name, message)
            return None
        for missing in unset:
            # Without braces it may be part of a password, so it is not named.
            which = f"${{{missing}}}" if missing else "a $ begins the name of a variable that"
            message = f"{which} is not set and becomes nothing; for a plain dollar sign write $$, or use single quotes"
            self._warn(line, name, message)
        return value

    def _set(self, name: str, value: str | None, line: int, span: tuple[int, int]) -> None:
        if value is None:
            return
        first = self._lines.setdefault(name, line)
        if first != line:
            self._warn(line, name, f"it is set on line {first} already; the last one counts")
        self._values[name] = value
        self.variables.append(Variable(name, value, line, span))

    def _skip(self, characters: str) -> None:
        while self._at < len(self._text) and self._text[self._at] in characters:
            self._at += 1

    def _line_end(self) -> int:
        end = self._text.find("\n", self._at)
        return len(self._text) if end < 0 else end

    def _line(self) -> int:
        at, line = self._counted
        self._counted = (self._at, line + self._text.count("\n", at, self._at))
        return self._counted[1]

    def _refuse(self, line: int, name: str, message: str) -> None:
        if len(self.problems) < _MOST_TOLD:
            self.problems.append(Problem(self._file, line, name, message))

    def _warn(self, line: int, name: str, message: str) -> None:
        if len(self.warnings) < _MOST_TOLD:
            self.warnings.append(Problem(self._file, line, name, message))


def _escaped(found: re.Match[str]) -> str:
    sign = found[0][1:]
    if sign.startswith("0"):
        return _octal(sign[1:])
    return _ESCAPED.get(sign, found[0])


def _octal(digits: str) -> str:
    """Compose takes three digits of at most 0o377; of anything else it keeps all but the zero."""
    if len(digits) != 3 or not set(digits) <= set("01234567") or int(digits, 8) > 0o377:
        return "\\" + digits
    return chr(int(digits, 8))
