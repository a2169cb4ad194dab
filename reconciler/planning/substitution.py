"""What Compose makes of ``$NAME`` and ``${NAME...}`` in a value, given the variables that are set."""

from __future__ import annotations

import re
from collections.abc import Mapping

_MOST_NESTED = 20
_SIGN = re.compile(r"\$(?:(?P<escaped>\$)|(?P<named>[_a-zA-Z][_a-zA-Z0-9]*)|(?P<braced>\{))")
_BRACED = re.compile(r"(?P<name>[_a-zA-Z][_a-zA-Z0-9]*)(?:(?P<operator>:?[-+?])(?P<word>[^\n]*))?", re.DOTALL)


class InvalidTemplateError(ValueError):
    """``${`` that no variable follows. Holds no part of the text."""


def substitute(text: str, known: Mapping[str, str], depth: int = 0) -> tuple[str, tuple[str, ...]]:
    """The text with its variables replaced, and the names that were not set and had nothing to stand in for them;
    "" for one that is written without braces, as in ``pa$word``.

    Raises InvalidTemplateError.
    """
    if depth > _MOST_NESTED:
        raise InvalidTemplateError
    parts: list[str] = []
    unset: list[str] = []
    at = 0
    while (found := _SIGN.search(text, at)) is not None:
        parts.append(text[at : found.start()])
        at = found.end()
        if found["escaped"]:
            parts.append("$")
        elif found["named"]:
            parts.append(known.get(found["named"], ""))
            unset.extend([] if found["named"] in known else [""])
        else:
            end = _closing(text, at)
            value, missing = _braced(text[at:end], known, depth)
            parts.append(value)
            unset.extend(missing)
            at = end + 1
    return "".join(parts) + text[at:], tuple(dict.fromkeys(unset))


def _closing(text: str, start: int) -> int:
    """The ``}`` that ends what begins at ``start``, over any ``${...}`` in it."""
    depth = 1
    for at in range(start, len(text)):
        if text[at] == "{" and text[at - 1] == "$":
            depth += 1
        elif text[at] == "}":
            depth -= 1
            if depth == 0:
                return at
    raise InvalidTemplateError


def _braced(inside: str, known: Mapping[str, str], depth: int) -> tuple[str, tuple[str, ...]]:
    found = _BRACED.fullmatch(inside)
    if found is None:
        raise InvalidTemplateError
    name, operator, word = found["name"], found["operator"] or "", found["word"] or ""
    value = known.get(name)
    is_there = bool(value) if operator.startswith(":") else value is not None
    if operator.endswith("-"):
        return (value or "", ()) if is_there else substitute(word, known, depth + 1)
    if operator.endswith("+"):
        return substitute(word, known, depth + 1) if is_there else ("", ())
    return value or "", () if is_there else (name,)
