"""What a file or folder on the disk holds, as Git would name it, and a cheap mark by which a change of it shows.

A container may own what is looked at here: no link is followed, no pipe is waited for, and nothing is read that is too
large to be ours. It changes nothing.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from reconciler.model.source import EntryKind
from reconciler.plumbing.objects import blob_hash, object_hash

MOST_ENTRIES = 200_000  # of one folder
_CHUNK = 1024 * 1024
_GIT_MODES = {
    EntryKind.FILE: "100644",
    EntryKind.EXECUTABLE: "100755",
    EntryKind.SYMLINK: "120000",
    EntryKind.FOLDER: "40000",
}


@dataclass(frozen=True, slots=True)
class Found:
    """One thing on the disk. ``kind`` is None for what Git cannot hold (a pipe, a device, a file that is too large).

    ``object_id``: of files and links; empty for folders. ``mode``: permission bits.
    """

    kind: EntryKind | None
    mode: int
    object_id: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """Equal marks: nothing was changed in between. ``newest_ns``: the time of the last change, in nanoseconds."""

    stats: tuple[tuple[str | int, ...], ...]
    newest_ns: int


def mark(path: Path) -> Mark | None:
    """From inode, size, mode, and times of change of everything at ``path``; None if nothing is there, or too much."""
    try:
        top = os.lstat(path)
        stats = {"": top}
        if stat.S_ISDIR(top.st_mode):
            for name, descriptor in _walk(path):
                stats[name] = os.stat(os.path.basename(name), dir_fd=descriptor, follow_symlinks=False)
                if len(stats) > MOST_ENTRIES:
                    return None
    except OSError:
        return None
    return Mark(
        tuple((name, *_changes_with_it(stats[name])) for name in sorted(stats)),
        newest_ns=max(status.st_ctime_ns for status in stats.values()),
    )


def scan(path: Path, id_length: int, most_bytes: int) -> Mapping[str, Found]:
    """Everything at ``path``, by path relative to it; ``path`` itself is "". Empty if nothing is there.

    Reads every file. Raises OSError where something is changed under our feet: look again.
    """
    try:
        top = os.lstat(path)
    except OSError:
        return {}
    if not stat.S_ISDIR(top.st_mode):
        parent = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            return {"": look(parent, path.name, id_length, most_bytes)}
        finally:
            os.close(parent)
    found = {"": Found(EntryKind.FOLDER, stat.S_IMODE(top.st_mode))}
    for name, descriptor in _walk(path):
        found[name] = look(descriptor, os.path.basename(name), id_length, most_bytes)
        if len(found) > MOST_ENTRIES:
            break
    return found


def look(parent: int, name: str, id_length: int, most_bytes: int) -> Found:
    """The one thing ``name`` in the open folder ``parent``."""
    status = os.stat(name, dir_fd=parent, follow_symlinks=False)
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISDIR(status.st_mode):
        return Found(EntryKind.FOLDER, mode)
    if stat.S_ISLNK(status.st_mode):
        target = os.fsencode(os.readlink(name, dir_fd=parent))
        digest = blob_hash(len(target), id_length)
        digest.update(target)
        return Found(EntryKind.SYMLINK, mode, digest.hexdigest())
    if not stat.S_ISREG(status.st_mode) or status.st_size > most_bytes:
        return Found(None, mode)
    kind = EntryKind.EXECUTABLE if mode & 0o100 else EntryKind.FILE
    return Found(kind, mode, _hashed(parent, name, id_length))


def tree_id(found: Mapping[str, Found], id_length: int) -> str:
    """The id of the Git tree that has exactly what a scan of a folder found; empty where Git cannot hold it."""
    if any(entry.kind is None for entry in found.values()):
        return ""
    children: dict[str, list[str]] = {path: [] for path, entry in found.items() if entry.kind is EntryKind.FOLDER}
    for path in found:
        if path:
            children[path.rpartition("/")[0]].append(path)
    ids: dict[str, str] = {}
    for folder in sorted(children, key=lambda path: path.count("/") + bool(path), reverse=True):
        ids[folder] = _tree(folder, children[folder], found, ids, id_length)
    return ids.get("", "")


def _tree(folder: str, children: list[str], found: Mapping[str, Found], ids: Mapping[str, str], id_length: int) -> str:
    """Git sorts a tree by name, where a folder's name counts as if it ended with a slash."""
    lines = []
    for path in children:
        kind = found[path].kind
        assert kind is not None
        name = os.fsencode(path.rpartition("/")[2])
        object_id = ids[path] if kind is EntryKind.FOLDER else found[path].object_id
        line = _GIT_MODES[kind].encode() + b" " + name + b"\0" + bytes.fromhex(object_id)
        lines.append((name + b"/" if kind is EntryKind.FOLDER else name, line))
    content = b"".join(line for _, line in sorted(lines))
    digest = object_hash("tree", len(content), id_length)
    digest.update(content)
    return digest.hexdigest()


def _walk(top: Path) -> Iterator[tuple[str, int]]:
    """Every path below ``top``, relative to it, with the open folder that it lies in. Follows no link."""
    for folder, folders, files, descriptor in os.fwalk(top, follow_symlinks=False, onerror=_raise):
        inside = os.path.relpath(folder, top)
        for name in (*folders, *files):
            yield (name if inside == "." else f"{inside}/{name}"), descriptor


def _raise(error: OSError) -> None:
    raise error


def _hashed(parent: int, name: str, id_length: int) -> str:
    """Opened without waiting: between the look and the opening a pipe may have taken the file's place."""
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
    with os.fdopen(descriptor, "rb") as file:
        size = os.fstat(descriptor).st_size
        digest = blob_hash(size, id_length)
        left = size
        while left and (chunk := file.read(min(left, _CHUNK))):
            digest.update(chunk)
            left -= len(chunk)
    return digest.hexdigest()


def _changes_with_it(status: os.stat_result) -> tuple[int, ...]:
    """The time of change cannot be set back by whoever changes the content, as the time of modification can."""
    return (status.st_ino, status.st_size, status.st_mode, status.st_mtime_ns, status.st_ctime_ns)
