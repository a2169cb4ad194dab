"""A folder of backups: ``<name>.dump`` with its manifest ``<name>.json`` beside it, each there whole or not at all.

A backup is there when its manifest is; a dump without one is none. Touches no file that is not named so.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, BinaryIO

from reconciler.backup import entry
from reconciler.backup.entry import Backup
from reconciler.files import sync_folder
from reconciler.model.errors import StalledError, WaitingError
from reconciler.model.size import shown_bytes

_PARTIAL = ".partial"
_PIECE = 64 * 1024
_ROOM = 1.2  # of the last one's size must be free
_LEAST_FREE = 16 * 1024 * 1024
_NAME = re.compile(r"\.?(?P<of>.+)-\d{8}T\d{9}Z\.(dump|dump\.partial|json\.partial)")


class Writing:
    """A dump that is being written. ``take`` counts, hashes and writes; raises WaitingError(reason="DiskFull")."""

    def __init__(self, file: IO[bytes], path: Path) -> None:
        self._file = file
        self._path = path
        self._digest = hashlib.sha256()
        self.size = 0

    def take(self, piece: memoryview | bytes) -> None:
        try:
            self._file.write(piece)
        except OSError as error:
            raise _told(error, self._path) from error
        self._digest.update(piece)
        self.size += len(piece)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Store:
    """``folder``: absolute; made when something is first written to it."""

    folder: Path

    def all(self, stack: str, plan: str | None = None) -> tuple[Backup, ...]:
        """Of this stack (and plan), the newest first. What is no manifest of ours is passed over."""
        found = []
        for path in self._manifests():
            with suppress(OSError, ValueError):
                backup = entry.read(path.read_bytes())
                if backup.stack == stack and plan in (None, backup.plan) and backup.name == path.stem:
                    found.append(backup)
        return tuple(sorted(found, key=lambda backup: (-backup.created_at, backup.name)))

    def _manifests(self) -> list[Path]:
        try:
            return list(self.folder.glob("*.json"))
        except OSError:
            return []

    def dump(self, name: str) -> Path:
        return self.folder / f"{name}.dump"

    @contextmanager
    def opened(self, name: str) -> Iterator[BinaryIO]:
        """Raises StalledError where it cannot be read."""
        try:
            with self.dump(name).open("rb") as file:
                yield file
        except OSError as error:
            raise StalledError(f"{self.dump(name)} cannot be read: {error.strerror}", reason="CannotRead") from error

    def check_room(self, last_size: int) -> None:
        """Raises WaitingError(reason="DiskFull") where another one like the last would not fit."""
        self._make()
        needed = max(int(last_size * _ROOM), _LEAST_FREE if last_size else 0)
        free = shutil.disk_usage(self.folder).free
        if free < needed:
            raise WaitingError(
                f"{self.folder} has {shown_bytes(free)} free, and a backup needs {shown_bytes(needed)} (the last one and a fifth "
                "more): free some space, keep fewer backups, or name another folder with DB_BACKUPS_PATH",
                reason="DiskFull",
            )

    @contextmanager
    def writing(self, name: str) -> Iterator[Writing]:
        """In a file of another name, until ``publish``; gone if anything is raised."""
        self._make()
        path = self.folder / f".{name}.dump{_PARTIAL}"
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise _told(error, path) from error
        try:
            with open(descriptor, "wb", buffering=0) as file:
                yield Writing(file, path)
                try:
                    os.fsync(descriptor)
                except OSError as error:
                    raise _told(error, path) from error
        except BaseException:
            with suppress(OSError):
                path.unlink()
            raise

    def publish(self, backup: Backup) -> None:
        """Give what was written its name, and its manifest. Raises WaitingError, and then neither is there."""
        partial = self.folder / f".{backup.name}.dump{_PARTIAL}"
        try:
            partial.replace(self.dump(backup.name))
            self.describe(backup)
        except (OSError, WaitingError) as error:
            for path in (partial, self.dump(backup.name)):
                with suppress(OSError):
                    path.unlink()
            raise _told(error, self.folder) if isinstance(error, OSError) else error from error

    def describe(self, backup: Backup) -> None:
        """Its manifest, new or in place of the one before, by one rename."""
        path = self.folder / f"{backup.name}.json"
        partial = self.folder / f".{path.name}{_PARTIAL}"
        try:
            with suppress(FileNotFoundError):
                partial.unlink()
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "wb") as file:
                file.write(entry.write(backup))
                file.flush()
                os.fsync(descriptor)
            partial.replace(path)
            sync_folder(self.folder)
        except OSError as error:
            with suppress(OSError):
                partial.unlink()
            raise _told(error, path) from error

    def remove(self, name: str) -> None:
        """The manifest first: killed in between, what is left is no backup, and is swept."""
        try:
            for path in (self.folder / f"{name}.json", self.dump(name)):
                path.unlink(missing_ok=True)
            sync_folder(self.folder)
        except OSError as error:
            raise _told(error, self.folder) from error

    def sweep(self, stack: str, plans: frozenset[str]) -> None:
        """Take away what a process that was killed had begun to write for these plans, or to remove."""
        for path in self._left():
            found = _NAME.fullmatch(path.name)
            if found and any(found["of"] == f"{plan}-{stack}" for plan in plans):
                with suppress(OSError):
                    path.unlink()

    def _left(self) -> list[Path]:
        try:
            partial = list(self.folder.glob(f".*{_PARTIAL}"))
            alone = [path for path in self.folder.glob("*.dump") if not path.with_suffix(".json").exists()]
        except OSError:
            return []
        return [*partial, *alone]

    def digest(self, name: str, stop: Callable[[], str]) -> tuple[str, int]:
        """Of what lies on the disk: its sha256 and size."""
        found, size = hashlib.sha256(), 0
        with self.opened(name) as file:
            while piece := file.read(_PIECE):
                found.update(piece)
                size += len(piece)
                if why := stop():
                    raise WaitingError(f"ended, because of {why}", reason="Interrupted")
        return found.hexdigest(), size

    def _make(self) -> None:
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise _told(error, self.folder) from error


def across(stores: Iterable[Store], stack: str) -> list[tuple[Backup, Store]]:
    """A stack's backups in all of these folders, each folder once, the newest first."""
    found = [(backup, store) for store in dict.fromkeys(stores) for backup in store.all(stack)]
    return sorted(found, key=lambda pair: (-pair[0].created_at, pair[0].name))


def named(found: Iterable[tuple[Backup, Store]], name: str) -> tuple[Backup, Store] | None:
    """``found``: the newest first. ``name``: of one, or latest: the newest sound one."""
    return next((pair for pair in found if pair[0].name == name or (name == "latest" and pair[0].sound)), None)


def name_of(plan: str, stack: str, at: float) -> str:
    """``at``: seconds since the epoch; names sort by it."""
    moment = datetime.fromtimestamp(at, UTC)
    return f"{plan}-{stack}-{moment:%Y%m%dT%H%M%S}{moment.microsecond // 1000:03}Z"


def _told(error: OSError, path: Path) -> WaitingError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return WaitingError(f"the disk that holds {path.parent} is full; nothing of it was kept", reason="DiskFull")
    return WaitingError(f"{path} cannot be written: {error.strerror}", reason="CannotWrite")
