"""Reads ``env/<stack>.env``. Never writes it, never logs what it holds."""

from __future__ import annotations

from pathlib import Path

from reconciler.model.errors import StalledError


class EnvFolder:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
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
