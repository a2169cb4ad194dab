"""Which stacks left Git as others came: that is how the renaming of a folder looks from here. Judges nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace

from reconciler.execution.shelf import Shelf
from reconciler.execution.work import Work
from reconciler.manifest import Discovery
from reconciler.model.desired import Release
from reconciler.model.errors import ReconcilerError
from reconciler.model.record import StackRecord
from reconciler.model.source import Revision
from reconciler.ports.books import Journal


@dataclass(frozen=True, slots=True)
class _Left:
    """``began``: when its first release was made. ``beside``: the stacks that the repository had when it still had this one."""

    release: Release
    began: float
    beside: frozenset[str]


class Renamed:
    def __init__(
        self,
        journal: Journal,
        shelf: Shelf,
        revision: Callable[[str], Revision],
        stacks: Callable[[Revision], Discovery],
    ) -> None:
        self._journal = journal
        self._shelf = shelf
        self._revision = revision
        self._stacks = stacks

    def marked(self, works: Iterable[Work], gone: Iterable[StackRecord]) -> dict[str, Work]:
        """``works`` by name, each with what left Git as it came. ``gone``: the records of what Git no longer has."""
        left = [found for record in gone if (found := self._left(record)) is not None]
        return {work.name: replace(work, left=self._before(work.name, left)) if left else work for work in works}

    def _left(self, record: StackRecord) -> _Left | None:
        """None of what never ran, and where nobody knows any more what Git said when it had it."""
        number = record.applied_release
        release = None if number is None else self._shelf.load(record.name, number)
        if release is None or not record.applied_revision:
            return None
        with suppress(ReconcilerError):
            found = self._stacks(self._revision(record.applied_revision))
            names = (*(manifest.name for manifest in found.manifests), *found.broken, *found.elsewhere)
            return _Left(release, self._began(record.name), frozenset(names))
        return None

    def _before(self, stack: str, left: Iterable[_Left]) -> tuple[Release, ...]:
        """One that comes back is no new one."""
        began = self._began(stack)
        return tuple(found.release for found in left if stack not in found.beside and found.began < began)

    def _began(self, stack: str) -> float:
        return min((found.created_at for found in self._journal.releases(stack)), default=float("inf"))
