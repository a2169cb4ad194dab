"""What was read of containers and images, kept while an event stream would tell if it changed. Knows no engine."""

from __future__ import annotations

import threading
from collections.abc import Collection

from reconciler.model.observed import Container, Image

Signature = tuple[object, ...]


class Details:
    """Thread-safe. A read begins with ``begin`` and ends with ``put``; if the container changed in between, what was
    read may be old and is not kept."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read: dict[str, tuple[Signature, Container]] = {}
        self._stacks: dict[str, str] = {}
        self._dropped_at: dict[str, int] = {}
        self._reset_at = 0
        self._turn = 0
        self._trusted = False

    def trust(self) -> None:
        """From now on every change is told by ``drop``."""
        self._reset(trusted=True)

    def distrust(self) -> None:
        self._reset(trusted=False)

    def begin(self) -> int:
        with self._lock:
            return self._turn

    def put(self, container: Container, signature: Signature, begun: int) -> None:
        with self._lock:
            self._stacks[container.id] = container.stack
            changed_at = max(self._reset_at, self._dropped_at.get(container.id, 0))
            if self._trusted and changed_at <= begun:
                self._read[container.id] = (signature, container)

    def get(self, container_id: str, signature: Signature) -> Container | None:
        with self._lock:
            read = self._read.get(container_id)
            return read[1] if read and read[0] == signature else None

    def stack(self, container_id: str) -> str | None:
        """The stack of a container that was read before: that never changes."""
        with self._lock:
            return self._stacks.get(container_id)

    def drop(self, container_id: str) -> None:
        with self._lock:
            self._turn += 1
            self._dropped_at[container_id] = self._turn
            self._read.pop(container_id, None)

    def keep(self, ids: Collection[str], begun: int) -> None:
        """Forget the containers that were gone when the engine listed ``ids``, which was after ``begun``."""
        with self._lock:
            gone = {key for key in self._stacks.keys() | self._dropped_at.keys() if key not in ids}
            for key in gone:
                if self._dropped_at.get(key, 0) <= begun:
                    self._read.pop(key, None)
                    self._stacks.pop(key, None)
                    self._dropped_at.pop(key, None)

    def _reset(self, trusted: bool) -> None:
        with self._lock:
            self._turn += 1
            self._reset_at = self._turn
            self._trusted = trusted
            self._read.clear()


class Images:
    """Images by reference, read and kept as ``Details`` are. That there is none is not kept: a build tells nobody."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read: dict[str, Image] = {}
        self._turn = 0
        self._trusted = False

    def trust(self) -> None:
        self._reset(trusted=True)

    def distrust(self) -> None:
        self._reset(trusted=False)

    def drop(self) -> None:
        """All of them: an image has many names, and events are few."""
        self._reset(trusted=self._trusted)

    def begin(self) -> int:
        with self._lock:
            return self._turn

    def put(self, reference: str, image: Image, begun: int) -> None:
        with self._lock:
            if self._trusted and begun == self._turn:
                self._read[reference] = image

    def get(self, reference: str) -> Image | None:
        with self._lock:
            return self._read.get(reference)

    def _reset(self, trusted: bool) -> None:
        with self._lock:
            self._turn += 1
            self._trusted = trusted
            self._read.clear()
