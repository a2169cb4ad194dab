"""The folder ``certs/``: its files, each read once and whole. Judges nothing but whether a file can be taken at all."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from reconciler.certs.model import DroppedFile

MOST_BYTES = 256 * 1024
_Identity = tuple[int, int, int, int, int]


class DropFolder:
    """Remembers what it read: a file that did not change is not read again. Not for several threads at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, tuple[_Identity, DroppedFile]] = {}

    def read(self) -> tuple[DroppedFile, ...]:
        """Every file that lies in the folder itself, by name; none where there is no folder. Never raises for a file."""
        found = {file.name: (identity, file) for identity, file in self._files()}
        self._known = found
        return tuple(found[name][1] for name in sorted(found))

    def _files(self) -> Iterator[tuple[_Identity, DroppedFile]]:
        try:
            entries = [entry for entry in os.scandir(self._folder) if not entry.name.startswith(".")]
        except OSError:
            return
        for entry in entries:
            try:
                status = entry.stat()
            except OSError:
                continue  # gone meanwhile, or a link to nothing: it may still come
            if stat.S_ISDIR(status.st_mode):
                continue
            identity = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_mode)
            known = self._known.get(entry.name)
            if known is not None and known[0] == identity:
                yield known
            else:
                yield identity, self._read(Path(entry.path), status)

    def _read(self, path: Path, status: os.stat_result) -> DroppedFile:
        changed_at = max(status.st_mtime, status.st_ctime)
        fault, content = self._fault(path, status), b""
        if not fault:
            try:
                with path.open("rb") as file:
                    content = file.read(MOST_BYTES + 1)
            except OSError as error:
                fault = f"it cannot be read ({error.strerror})"
        return DroppedFile(path.name, content, stat.S_IMODE(status.st_mode), changed_at, fault)

    def _fault(self, path: Path, status: os.stat_result) -> str:
        if not stat.S_ISREG(status.st_mode):
            return "it is no file; take it out of certs/"
        if status.st_size > MOST_BYTES:
            return f"it is larger than {MOST_BYTES // 1024} KiB, which no certificate is; take it out of certs/"
        if not path.resolve().is_relative_to(self._folder.resolve()):
            return "it is a link that leads out of certs/; copy the file itself here (cp -L)"
        return ""
