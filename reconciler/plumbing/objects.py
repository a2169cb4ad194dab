"""Reads trees and blobs out of the mirror. What it cannot read it reports, and marks the mirror as suspect."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from reconciler.model.errors import SourceError, StalledError
from reconciler.model.source import EntryKind, TreeEntry
from reconciler.plumbing.process import Git, GitFailedError

_SUSPECT = "reconciler-suspect"
_CHUNK = 256 * 1024
_KINDS = {
    "120000": EntryKind.SYMLINK,
    "160000": EntryKind.SUBMODULE,
    "040000": EntryKind.FOLDER,
}


@dataclass(frozen=True, slots=True)
class Blob:
    """One blob on its way out of git: ``size`` bytes, to be read from ``stream`` before the next one is asked for."""

    object_id: str
    size: int
    stream: IO[bytes]

    def chunks(self) -> Iterator[bytes]:
        """Raises EOFError where git stops in the middle."""
        left = self.size
        while left:
            chunk = self.stream.read(min(left, _CHUNK))
            if not chunk:
                raise EOFError
            left -= len(chunk)
            yield chunk

    def content(self) -> bytes:
        return b"".join(self.chunks())


def listing(git: Git, tree: str) -> tuple[TreeEntry, ...]:
    """Every path below ``tree``, folders included and before what they hold; paths are relative to ``tree``."""
    with _reading(git, tree):
        answer = git.run("ls-tree", "-r", "-t", "-z", "--full-tree", "--end-of-options", tree)
    return tuple(_entry(line) for line in answer.split(b"\0") if line)


def blobs(git: Git, object_ids: Iterable[str], most_bytes: int) -> Iterator[Blob]:
    """The blobs in the order of ``object_ids``, through one process. Each must be read whole before the next.

    Raises StalledError for one above ``most_bytes``, SourceError for one that the mirror does not give.
    """
    wanted = tuple(object_ids)
    if not wanted:
        return
    with (
        _reading(git, wanted[0]),
        git.stream("cat-file", "--batch", stdin="".join(f"{name}\n" for name in wanted).encode()) as output,
    ):
        for object_id in wanted:
            yield Blob(object_id, _announced_size(output, object_id, most_bytes), output)
            if output.read(1) != b"\n":
                raise EOFError


def blob_hash(size: int, id_length: int) -> hashlib._Hash:
    """The hash that names a blob of ``size`` bytes, still to be fed with its content."""
    return object_hash("blob", size, id_length)


def object_hash(kind: str, size: int, id_length: int) -> hashlib._Hash:
    """``id_length``: of the ids in the repository at hand, 40 hexadecimal digits for SHA-1, 64 for SHA-256."""
    digest = hashlib.new("sha1" if id_length == 40 else "sha256", usedforsecurity=False)
    digest.update(f"{kind} {size}\0".encode())
    return digest


def mark_suspect(mirror: Path) -> None:
    """Let the next fetch look at the whole mirror, and rebuild it if need be."""
    with contextlib.suppress(OSError):
        (mirror / _SUSPECT).touch()


def is_suspect(mirror: Path) -> bool:
    return (mirror / _SUSPECT).exists()


def clear_suspicion(mirror: Path) -> None:
    (mirror / _SUSPECT).unlink(missing_ok=True)


def _entry(line: bytes) -> TreeEntry:
    """``<mode> <type> <id>TAB<path>``. A path that is no UTF-8 keeps its bytes as lone surrogates, as in os.fsdecode."""
    told, _, path = line.partition(b"\t")
    mode, _, object_id = told.decode().split(" ", 2)
    return TreeEntry(path.decode("utf-8", "surrogateescape"), _kind(mode), object_id)


def _kind(mode: str) -> EntryKind:
    if mode in _KINDS:
        return _KINDS[mode]
    return EntryKind.EXECUTABLE if int(mode, 8) & 0o100 else EntryKind.FILE


def _announced_size(output: IO[bytes], object_id: str, most_bytes: int) -> int:
    header = output.readline(1024).decode().split()
    if not header:
        raise EOFError
    if header[-1] == "missing":
        raise GitFailedError("cat-file", 0, f"object {object_id} is missing")
    size = int(header[2])
    if header[1] != "blob" or size > most_bytes:
        raise StalledError(f"Git object {object_id} is no file of at most {most_bytes} bytes ({header[1]}, {size})")
    return size


@contextmanager
def _reading(git: Git, object_id: str) -> Iterator[None]:
    try:
        yield
    except GitFailedError as error:
        mark_suspect(git.folder)
        raise SourceError(
            f"the mirror does not give object {object_id} ({error}); the next fetch looks at it and rebuilds it",
            reason="MirrorBroken",
        ) from error
