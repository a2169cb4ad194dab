"""Questions to a person at a terminal: each is asked until its answer holds. Knows nothing of what they are about."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import click

from reconciler.cli import output

Check = Callable[[str], str]  # why an answer does not hold, "" where it does


def can_ask() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def anything(_: str) -> str:
    return ""


def text(question: str, *, default: str | None = None, check: Check = anything) -> str:
    """Raises click.Abort."""
    while True:
        found = str(click.prompt(question, default=default, show_default=bool(default))).strip()
        if not (why := check(found)):
            return found
        output.complain(f"  {why}")


def secret(question: str, *, check: Check = anything) -> str:
    """Typed twice, shown never; "" where Enter alone is typed. Raises click.Abort."""
    while True:
        found = str(click.prompt(question, default="", show_default=False, hide_input=True)).strip()
        if not found:
            return ""
        if why := check(found):
            output.complain(f"  {why}")
        elif found == str(click.prompt("  once more", default="", show_default=False, hide_input=True)).strip():
            return found
        else:
            output.complain("  the two are not the same")


def choice(offers: Sequence[str]) -> int:
    """Counted from 1; the first is proposed. Raises click.Abort."""
    for number, offer in enumerate(offers, 1):
        output.line(f"  {number}  {offer}")
    found: int = click.prompt("How?", type=click.IntRange(1, len(offers)), default=1)
    return found


def yes(question: str, *, default: bool = True) -> bool:
    """Raises click.Abort."""
    return click.confirm(question, default=default)
