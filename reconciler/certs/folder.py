"""The folder ``certs/``: its files, each read once and whole. Judges nothing but whether a file can be taken at all."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from reconciler.certs.model import DroppedFile
from reconciler.certs.reading.grouping import place_of
from reconciler.model.errors import WaitingError

MOST_BYTES = 256 * 1024
_TICK_S = 2.0  # the coarsest clock of a file system: what changes twice within it may look the same
_Identity = tuple[int, int, int, int, int]
_NOTHING: _Identity = (0, 0, 0, 0, 0)
_Known = tuple[_Identity, DroppedFile, float]  # and when it was read: seconds since the epoch


class DropFolder:
    """Remembers what it read: a file that did not change is not read again. Not for several threads at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, _Known] = {}

    def read(self) -> tuple[DroppedFile, ...]:
        """Everything that lies in the folder itself, by name, what is no file with its fault; nothing where there is no folder.
        Raises WaitingError where the folder cannot be looked into (that is not as if all were gone), and never for a file."""
        self._known = dict(self._files())
        return tuple(sorted((file for _, file, _ in self._known.values()), key=lambda file: file.name))

    def _files(self) -> Iterator[tuple[str, _Known]]:
        try:
            entries = [entry for entry in os.scandir(self._folder) if not entry.name.startswith(".")]
        except FileNotFoundError:
            return
        except OSError as error:
            raise WaitingError(f"{self._folder} cannot be read: {error.strerror}", reason="CannotRead") from error
        for entry in entries:
            try:
                status = entry.stat()
            except OSError as error:
                if (found := _link_to_nothing(Path(entry.path), error)) is not None:
                    yield entry.name, (_NOTHING, found, 0.0)
                continue
            identity = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_mode)
            known = self._known.get(entry.name)
            if known is not None and known[0] == identity and known[1].changed_at < known[2] - _TICK_S:
                yield entry.name, known
            else:
                now = time.time()
                yield entry.name, (identity, self._read(Path(entry.path), status), now)

    def _read(self, path: Path, status: os.stat_result) -> DroppedFile:
        changed_at = max(status.st_mtime, status.st_ctime)
        fault, content = self._fault(path, status), b""
        if not fault:
            try:
                # Whatever took its place meanwhile: nobody waits for a pipe to be written to.
                with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
                    content = file.read(MOST_BYTES + 1)
            except OSError as error:
                fault = f"it cannot be read ({error.strerror})"
                if isinstance(error, PermissionError):
                    fault += "; let it belong to the user that reconciler runs as, with mode 0600 (chown, chmod)"
        return DroppedFile(_written(path.name), content, stat.S_IMODE(status.st_mode), changed_at, fault)

    def _fault(self, path: Path, status: os.stat_result) -> str:
        if stat.S_ISDIR(status.st_mode):
            return "it is a folder, which is not looked into; put the file itself into certs/"
        if not stat.S_ISREG(status.st_mode):
            return "it is no file; take it out of certs/"
        if status.st_size > MOST_BYTES:
            return f"it is larger than {MOST_BYTES // 1024} KiB, which no certificate is; take it out of certs/"
        if not path.resolve().is_relative_to(self._folder.resolve()):
            return "it is a link that leads out of certs/; copy the file itself here (cp -L)"
        return ""


def overlooked(folder: Path) -> tuple[str, ...]:
    """What lies there and is of no pair, by its name alone: folders, and files with other endings. Raises nothing."""
    try:
        names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except OSError:
        return ()
    return tuple(_written(name) for name in names if place_of(name) is None)


def _link_to_nothing(path: Path, error: OSError) -> DroppedFile | None:
    """What it leads to may still come. None where it is gone itself."""
    try:
        status = os.lstat(path)
    except OSError:
        return None
    if not stat.S_ISLNK(status.st_mode):
        return None  # a file took its place just now, and is read the next time
    fault = f"it is a link that leads nowhere ({error.strerror}); put the file itself into certs/ (cp -L)"
    return DroppedFile(_written(path.name), b"", changed_at=status.st_mtime, fault=fault, passing=True)


def _written(name: str) -> str:
    """A name that is no text (bytes of another encoding, line feeds) as one that can be written down."""
    return name if name.isprintable() else ascii(name)[1:-1]
