"""The repository: its mirror, its files at a revision, and the copies of them that containers mount."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from reconciler.model.errors import Problem
from reconciler.model.source import Revision, TreeEntry


class Source(Protocol):
    """The repository, through a bare mirror of our own."""

    def fetch(self) -> Revision:
        """Bring the mirror up to date; the branch's tip. Raises SourceError, StalledError."""

    def tip(self) -> Revision | None:
        """The last tip that was fetched; no network. None before the first fetch."""

    def revision(self, name: str) -> Revision:
        """The commit that ``name`` (a commit id, tag or branch) means in the mirror. Raises StalledError."""

    def publish(
        self, branch: str, change: Callable[[Callable[[str], bytes | None]], Mapping[str, bytes]], message: str
    ) -> str:
        """Commit what ``change`` makes of a branch's files ("": of the branch that is followed), and push it; the commit's id,
        "" where nothing changes. Raises SourceError, StalledError."""

    def keep(self, commit: str) -> None:
        """Let ``commit`` survive force-pushes and garbage collection until it is released."""

    def release(self, commit: str) -> None: ...

    def kept(self) -> frozenset[str]:
        """The commits that are kept."""


class Tree(Protocol):
    """Reading a revision's files."""

    def entries(self, revision: Revision) -> Mapping[str, TreeEntry]:
        """Every path of the revision's tree, folders included."""

    def read(self, object_id: str) -> bytes: ...

    def target(self, entry: TreeEntry) -> str:
        """The text of a symbolic link."""

    def problems(self, entries: Mapping[str, TreeEntry], folder: str) -> tuple[Problem, ...]:
        """What lies under ``folder`` and cannot be served: submodules, links that lead out of the repository."""

    def export(self, tree_id: str, destination: Path) -> None:
        """Write the whole tree to ``destination``, atomically. Does nothing if it is there."""


class Objects(Protocol):
    """Immutable copies of what Git tracks and containers mount, by Git object id."""

    def path(self, entry: TreeEntry) -> Path:
        """Where ``entry`` lies or will lie; no I/O."""

    def ensure(self, entry: TreeEntry) -> Path: ...

    def verify(self, entries: Sequence[TreeEntry]) -> tuple[TreeEntry, ...]:
        """Those whose content is no longer what Git holds."""

    def restore(self, entry: TreeEntry) -> None: ...

    def laid_out_at(self, entry: TreeEntry) -> float:
        """Seconds since the epoch, 0 if it was there already when this process began: what mounted a folder before that
        looks into one that is gone."""

    def collect(self, keep: frozenset[str]) -> None:
        """Remove every object whose Git object id is not in ``keep``."""
