"""The one file that each front reads: put there whole, taken back whole. Nobody else writes into those folders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from reconciler import files
from reconciler.planning.fronts import Front

FILE = "certificates.yml"


@dataclass(frozen=True, slots=True)
class Published:
    """What a publication changed: ``before`` holds, for each front whose file is another now, what it held; None for
    nothing."""

    before: Mapping[Front, bytes | None]

    def __bool__(self) -> bool:
        return bool(self.before)


class Publisher:
    """``folder_of``: a stack's folder that fronts mount; ``staging``: of the same file system, watched by nobody."""

    def __init__(self, folder_of: Callable[[str], Path], staging: Path) -> None:
        self._folder_of = folder_of
        self._staging = staging

    def publish(self, contents: Mapping[Front, bytes]) -> Published:
        """By one rename for each stack; none where it has these bytes already. Raises WaitingError, and then what was
        there is there. Of several fronts of one stack, which read the same file, the first one counts."""
        before = {}
        first = {front.stack: front for front in reversed(tuple(contents))}
        for front in first.values():
            content = contents[front]
            held = self.content(front)
            if self._put(front, content):
                before[front] = held
        return Published(before)

    def take_back(self, published: Published) -> None:
        """Raises WaitingError."""
        for front, content in published.before.items():
            if content is not None:
                self._put(front, content)

    def content(self, front: Front) -> bytes | None:
        return files.content_of(self._path(front))

    def clear_leftovers(self) -> None:
        """Of a process that was killed while it wrote. Only for the holder of the root's lock."""
        files.clear(self._staging)

    def _put(self, front: Front, content: bytes) -> bool:
        return files.put(self._path(front), content, self._staging, owner=front.owner)

    def _path(self, front: Front) -> Path:
        return self._folder_of(front.stack) / FILE
