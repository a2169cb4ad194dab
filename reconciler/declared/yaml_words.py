"""Says in an operator's words what PyYAML's scanner found wrong, and on which line the mistake was made."""

from __future__ import annotations

import re

import yaml

from reconciler.model.errors import Problem

TABBED = "a tab indents this line; YAML wants spaces"
TOO_DEEP = "lists or mappings are nested far too deeply here"

_MOST_SHOWN = 60
_INDENT_WITH_TAB = re.compile(r" *\t")

# What the scanner says, and the same in words that lead to the mistake. The first that matches counts.
_PLAIN_WORDS = (
    (
        "mapping values are not allowed",
        'a ":" where none may be: the line is indented too far, the line above lacks its ":", or a text with ": " in it '
        "needs quotes",
    ),
    ("could not find expected ':'", 'this line lacks its ":", or a quote or bracket above it is not closed'),
    ("unexpected end of stream", "a quote is opened on this line and never closed"),
    (
        "did not find expected key",
        "the line is indented wrongly, something follows a closing quote, or a quote or bracket above is not closed",
    ),
    ("did not find expected '-' indicator", 'the list above goes on with "-" in its own column'),
    ("did not find expected ',' or ']'", 'a list is opened with "[" on this line and not closed, or lacks a comma'),
    ("did not find expected ',' or '}'", 'a mapping is opened with "{" on this line and not closed, or lacks a comma'),
    ("did not find expected node content", "a value is missing, or begins with a character that needs quotes"),
    ("cannot start any token", "a text that begins with @, ` or % needs quotes"),
    ("block sequence entries are not allowed", 'a "-" where none may be: put the list on its own lines'),
    ("expected alphabetic or numeric character", 'a text that begins with * or & needs quotes, as in "*"'),
    ("unknown escape character", 'an unknown escape after "\\" in double quotes: double it, or use single quotes'),
)
# Noticed far below the line that was left unfinished, which is where the scanner's context begins.
_MADE_ABOVE = ("could not find expected ':'", "unexpected end of stream", "expected ',' or")


def what_broke(error: yaml.YAMLError, lines: list[str], file: str) -> Problem:
    """The problem that ended the reading of ``file``, whose text is ``lines``."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return Problem(file, 0, "", "broken YAML")
    noticed = 0 if error.problem_mark is None else error.problem_mark.line
    begun = noticed if error.context_mark is None else error.context_mark.line
    tabbed = _first_tabbed(lines, max(begun, noticed - 1), noticed)
    if tabbed is not None:
        return Problem(file, tabbed + 1, "", TABBED)
    said = error.problem or "it cannot be read"
    if "nesting depth" in said:
        return Problem(file, noticed + 1, "", TOO_DEEP)
    words = next((words for sign, words in _PLAIN_WORDS if sign in said), said)
    line = begun if any(sign in said for sign in _MADE_ABOVE) else noticed
    return Problem(file, line + 1, "", f"broken YAML: {words}")


def _first_tabbed(lines: list[str], first: int, last: int) -> int | None:
    return next(
        (number for number in range(first, min(last + 1, len(lines))) if _INDENT_WITH_TAB.match(lines[number])), None
    )


def shown(text: str) -> str:
    """``text`` as it may stand in a message: on one line and not too long."""
    short = text if len(text) <= _MOST_SHOWN else text[: _MOST_SHOWN - 3] + "..."
    return "".join(character if character.isprintable() else f"\\u{ord(character):04x}" for character in short)
