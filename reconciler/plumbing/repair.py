"""Puts a changed copy right in place, keeping the inodes that containers have mounted.

A container may own what is repaired here, and may change it meanwhile: everything goes through open folders, no link
is followed, and no file is written to that has a second name somewhere else.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from reconciler.model.errors import WaitingError
from reconciler.model.source import EntryKind, TreeEntry
from reconciler.plumbing.checkout import FILE_MODES, FOLDER_MODE, MOST_BYTES, fill, remove_at
from reconciler.plumbing.fingerprint import Found, look
from reconciler.plumbing.objects import Blob, blobs
from reconciler.plumbing.process import Git

_OWNER_WRITES = 0o200


def repair(git: Git, path: Path, entry: TreeEntry, inside: Sequence[TreeEntry]) -> None:
    """``path`` is of the kind that ``entry`` says. ``inside``: what a folder is to hold, paths relative to it."""
    with _folder(path.parent) as parent:
        if entry.kind is EntryKind.FOLDER:
            _repair_folder(git, parent, path.name, inside)
        else:
            _repair_file(git, parent, path.name, entry)


def is_same_file(entry: TreeEntry, found: Found) -> bool:
    return found.kind is entry.kind and found.object_id == entry.object_id and has_our_mode(found)


def has_our_mode(found: Found) -> bool:
    if found.kind is None or found.kind is EntryKind.SYMLINK:
        return True  # links have no mode of their own
    return found.mode == (FOLDER_MODE if found.kind is EntryKind.FOLDER else FILE_MODES[found.kind])


def _repair_folder(git: Git, parent: int, name: str, wanted: Sequence[TreeEntry]) -> None:
    children = {entry.path: entry for entry in wanted if "/" not in entry.path}
    with _folder(name, parent) as folder:
        os.fchmod(folder, FOLDER_MODE)
        for foreign in set(os.listdir(folder)) - set(children):
            remove_at(folder, foreign)
        for child in children.values():
            if child.kind is EntryKind.FOLDER:
                _make_folder(folder, child.path)
                _repair_folder(git, folder, child.path, _below(child.path, wanted))
            else:
                _repair_file(git, folder, child.path, child)
        os.fsync(folder)


def _make_folder(parent: int, name: str) -> None:
    status = _status(parent, name)
    if status is not None and stat.S_ISDIR(status.st_mode):
        return
    remove_at(parent, name)
    os.mkdir(name, FOLDER_MODE, dir_fd=parent)


def _repair_file(git: Git, parent: int, name: str, entry: TreeEntry) -> None:
    name = os.path.basename(name)
    status = _status(parent, name)
    if status is not None and is_same_file(entry, look(parent, name, len(entry.object_id), MOST_BYTES)):
        return
    for blob in blobs(git, [entry.object_id], MOST_BYTES):
        if entry.kind is EntryKind.SYMLINK:
            remove_at(parent, name)
            os.symlink(blob.content(), os.fsencode(name), dir_fd=parent)
            return
        if status is not None and not _is_only_ours(status):
            remove_at(parent, name)
        _rewrite(git, parent, name, blob, FILE_MODES[entry.kind])


def _rewrite(git: Git, parent: int, name: str, blob: Blob, mode: int) -> None:
    file = _open_to_write(parent, name)
    try:
        if not _is_only_ours(os.fstat(file)):
            raise WaitingError(f"{name} changes while it is being restored")
        fill(git, blob, file)
        os.fchmod(file, mode)
        os.fsync(file)
    finally:
        os.close(file)


def _open_to_write(parent: int, name: str) -> int:
    """Made anew only where it runs as a program right now, which lets nobody write to it."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        return os.open(name, flags, 0o600, dir_fd=parent)
    except PermissionError:
        _let_owner_write(parent, name)
    except OSError as error:
        if error.errno != errno.ETXTBSY:
            raise
        remove_at(parent, name)
    return os.open(name, flags, 0o600, dir_fd=parent)


def _let_owner_write(parent: int, name: str) -> None:
    """Somebody made it read-only, and only root writes to such a file without this."""
    file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
    try:
        os.fchmod(file, stat.S_IMODE(os.fstat(file).st_mode) | _OWNER_WRITES)
    finally:
        os.close(file)


def _is_only_ours(status: os.stat_result) -> bool:
    """With a second name, a hard link, writing to it would write to somebody else's file."""
    return stat.S_ISREG(status.st_mode) and status.st_nlink == 1


def _status(parent: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _below(folder: str, entries: Sequence[TreeEntry]) -> list[TreeEntry]:
    start = f"{folder}/"
    return [
        TreeEntry(entry.path.removeprefix(start), entry.kind, entry.object_id)
        for entry in entries
        if entry.path.startswith(start)
    ]


@contextmanager
def _folder(path: str | Path, parent: int | None = None) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
