"""Files of this host: variables and keys, host data, kept releases, renewals that are under way."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from reconciler.model.renewal import Renewal


class SeedsData(Protocol):
    """Host data that starts as a copy of what Git tracks."""

    def seed(self, source: Path, destination: Path) -> None:
        """Copy ``source`` to ``destination``, writable, unless something is there. Raises WaitingError, StalledError."""


class EnvironmentFiles(Protocol):
    """``env/<stack>.env``: this host's variables and secrets of a stack."""

    def path(self, stack: str) -> Path | None:
        """None if there is no such file."""

    def read(self, stack: str) -> bytes | None: ...

    def put(self, stack: str, values: Mapping[str, str], heading: str = "") -> bool:
        """Let the file set ``values``, its comments and all else as they are; False if it did already. New variables
        stand below ``heading``, a comment. Raises InvalidInputError, WaitingError, StalledError."""


class SealedFiles(Protocol):
    """What lies encrypted in Git, and this host's keys for it."""

    def state(self) -> str:
        """Changes whenever the keys may have changed."""

    def open(self, file: str, content: bytes) -> bytes:
        """``content`` decrypted, in memory. ``file``: its name, for messages. Raises InvalidInputError."""

    def held(self, content: bytes) -> AbstractContextManager[Path]:
        """A path that programs which we start can read ``content`` from, while the block lasts, and no disk holds."""


class Renewals(Protocol):
    """Variables that are being renewed, and whose turn it is to work on a stack: a pass's, or somebody's who renews one."""

    def pending(self, stack: str) -> Renewal | None:
        """Raises WaitingError, StalledError where it is there and cannot be read."""

    def save(self, renewal: Renewal) -> None:
        """Durable when it returns. Raises WaitingError."""

    def drop(self, stack: str) -> None: ...

    def turn(self, stack: str) -> AbstractContextManager[bool]:
        """Whether nobody else works on the stack until this ends; the death of the process ends it."""


class Releases(Protocol):
    """The resolved models of kept releases, as files that Compose can be handed (0600: they hold secrets)."""

    def save(self, stack: str, number: int, content: Mapping[str, Any]) -> Path:
        """Where the model lies; ``content`` holds ``model`` and what else makes the release up again."""

    def load(self, stack: str, number: int) -> Mapping[str, Any]: ...

    def model_path(self, stack: str, number: int) -> Path: ...

    def numbers(self, stack: str) -> frozenset[int]:
        """Of those that are there."""

    def remove(self, stack: str, number: int) -> None: ...
