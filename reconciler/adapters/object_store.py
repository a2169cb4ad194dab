"""Keeps immutable copies of what Git tracks and containers mount, named by Git object id.

``<root>/<object id>/<name>``; an executable file has ``<object id>-x``, since its mode is not part of its id. What a
copy is to hold follows from its id alone, so that it is proven without asking Git.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from reconciler.model.errors import StalledError
from reconciler.model.source import EntryKind, TreeEntry
from reconciler.planning.links import follow
from reconciler.plumbing.checkout import (
    MOST_BYTES,
    TEMPORARY,
    check_path,
    disk_errors_told,
    put_in_place,
    remove,
    write_blob,
    write_tree,
)
from reconciler.plumbing.fingerprint import Found, Mark, mark, scan, tree_id
from reconciler.plumbing.objects import blobs, listing
from reconciler.plumbing.process import Git
from reconciler.plumbing.repair import has_our_mode, is_same_file, repair

_SETTLED_NS = 100_000_000  # a change within one tick of the file system's clock leaves no trace in the times
_SPARED_S = 3600.0  # what was ensured so lately may belong to a release that is not recorded yet
_MOST_LINK_BYTES = 4096


class ObjectStore:
    """The copies under ``root``, taken from the bare repository ``mirror``. Safe to use from several threads."""

    def __init__(self, root: Path, mirror: Path) -> None:
        self._root = root.absolute()
        self._git = Git(mirror.absolute())
        self._lock = threading.RLock()
        self._proven: dict[Path, Mark] = {}
        self._ensured_at: dict[str, float] = {}
        self._laid_out_at: dict[Path, float] = {}

    def path(self, entry: TreeEntry) -> Path:
        """Where ``entry`` lies or will lie; no I/O."""
        return self._root / _folder_name(entry) / (entry.path.rpartition("/")[2] or "root")

    def ensure(self, entry: TreeEntry) -> Path:
        """Where ``entry`` lies now: complete, on the disk, with the modes of a checkout. Cheap if it was there.

        Raises StalledError for a submodule, a symbolic link (resolve it first), or a folder with a link that leads out
        of it, SourceError where the mirror does not give the content.
        """
        _check_kind(entry)
        path = self.path(entry)
        with self._lock, disk_errors_told(path):
            self._ensured_at[path.parent.name] = time.monotonic()
            if not os.path.lexists(path):
                self._write(entry, path)
        return path

    def verify(self, entries: Sequence[TreeEntry]) -> tuple[TreeEntry, ...]:
        """Those whose content, mode or set of files is no longer what Git holds, missing ones included."""
        with self._lock:
            return tuple(entry for entry in entries if not self._is_sound(entry))

    def restore(self, entry: TreeEntry) -> None:
        """Put the content back in place: a container's mount of a single file pins its inode, of a folder its own.

        Foreign files in a folder are removed. Raises as ensure does.
        """
        _check_kind(entry)
        path = self.path(entry)
        with self._lock, disk_errors_told(path):
            self._proven.pop(path, None)
            if _is_of_kind(path, entry.kind):
                repair(self._git, path, entry, self._listed(entry) if entry.kind is EntryKind.FOLDER else ())
                return
            remove(path)
            self.ensure(entry)

    def laid_out_at(self, entry: TreeEntry) -> float:
        """Seconds since the epoch, 0 if it was there already when this process began."""
        with self._lock:
            return self._laid_out_at.get(self.path(entry), 0.0)

    def collect(self, keep: frozenset[str]) -> None:
        """Remove every object whose Git object id is not in ``keep``; what this process ensured within the last hour
        is spared, since its release may not be recorded yet."""
        with self._lock, disk_errors_told(self._root):
            if not self._root.is_dir():
                return
            spared = {name for name, at in self._ensured_at.items() if time.monotonic() - at < _SPARED_S}
            for folder in sorted(self._root.iterdir()):
                if folder.name in spared or folder.name.removesuffix("-x") in keep:
                    _clear_leftovers(folder)
                    continue
                self._forget(folder)
                self._take_away(folder)

    def _write(self, entry: TreeEntry, path: Path) -> None:
        self._laid_out_at[path] = time.time()
        with put_in_place(path) as temporary:
            if entry.kind is EntryKind.FOLDER:
                write_tree(self._git, self._listed(entry), temporary, durable=True)
            else:
                write_blob(self._git, entry, temporary)

    def _listed(self, folder: TreeEntry) -> tuple[TreeEntry, ...]:
        """What the folder is to hold. Raises StalledError for what cannot be mounted."""
        listed = listing(self._git, folder.object_id)
        within = {entry.path: entry for entry in listed}
        links = [entry for entry in listed if entry.kind is EntryKind.SYMLINK]
        contents = blobs(self._git, [entry.object_id for entry in links], _MOST_LINK_BYTES)
        targets = {blob.object_id: os.fsdecode(blob.content()) for blob in contents}
        for entry in listed:
            check_path(entry.path)
            if entry.kind is EntryKind.SUBMODULE:
                raise _refused(f"{folder.path}/{entry.path}", "is a Git submodule, which is not fetched")
        for entry in links:
            trail = follow(within, lambda link: targets[link.object_id], entry.path)
            if trail.fault:
                what = f"is a symbolic link to {targets[entry.object_id]!r}, which leads out of the mounted folder"
                raise _refused(f"{folder.path}/{entry.path}", what)
        return listed

    def _is_sound(self, entry: TreeEntry) -> bool:
        path = self.path(entry)
        now = mark(path)
        if now is None:
            return False
        if self._proven.get(path) == now:
            return True
        try:
            found = scan(path, len(entry.object_id), MOST_BYTES)
        except OSError:
            return False
        if not _is_exactly(entry, found):
            self._proven.pop(path, None)
            return False
        if time.time_ns() - now.newest_ns > _SETTLED_NS:
            self._proven[path] = now
        return True

    def _forget(self, folder: Path) -> None:
        self._ensured_at.pop(folder.name, None)
        self._proven = {path: known for path, known in self._proven.items() if path.parent != folder}

    def _take_away(self, folder: Path) -> None:
        """Renamed first: half of an object must never be found under its name."""
        doomed = folder
        if not folder.name.startswith(TEMPORARY):
            doomed = folder.with_name(f"{TEMPORARY}{folder.name}")
            remove(doomed)
            folder.rename(doomed)
        remove(doomed)


def _folder_name(entry: TreeEntry) -> str:
    return f"{entry.object_id}-x" if entry.kind is EntryKind.EXECUTABLE else entry.object_id


def _clear_leftovers(folder: Path) -> None:
    """What a killed process had begun to write. Nobody writes now: we hold the store's lock, and the root's."""
    for path in folder.glob(f"{TEMPORARY}*"):
        remove(path)


def _check_kind(entry: TreeEntry) -> None:
    if entry.kind is EntryKind.SUBMODULE:
        raise _refused(entry.path, "is a Git submodule, which is not fetched")
    if entry.kind is EntryKind.SYMLINK:
        raise _refused(entry.path, "is a symbolic link, which cannot be mounted itself")
    if entry.path:
        check_path(entry.path)


def _refused(path: str, why: str) -> StalledError:
    return StalledError(f"{path}: {why}", reason="TreeRefused")


def _is_exactly(entry: TreeEntry, found: Mapping[str, Found]) -> bool:
    if entry.kind is not EntryKind.FOLDER:
        return set(found) == {""} and is_same_file(entry, found[""])
    return all(has_our_mode(item) for item in found.values()) and (
        tree_id(found, len(entry.object_id)) == entry.object_id
    )


def _is_of_kind(path: Path, kind: EntryKind) -> bool:
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return False
    return stat.S_ISDIR(mode) if kind is EntryKind.FOLDER else stat.S_ISREG(mode)
