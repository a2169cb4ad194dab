"""What people and programs read: tables for a terminal, plain columns for a pipe, JSON where it is asked for.

Knows no stack and no journal. Colour is only ever a help: nothing is said by colour alone.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from reconciler.model.duration import shown_duration

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_GAP = "  "
_NARROW = 30  # characters for a last column that is longer: with less its words would stand one below the other
_STYLES = {
    **dict.fromkeys(("Healthy", "Synced", "True", "applied", "done", "ok"), "green"),
    **dict.fromkeys(("Degraded", "Missing", "False", "failed", "FAIL", "error"), "red"),
    **dict.fromkeys(("Progressing", "OutOfSync", "Unknown", "Suspended", "pending", "interrupted"), "yellow"),
}


def no_colour() -> bool:
    """https://no-color.org: set to anything but nothing."""
    return bool(os.environ.get("NO_COLOR"))


def on_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()  # None where it was closed


def print_json(values: Sequence[Any]) -> None:
    """One list of objects."""
    click.echo(json.dumps(list(values), indent=2, ensure_ascii=False))


def print_table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """``rows`` of texts, one for each title. The last column may be long: a terminal wraps it, below its row where it
    is narrow, and a pipe gets it whole."""
    cleaned = [[printable(cell) for cell in row] for row in rows]
    if on_terminal():
        _print_for_people(titles, cleaned)
    else:
        _print_plain(titles, cleaned)


def _print_plain(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    lines = [[" ".join(cell.split()) for cell in row] for row in (titles, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(titles))]
    for line in lines:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _print_for_people(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.cells import cell_len
    from rich.console import Console

    console = Console(highlight=False)
    *widths, last = (
        max(cell_len(line) for cell in column for line in cell.splitlines() or [""])
        for column in zip(titles, *rows, strict=True)
    )
    room = console.width - sum(width + len(_GAP) for width in widths)
    if room >= min(last, _NARROW):
        _print_beside(console, titles, rows)
    else:
        _print_below(console, widths, titles, rows)


def _print_beside(console: Console, titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, len(_GAP), 0, 0))
    for number, title in enumerate(titles, 1):
        is_last = number == len(titles)
        table.add_column(title, overflow="fold", no_wrap=not is_last)
    for row in rows:
        table.add_row(*map(_coloured, row))
    console.print(table)


def _print_below(console: Console, widths: Sequence[int], titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """The last column on lines of its own: a narrow terminal must cut off nothing."""
    from rich.padding import Padding
    from rich.text import Text

    for row in (titles, *rows):
        *cells, last = (Text(cell, style="bold") for cell in row) if row is titles else map(_coloured, row)
        for cell, width in zip(cells, widths, strict=True):
            cell.pad_right(width - cell.cell_len)
        line = Text(_GAP).join(cells)
        line.rstrip()
        console.print(line, soft_wrap=True)
        if last.plain.strip():
            console.print(Padding.indent(last, len(_GAP)))


def _coloured(cell: str) -> Text:
    from rich.text import Text

    return Text(cell, style=_STYLES.get(cell, ""))


def note(text: str) -> None:
    """An aside on standard error, so that a pipe gets nothing but what was asked for."""
    click.secho(printable(text), err=True, dim=True, color=False if no_colour() else None)


def heading(text: str) -> None:
    click.secho(printable(text), bold=True, color=False if no_colour() else None)


def line(text: str) -> None:
    click.echo(printable(text))


def progress(text: str) -> None:
    """A line of work under way, at once. That nobody reads it any more is no reason to end the work half-done."""
    with suppress(OSError):
        click.echo(printable(text))


def printable(text: str) -> str:
    """Nothing that a container logged or a commit said may steer the terminal of whoever reads it."""
    return "".join(character if character.isprintable() or character in "\n\t" else " " for character in text)


def first_line(text: str) -> str:
    """What fits into a table; the whole is shown elsewhere."""
    first, _, rest = text.strip().partition("\n")
    return f"{first} …" if rest else first


def short(revision: str) -> str:
    return revision[:9]


def local(seconds: float | None) -> str:
    """For people, in the host's own time zone."""
    return "" if seconds is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def ago(seconds: float, now: float) -> str:
    return f"{shown_duration(now - seconds)} ago"


def complain(text: str) -> None:
    """On standard error, where a command goes on to end with a code other than 0."""
    click.secho(printable(text), err=True, fg="red", color=False if no_colour() else None)
