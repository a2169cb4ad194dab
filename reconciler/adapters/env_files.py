"""Reads ``env/<stack>.env``, and sets variables in it when told to. Never logs what it holds."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from reconciler import files
from reconciler.model.errors import StalledError, WaitingError
from reconciler.planning.dotenv_writing import with_variables

_PRIVATE = 0o600


class EnvFolder:
    """``staging``: a folder, of the same disk at best, where files are written before one rename puts them in place."""

    def __init__(self, folder: Path, staging: Path) -> None:
        self._folder = folder
        self._staging = staging
        self._read: dict[str, tuple[tuple[int, int, int], bytes]] = {}

    def path(self, stack: str) -> Path | None:
        path = self._folder / f"{stack}.env"
        return path if path.is_file() else None

    def read(self, stack: str) -> bytes | None:
        """Raises StalledError where the file is there but may not be read."""
        path = self._folder / f"{stack}.env"
        try:
            found = path.stat()
            signature = (found.st_ino, found.st_size, found.st_mtime_ns)
            known = self._read.get(stack)
            if known is None or known[0] != signature:
                known = (signature, path.read_bytes())
                self._read[stack] = known
            return known[1]
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StalledError(
                f"{path} cannot be read ({error.strerror}); give this user the right to read it (chmod, chown)",
                reason="InvalidConfiguration",
            ) from error

    def put(self, stack: str, values: Mapping[str, str], heading: str = "") -> bool:
        """Let the stack's file set ``values``; False if it did already. The file is there whole, as it was or as it is to
        be, whatever happens meanwhile; its comments, order and owner stay, its mode becomes 0600. New variables stand
        below ``heading``, a comment.

        Raises InvalidInputError where the file is wrong or a value impossible, WaitingError, StalledError.
        """
        with self._alone():
            before = self.read(stack) or b""
            after = with_variables(before, f"env/{stack}.env", values, heading)
            if after == before:
                return False
            # Whoever keeps the file elsewhere and links to it keeps the link.
            path = Path(os.path.realpath(self._folder / f"{stack}.env"))
            return files.put(path, after, self._staging, owner=_owner(path), mode=_PRIVATE)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Against another process of ours that sets another variable at the same moment, whose change would be lost."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise WaitingError(f"{self._folder} cannot be opened: {error.strerror}", reason="CannotWrite") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _owner(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_uid, found.st_gid) if stat.S_ISREG(found.st_mode) else None
