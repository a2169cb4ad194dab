"""Renewals that are not over, each a file beside the variables that it is about, and whose turn it is to work on a stack.
Decides nothing.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from reconciler import files
from reconciler.layout import RENEWAL
from reconciler.model.errors import StalledError, WaitingError
from reconciler.model.renewal import Renewal

_NOTE = "A new value that is being brought into use. While this file is here, either it or the old one is."


class RenewalFiles:
    """``folder``: env/, so that a copy of it holds them, too. ``turns``: a folder of locks, one for each stack."""

    def __init__(self, folder: Path, staging: Path, turns: Path) -> None:
        self._folder = folder
        self._staging = staging
        self._turns = turns

    def pending(self, stack: str) -> Renewal | None:
        """Raises WaitingError where it cannot be read, StalledError where it is none: then somebody must look at it."""
        path = self._path(stack)
        content = files.content_of(path)
        if content is None:
            return None
        try:
            found = json.loads(content)
            found.pop("note", None)
            return Renewal(**found)
        except (ValueError, TypeError, AttributeError) as error:
            raise StalledError(
                f"{path} is no renewal of a variable; it may hold a value that is in use: look at it, then move it away",
                reason="RenewalUnreadable",
            ) from error

    def save(self, renewal: Renewal) -> None:
        """On the disk, for nobody but this user, when it returns. Raises WaitingError."""
        content = json.dumps({"note": _NOTE, **asdict(renewal)}, indent=1) + "\n"
        files.put(self._path(renewal.stack), content.encode(), self._staging)

    def drop(self, stack: str) -> None:
        files.remove(self._path(stack))

    @contextmanager
    def turn(self, stack: str) -> Iterator[bool]:
        """Whether nobody else works on the stack until this ends. The kernel ends it with the process. Raises WaitingError."""
        try:
            self._turns.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._turns / f"{stack}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise WaitingError(f"{self._turns} cannot be written: {error.strerror}", reason="CannotWrite") from error
        try:
            yield _lock(descriptor)
        finally:
            os.close(descriptor)

    def _path(self, stack: str) -> Path:
        return self._folder / f"{stack}{RENEWAL}"


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
