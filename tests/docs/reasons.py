"""The reasons that the program gives for what it tells, in events and in READY, read from its source. Runs none of it.

A reason is a CamelCase word that an error carries (``reason="…"``, or its class), or that is handed on with a message to
whatever writes events and records.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from tests.docs.pages import CHECKOUT, prose

PAGE = "docs/events.md"
SEVERITIES = ("info", "error")

_REASON = re.compile(r"[A-Z][a-z]+([A-Z][A-Za-z]*)*")
_ROW = re.compile(r"^\| `(?P<reason>\w+)` \| (?P<types>[\w, ]+) \|", re.MULTILINE)
_TELLING = frozenset({"tell", "_tell", "_event", "_told", "Said", "Ready", "Hold", "_is_blocked"})
# Errors of these end a command that somebody typed, with a message on standard error: no pass ever meets one.
_OF_COMMANDS_ALONE = (
    "cli/",
    "adoption/",
    "supervision/",
    "secrets/working_copy.py",
    "adapters/root_lock.py",
    "adapters/journal/",  # where that fails, nothing is written of it
    "actions/",
    "execution/renewing.py",
)


@cache
def given() -> Mapping[str, frozenset[str]]:
    """The severities of each reason, as far as they stand beside it; of an error's none does."""
    found: dict[str, set[str]] = defaultdict(set)
    top = CHECKOUT / "reconciler"
    for path in sorted(top.rglob("*.py")):
        meets_passes = not str(path.relative_to(top)).startswith(_OF_COMMANDS_ALONE)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if _tells(node):
                for reason, severities in _told(node):
                    found[reason] |= severities
            elif meets_passes:
                for reason in _carried(node):
                    found.setdefault(reason, set())
    return {reason: frozenset(severities) for reason, severities in found.items()}


def told_of() -> dict[str, frozenset[str]]:
    """The types of each reason that the page has a row for."""
    rows = list(_ROW.finditer(prose(PAGE)))
    assert len({row["reason"] for row in rows}) == len(rows), "a reason has two rows"
    return {row["reason"]: frozenset(row["types"].split(", ")) for row in rows}


def _tells(node: ast.AST) -> bool:
    if isinstance(node, ast.Tuple):
        return bool(node.elts) and isinstance(node.elts[0], ast.Constant) and node.elts[0].value in SEVERITIES
    called = node.func if isinstance(node, ast.Call) else None
    name = called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""
    return name in _TELLING


def _told(node: ast.AST) -> Iterator[tuple[str, set[str]]]:
    """The words among what is handed on, but not those within a message."""
    handed = node.elts if isinstance(node, ast.Tuple) else node.args if isinstance(node, ast.Call) else []
    for reason in _reasons(handed):
        yield reason.value, {word for part in handed for word in _words(part, reason.when) if word in SEVERITIES}


@dataclass(frozen=True, slots=True)
class _Reason:
    """``when``: of two that are chosen between, what chooses, and which it is."""

    value: str
    when: tuple[str, bool] | None = None


def _reasons(handed: Sequence[ast.expr]) -> Iterator[_Reason]:
    for part in handed:
        choices = [(part.body, True), (part.orelse, False)] if isinstance(part, ast.IfExp) else [(part, None)]
        for choice, is_first in choices:
            when = None if is_first is None or not isinstance(part, ast.IfExp) else (ast.dump(part.test), is_first)
            yield from (_Reason(word, when) for word in _words(choice) if _REASON.fullmatch(word))


def _carried(node: ast.AST) -> Iterator[str]:
    """By an error, which says nothing of how bad it is."""
    values: list[ast.expr | None] = []
    if isinstance(node, ast.Call):
        values += [word.value for word in node.keywords if word.arg == "reason"]
    if isinstance(node, ast.Assign | ast.AnnAssign) and _named(node) == "reason":
        values.append(node.value)
    for value in values:
        yield from (word for word in _words(value) if _REASON.fullmatch(word))


def _named(node: ast.Assign | ast.AnnAssign) -> str:
    target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
    return target.id if isinstance(target, ast.Name) else ""


def _words(node: ast.expr | None, when: tuple[str, bool] | None = None) -> Iterator[str]:
    """Those that it can be; ``when`` is known, the one that it is."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        is_known = when is not None and when[0] == ast.dump(node.test)
        if not is_known or (when and when[1]):
            yield from _words(node.body, when)
        if not is_known or not (when and when[1]):
            yield from _words(node.orelse, when)
