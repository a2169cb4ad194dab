"""Writes blobs and trees into folders, byte for byte: no hook, no filter, no line endings, no attribute applies.

Everything is written beside its place and renamed into it, so that whoever finds it finds all of it.
"""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from reconciler.files import sync_folder
from reconciler.model.errors import SourceError, StalledError, WaitingError
from reconciler.model.source import EntryKind, TreeEntry
from reconciler.plumbing.objects import Blob, blob_hash, blobs, mark_suspect
from reconciler.plumbing.process import Git

TEMPORARY = ".tmp-"  # how the names of what is not finished begin
UNWRITABLE = "has a name that no file may have"
_LONGEST_NAME = 255  # bytes
MOST_BYTES = 512 * 1024 * 1024  # of one file; a configuration repository has no business holding more

# As git itself checks them out, for modes are handed on: with a read-only copy for its context, `COPY --chown` would make
# an image whose user cannot write to its own files. A copy is not protected by its mode but proven by its content.
FILE_MODES: Mapping[EntryKind, int] = {EntryKind.FILE: 0o644, EntryKind.EXECUTABLE: 0o755}
FOLDER_MODE = 0o755


@contextmanager
def put_in_place(destination: Path) -> Iterator[Path]:
    """A path to write to; it becomes ``destination`` at the end, all at once, or is taken away.

    Fine if somebody else was faster with a folder: content is addressed by what it is, so theirs is ours.
    """
    destination.parent.mkdir(parents=True, exist_ok=True)
    room = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=destination.parent))
    try:
        yield room / destination.name
        sync_folder(room)
        with _ours_or_theirs(destination):
            os.rename(room / destination.name, destination)
        sync_folder(destination.parent)
    finally:
        remove(room)


def write_blob(git: Git, entry: TreeEntry, destination: Path) -> None:
    """Raises SourceError where the mirror does not hold exactly what the object's id says."""
    for blob in blobs(git, [entry.object_id], MOST_BYTES):
        _write(git, blob, destination, FILE_MODES[entry.kind], durable=True)


def write_tree(git: Git, entries: Sequence[TreeEntry], destination: Path, *, durable: bool) -> None:
    """``entries``: what the folder is to hold, paths relative to it, folders before what they hold.

    ``durable``: on the disk when this returns, which costs a wait for the disk per file.

    Symbolic links come last: nothing is ever written through one, however the tree was forged.
    """
    destination.mkdir(mode=0o700)
    folders = [destination / entry.path for entry in entries if entry.kind is EntryKind.FOLDER]
    files = [entry for entry in entries if entry.kind in FILE_MODES]
    links = [entry for entry in entries if entry.kind is EntryKind.SYMLINK]
    for entry in entries:
        check_path(entry.path)
    with _forged_trees_refused():
        for folder in folders:
            folder.mkdir(mode=0o700)
        for entry, blob in zip(files, blobs(git, [entry.object_id for entry in files], MOST_BYTES), strict=True):
            _write(git, blob, destination / entry.path, FILE_MODES[entry.kind], durable)
        for entry, blob in zip(links, blobs(git, [entry.object_id for entry in links], MOST_BYTES), strict=True):
            os.symlink(blob.content(), os.fsencode(destination / entry.path))
    for folder in (*reversed(folders), destination):
        folder.chmod(FOLDER_MODE)
        if durable:
            sync_folder(folder)


@contextmanager
def disk_errors_told(path: Path) -> Iterator[None]:
    """Raises WaitingError where the disk is full, or does not do what it is asked to."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        what = error.strerror or "failed"
        raise WaitingError(f"{path}: {what}", reason="DiskFull" if full else "DiskFailed") from error


def check_path(path: str) -> None:
    """Raises StalledError for a path that cannot or must not be written."""
    if is_unwritable(path):
        raise StalledError(f"{path!r} {UNWRITABLE}", reason="TreeRefused")


def is_unwritable(path: str) -> bool:
    """Names that lead elsewhere, which no honest git writes into a tree, and names that are too long for a disk."""
    return any(
        part in ("", ".", "..") or part.lower() == ".git" or len(os.fsencode(part)) > _LONGEST_NAME
        for part in path.split("/")
    )


def remove(path: Path) -> None:
    """Take a file or a whole folder away, read-only ones too; fine if it is gone."""
    try:
        parent = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return
    try:
        remove_at(parent, path.name)
    finally:
        os.close(parent)


def remove_at(parent: int, name: str) -> None:
    """The same in the open folder ``parent``. Follows no link, also when one takes a folder's place meanwhile."""
    try:
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
        if not stat.S_ISDIR(status.st_mode):
            os.unlink(name, dir_fd=parent)
            return
        folder = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
    except FileNotFoundError:
        return
    try:
        os.fchmod(folder, 0o700)
        for child in os.listdir(folder):
            remove_at(folder, child)
    finally:
        os.close(folder)
    os.rmdir(name, dir_fd=parent)


def fill(git: Git, blob: Blob, descriptor: int) -> None:
    """Make the open file hold exactly the blob, in place. Raises SourceError as write_blob does."""
    digest = blob_hash(blob.size, len(blob.object_id))
    offset = 0
    for chunk in blob.chunks():
        digest.update(chunk)
        view = memoryview(chunk)
        while view:
            written = os.pwrite(descriptor, view, offset)
            offset += written
            view = view[written:]
    os.ftruncate(descriptor, blob.size)
    if digest.hexdigest() != blob.object_id:
        mark_suspect(git.folder)
        raise SourceError(f"the mirror gives a wrong content for object {blob.object_id}", reason="MirrorBroken")


def _write(git: Git, blob: Blob, destination: Path, mode: int, durable: bool) -> None:
    descriptor = os.open(destination, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        fill(git, blob, descriptor)
        os.fchmod(descriptor, mode)
        if durable:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _forged_trees_refused() -> Iterator[None]:
    """Two entries of one name, or a file that is a folder as well: git never writes such a tree, an attacker may."""
    try:
        yield
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise StalledError(f"the Git tree holds {error.filename!r} twice", reason="TreeRefused") from error


@contextmanager
def _ours_or_theirs(destination: Path) -> Iterator[None]:
    try:
        yield
    except OSError:
        if not destination.is_dir():
            raise
