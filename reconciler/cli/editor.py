"""Which editor somebody wants, and has: opens a file in it and waits until it is closed."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import click

from reconciler.cli.errors import WRONG_USE, Failure

_USUAL = ("sensible-editor", "editor", "vi", "nano")


def open_editor(path: Path) -> None:
    """Raises Failure where there is none, and where it ends with another status than 0."""
    for number in (signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, _leave)  # what lies in the clear is taken away first
    editor = editor_of(os.environ, shutil.which, sys.stdin.isatty())
    try:
        status = subprocess.run([*shlex.split(editor), str(path)], check=False).returncode
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise Failure(
            f"the editor {editor} cannot be run ({why}), so nothing was changed; set EDITOR", WRONG_USE
        ) from error
    if status:
        raise Failure(f"the editor {editor} ended with {status}; nothing was changed")


def editor_of(environment: Mapping[str, str], find: Callable[[str], str | None], has_terminal: bool) -> str:
    """A command line. ``find``: where a program is, None where it is not. Raises Failure where somebody must say which."""
    if said := environment.get("VISUAL") or environment.get("EDITOR"):
        return said
    if not has_terminal:
        raise Failure(
            "no editor is named and there is no terminal to open one at, so nothing was changed: set EDITOR to a program that "
            "changes the file it is given, such as EDITOR='sed -i s/old/new/'",
            WRONG_USE,
        )
    found = next((name for name in _USUAL if find(name)), None)
    if found is None:
        raise Failure(
            f"no editor is named, and none of {', '.join(_USUAL)} is installed, so nothing was changed: install one, or say "
            "which: EDITOR=/path/to/editor",
            WRONG_USE,
        )
    return found


def _leave(*_: object) -> None:
    raise click.Abort
