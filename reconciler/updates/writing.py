"""Writes back to Git which images were taken, once they are proven: a commit that says just that.

Nothing comes of it on this host: what it says is what runs. What cannot be written is said once, and tried again.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import structlog

from reconciler.model.desired import Release
from reconciler.model.errors import ReconcilerError, StalledError
from reconciler.model.manifest import Manifest
from reconciler.model.updates import ImageRecord
from reconciler.planning.backoff import delay_s
from reconciler.planning.sealed import is_sealed
from reconciler.ports.books import Journal, UpdateBook
from reconciler.ports.clock import Clock
from reconciler.ports.repository import Source
from reconciler.updates.editing import CannotEditError, Places, below, edited

log = structlog.get_logger()

_RETRY_BASE_S = 30.0
_RETRY_CAP_S = 3600.0


@dataclass(frozen=True, slots=True)
class Written:
    """A stack whose images are written back. ``applied``: what was last proven of it. ``by_host``: the variables that this
    host sets itself."""

    manifest: Manifest
    applied: Release
    by_host: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Trouble:
    what: str
    attempts: int
    not_before: float


class WriteBacks:
    """One caller at a time."""

    def __init__(self, source: Source, book: UpdateBook, journal: Journal, clock: Clock) -> None:
        self._source = source
        self._book = book
        self._journal = journal
        self._clock = clock
        self._troubles: dict[str, _Trouble] = {}

    def turn(self, stacks: Iterable[Written]) -> float:
        """Seconds until something is tried again; infinity if nothing is."""
        waits = [float("inf")]
        for stack in stacks:
            owed = self._owed(stack)
            trouble = self._troubles.get(stack.manifest.name)
            if owed and (trouble is None or trouble.not_before <= self._clock.monotonic()):
                self._write(stack, owed)
            trouble = self._troubles.get(stack.manifest.name)
            if trouble is not None:
                waits.append(max(0.0, trouble.not_before - self._clock.monotonic()))
        return min(waits)

    def _owed(self, stack: Written) -> tuple[ImageRecord, ...]:
        """Images that are proven and not written yet, to that branch."""
        images = {spec.name: spec.image for spec in stack.applied.services}
        return tuple(
            record
            for record in self._book.images(stack.manifest.name)
            if record.reference
            and images.get(record.service) == record.reference
            and record.written != _mark(stack, record)
        )

    def _write(self, stack: Written, owed: tuple[ImageRecord, ...]) -> None:
        name, write_back = stack.manifest.name, stack.manifest.updates.write_back
        assert write_back is not None
        try:
            commit = self._source.publish(write_back.branch, _change(stack, owed), _message(name, owed))
        except ReconcilerError as error:
            self._failed(name, error)
            return
        for record in owed:
            self._book.save_image(replace(record, written=_mark(stack, record)))
        self._troubles.pop(name, None)
        if commit:
            told = ", ".join(f"{record.service} {record.tag}" for record in owed)
            log.info("written_back", stack=name, commit=commit, images=told)
            self._journal.tell(name, "info", "WrittenBack", f"{told}: commit {commit[:9]}", commit, self._clock.now())

    def _failed(self, name: str, error: ReconcilerError) -> None:
        before = self._troubles.get(name)
        attempts = (before.attempts if before else 0) + 1
        wait_s = delay_s(attempts, random.random(), base_s=_RETRY_BASE_S, cap_s=_RETRY_CAP_S)
        self._troubles[name] = _Trouble(str(error), attempts, self._clock.monotonic() + wait_s)
        log.warning("write_back_failed", stack=name, error=str(error))
        if before is None or before.what != str(error):
            told = f"{error}. It is tried again by itself"
            self._journal.tell(name, "error", "WriteBackFailed", told, "", self._clock.now())


def _change(
    stack: Written, owed: tuple[ImageRecord, ...]
) -> Callable[[Callable[[str], bytes | None]], Mapping[str, bytes]]:
    manifest = stack.manifest
    places = Places(
        below(manifest.folder, manifest.compose_files),
        below(manifest.folder, tuple(name for name in manifest.env_files if not is_sealed(name))),
        stack.by_host,
    )

    def change(read: Callable[[str], bytes | None]) -> Mapping[str, bytes]:
        texts: dict[str, str] = {}

        def text_of(path: str) -> str | None:
            content = read(path)
            return texts.get(path) or (None if content is None else content.decode())

        try:
            for record in owed:
                texts |= edited(record, places, text_of)
        except (CannotEditError, UnicodeDecodeError) as error:
            raise StalledError(f"images cannot be written back: {error}", reason="WriteBackFailed") from error
        return {path: text.encode() for path, text in texts.items()}

    return change


def _message(stack: str, owed: tuple[ImageRecord, ...]) -> str:
    subject = f"{stack}: " + ", ".join(f"{record.service} to {record.tag}" for record in owed)
    body = "\n".join(f"{record.service}: {record.reference}" for record in owed)
    return f"{subject}\n\nTaken and proven by reconciler.\n\n{body}\n"


def _mark(stack: Written, record: ImageRecord) -> str:
    write_back = stack.manifest.updates.write_back
    return f"{write_back.branch if write_back else ''} {record.reference}"
