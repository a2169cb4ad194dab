"""What ``reconciler backup restore`` asks a person at a terminal who named no backup: which one, and where to."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from reconciler.cli import output
from reconciler.cli.errors import WRONG_USE, Failure
from reconciler.model.size import shown_bytes

if TYPE_CHECKING:
    from reconciler.backup.entry import Backup

_MOST = 15
_TITLES = ("", "NAME", "BACKUP", "MADE", "SIZE", "STATE", "RELEASE")


def can_ask() -> bool:
    return sys.stdin.isatty()


def choose(backups: Sequence[Backup]) -> Backup:
    """One of ``backups`` (the newest first) that is not known to be bad; the newest is offered. Raises Failure where there
    is none, and click.Abort."""
    offered = [found for found in backups if found.state != "failed"][:_MOST]
    if not offered:
        raise Failure("there is no backup to restore; those that failed are listed by: reconciler backup list")
    now = time.time()
    output.print_table(_TITLES, [_row(number, found, now) for number, found in enumerate(offered, 1)])
    number: int = click.prompt("Which one?", type=click.IntRange(1, len(offered)), default=1)
    return offered[number - 1]


def choose_place(backup: Backup, live: str) -> str:
    """The name of a new database, or "" for the place of the live one."""
    output.line(f"1  in the place of {live}, of which a safety backup is made first")
    output.line("2  beside it, under a new name; nothing else is touched")
    if click.prompt("Where to?", type=click.IntRange(1, 2), default=2) == 1:
        return ""
    proposed = f"{backup.database}_{time.strftime('%Y%m%d', time.localtime(backup.created_at))}"
    found: str = click.prompt("Its name", default=proposed)
    return found


def confirm(question: str) -> None:
    """Raises Failure where nobody can be asked, and click.Abort."""
    if not can_ask():
        raise Failure("this replaces a database, and nobody can be asked here; say --yes, or --into NEWNAME", WRONG_USE)
    click.confirm(question, abort=True)


def _row(number: int, backup: Backup, now: float) -> tuple[str, ...]:
    release = "-" if backup.release is None else str(backup.release)
    made = output.ago(backup.created_at, now)
    return str(number), backup.name, backup.plan, made, shown_bytes(backup.size), backup.state, release
