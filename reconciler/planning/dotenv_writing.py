"""What an ``env/<stack>.env`` file becomes when variables in it are set: all else in it stays as its owner wrote it.

Values are quoted as Compose reads them, and no more than they need. No message here ever holds a value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from reconciler.model.errors import InvalidInputError, Problem
from reconciler.planning.dotenv import Variable, read_dotenv

_NEEDS_NO_QUOTES = re.compile(r"[\w./:@%+,=-]+", re.ASCII)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_IN_DOUBLE_QUOTES = str.maketrans({"\\": "\\\\", '"': '\\"', "$": "\\$", "\r": "\\r"})


def with_variables(content: bytes, file: str, values: Mapping[str, str], heading: str = "") -> bytes:
    """``content`` with ``values`` in it. A variable that is there gets its new value in its place (the last one, if it is
    set twice); the others come to the end, below ``heading`` as a comment. Comments, order and all other values stay.

    Raises InvalidInputError for a file with problems, which might take in what is added to it, and for a value that no
    variable can hold.
    """
    before = read_dotenv(content, file)
    if problems := (*before.problems, *_impossible(file, values)):
        raise InvalidInputError(problems)
    last = {variable.name: variable for variable in before.variables}
    changed = {name: value for name, value in values.items() if name not in last or last[name].value != value}
    text = _replaced(content.decode("utf-8"), [last[name] for name in changed if name in last], changed)
    text = _appended(text, {name: value for name, value in changed.items() if name not in last}, heading)
    written = text.encode("utf-8")
    _check(written, file, {**before.values, **values}, values)
    return written


def quoted(value: str) -> str:
    """As it stands behind ``NAME=``: bare, in single quotes, or in double ones where those cannot hold it."""
    if _NEEDS_NO_QUOTES.fullmatch(value):
        return value
    if "'" not in value and "\r" not in value and not value.endswith("\\"):
        return f"'{value}'"
    return f'"{value.translate(_IN_DOUBLE_QUOTES)}"'


def _impossible(file: str, values: Mapping[str, str]) -> tuple[Problem, ...]:
    names = [Problem(file, 0, name, "no variable can have this name") for name in values if not _NAME.fullmatch(name)]
    bad = [
        Problem(file, 0, name, "its value holds a NUL character, which no variable can hold")
        for name, value in values.items()
        if "\0" in value
    ]
    return (*names, *bad)


def _replaced(text: str, places: list[Variable], values: Mapping[str, str]) -> str:
    for place in sorted(places, key=lambda variable: variable.span, reverse=True):
        start, end = place.span
        text = text[:start] + quoted(values[place.name]) + text[end:]
    return text


def _appended(text: str, values: Mapping[str, str], heading: str) -> str:
    if not values:
        return text
    ended = text if not text or text.endswith("\n") else f"{text}\n"
    gap = "\n" if ended and heading else ""
    comment = "".join(f"# {line}\n" for line in heading.splitlines())
    return ended + gap + comment + "".join(f"{name}={quoted(value)}\n" for name, value in values.items())


def _check(written: bytes, file: str, wanted: Mapping[str, str], changed: Mapping[str, str]) -> None:
    """A value further down may refer to one that changed (``${NAME}``) and follows it; what was set is what is read."""
    after = read_dotenv(written, file)
    wrong = [name for name in changed if after.values.get(name) != wanted[name]]
    if after.problems or wrong or after.names != wanted.keys():
        told = [
            Problem(file, 0, name, "it cannot be written so that Compose reads it back; set it by hand")
            for name in wrong
        ]
        raise InvalidInputError(
            (*after.problems, *told) or (Problem(file, 0, "", "it cannot be changed; set it by hand"),)
        )
