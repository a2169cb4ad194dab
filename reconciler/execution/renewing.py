"""Ends the renewal of a variable: the new value is in use, so the stack's file gets it, and it is what may not change now.

What is pending is written down before anything gets the new value, and forgotten last: whoever comes in between does again
what may be done twice.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import replace

from reconciler.model.environment import Mark
from reconciler.model.errors import ReconcilerError
from reconciler.model.manifest import Manifest
from reconciler.model.renewal import Renewal
from reconciler.planning.dotenv import read_dotenv
from reconciler.planning.marks import fingerprint
from reconciler.ports.books import Journal, MarkBook
from reconciler.ports.clock import Clock
from reconciler.ports.host_files import EnvironmentFiles, Renewals

Rendered = Callable[[], str]  # the digest of what Git and env/ say now


class Renewing:
    """Safe to use from several threads; whoever changes something holds the stack's turn."""

    def __init__(
        self, renewals: Renewals, files: EnvironmentFiles, marks: MarkBook, journal: Journal, clock: Clock
    ) -> None:
        self._renewals = renewals
        self._files = files
        self._marks = marks
        self._journal = journal
        self._clock = clock

    def turn(self, stack: str) -> AbstractContextManager[bool]:
        """Whether nobody else works on the stack until it ends."""
        return self._renewals.turn(stack)

    def pending(self, stack: str) -> Renewal | None:
        """Raises WaitingError, StalledError where it cannot be read."""
        return self._renewals.pending(stack)

    def is_pending(self, stack: str) -> bool:
        """Whatever can be read of it."""
        try:
            return self.pending(stack) is not None
        except ReconcilerError:
            return True

    def begin(self, renewal: Renewal) -> None:
        self._renewals.save(renewal)

    def forget(self, stack: str) -> None:
        self._renewals.drop(stack)

    def finish(self, pending: Renewal, manifest: Manifest, rendered: Rendered) -> bool:
        """Whether it was cut short no sooner than when the file was written: then it is over now."""
        if self.is_written(pending):
            self.remember(pending, manifest, rendered)
            return True
        return False

    def is_written(self, pending: Renewal) -> bool:
        """Whether the stack's file has the new value: it gets it when that is in use, and not before."""
        content = self._files.read(pending.stack) or b""
        return read_dotenv(content, f"env/{pending.stack}.env").values.get(pending.variable) == pending.value

    def write(self, pending: Renewal, manifest: Manifest, rendered: Rendered) -> None:
        """The new value is in use. Raises InvalidInputError, WaitingError where the file cannot be written; the renewal is
        not over then."""
        self._files.put(pending.stack, {pending.variable: pending.value})
        self.remember(pending, manifest, rendered)

    def remember(self, pending: Renewal, manifest: Manifest, rendered: Rendered) -> None:
        stack, name = pending.stack, pending.variable
        known = {mark.name: mark for mark in self._marks.marks(stack)}.get(name, Mark(stack, name))
        newest = max((found.number for found in self._journal.releases(stack)), default=0)
        mark = replace(known, renewed_after=newest)
        if name in manifest.environment.immutable:
            salt = secrets.token_hex(16)
            mark = replace(mark, salt=salt, print_=fingerprint(salt, pending.value))
        self._marks.save_mark(mark)
        with suppress(ReconcilerError):  # told by the next pass
            self._marks.save_mark(replace(mark, rolls=rendered()))
        self._renewals.drop(stack)
        told = f"action {pending.action} by {pending.who}: {name} is a new one, in env/{stack}.env, too"
        self._journal.tell(stack, "info", "VariableRenewed", told, "", self._clock.now())
