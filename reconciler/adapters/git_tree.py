"""Answers what a revision's tree holds, and writes whole trees out for Compose to render in.

It fetches nothing and runs nothing that a repository could bring along: no hook, filter, attribute or submodule.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Generic, TypeVar

from reconciler.model.errors import Problem, StalledError
from reconciler.model.source import EntryKind, Revision, TreeEntry
from reconciler.planning.links import follow
from reconciler.plumbing.checkout import (
    MOST_BYTES,
    UNWRITABLE,
    disk_errors_told,
    is_unwritable,
    put_in_place,
    remove,
    write_tree,
)
from reconciler.plumbing.fingerprint import scan
from reconciler.plumbing.objects import blobs, listing
from reconciler.plumbing.process import Git

Value = TypeVar("Value")

_TREES_KEPT = 8
_CONTENT_KEPT_BYTES = 4 * 1024 * 1024
_CHECKOUTS_KEPT = 6
_MOST_READ_BYTES = 16 * 1024 * 1024
_OBJECT_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SUBMODULE = (
    "is a Git submodule; submodules are not fetched: commit the files themselves, or copy them in with git subtree"
)


class GitTree:
    """The trees in the bare repository ``mirror``. Safe to use from several threads."""

    def __init__(self, mirror: Path) -> None:
        self._git = Git(mirror.absolute())
        self._lock = threading.RLock()
        self._trees = _Recent[Mapping[str, TreeEntry]](_TREES_KEPT, weigh=lambda _: 1)
        self._faults = _Recent[Mapping[str, str]](_TREES_KEPT, weigh=lambda _: 1)
        self._content = _Recent[bytes](_CONTENT_KEPT_BYTES, weigh=len)
        self._sound: set[tuple[str, Path]] = set()

    def entries(self, revision: Revision) -> Mapping[str, TreeEntry]:
        """Every path of the revision's tree, folders included; the root of the tree is "".

        A path that is no UTF-8 holds its bytes as lone surrogates. Raises SourceError.
        """
        return self._entries(revision.tree)

    def read(self, object_id: str) -> bytes:
        """One file's content. Raises StalledError above 16 MiB, SourceError where the mirror does not give it."""
        return self.read_all([object_id])[object_id]

    def read_all(self, object_ids: Iterable[str]) -> Mapping[str, bytes]:
        """The contents by object id, through one process for all that were not read before."""
        with self._lock:
            wanted = dict.fromkeys(object_ids)
            known = {name: content for name in wanted if (content := self._content.get(name)) is not None}
            for blob in blobs(self._git, [name for name in wanted if name not in known], _MOST_READ_BYTES):
                known[blob.object_id] = blob.content()
                self._content.put(blob.object_id, known[blob.object_id])
            return known

    def problems(self, entries: Mapping[str, TreeEntry], folder: str) -> tuple[Problem, ...]:
        """What lies under the stack's ``folder`` and cannot be served: submodules, links that lead out of the
        repository, names that no container could be handed. Other stacks are not concerned."""
        inside = f"{folder}/" if folder else ""
        faults = self._faults_of(entries)
        return tuple(
            Problem(file=_shown(path), line=0, key="", message=faults[path])
            for path in sorted(faults)
            if path == folder or path.startswith(inside)
        )

    def export(self, tree_id: str, destination: Path) -> None:
        """Write the whole tree to ``destination``, at once. Does nothing if it is there and still what Git says.

        What cannot be served (see ``problems``) is left out; a submodule is an empty folder, as Git has it. Older
        checkouts beside it are taken away. Raises SourceError, StalledError.
        """
        with self._lock, disk_errors_told(destination):
            if (tree_id, destination) in self._sound and destination.is_dir():
                os.utime(destination)
                return
            wanted = self._to_write(tree_id)
            if os.path.lexists(destination) and not _is_written(destination, wanted, len(tree_id)):
                remove(destination)
            if not os.path.lexists(destination):
                with put_in_place(destination) as path:
                    write_tree(self._git, wanted, path, durable=False)
            self._sound.add((tree_id, destination))
            os.utime(destination)
            self._collect(destination)

    def _entries(self, tree: str) -> Mapping[str, TreeEntry]:
        with self._lock:
            known = self._trees.get(tree)
            if known is None:
                root = TreeEntry("", EntryKind.FOLDER, tree)
                listed = {entry.path: entry for entry in listing(self._git, tree)}
                known = MappingProxyType({"": root, **listed})
                self._trees.put(tree, known)
            return known

    def _faults_of(self, entries: Mapping[str, TreeEntry]) -> Mapping[str, str]:
        with self._lock:
            tree = entries[""].object_id
            known = self._faults.get(tree)
            if known is None:
                known = dict(self._find_faults(entries))
                self._faults.put(tree, known)
            return known

    def _find_faults(self, entries: Mapping[str, TreeEntry]) -> Iterable[tuple[str, str]]:
        links = [entry for entry in entries.values() if entry.kind is EntryKind.SYMLINK]
        with contextlib.suppress(StalledError):  # one that is far too large, which is told below
            self.read_all(entry.object_id for entry in links)
        for path, entry in entries.items():
            if entry.kind is EntryKind.SUBMODULE:
                yield path, _SUBMODULE
            elif path and is_unwritable(path):
                yield path, UNWRITABLE
            elif not _is_text(path):
                yield path, "has a name that is not UTF-8"
        for entry in links:
            if fault := follow(entries, self.target, entry.path).fault:
                yield entry.path, f"is a symbolic link to {_shortened(self.target(entry))!r}, which {fault}"

    def target(self, link: TreeEntry) -> str:
        """The text of a symbolic link; empty for one that is too large to be any."""
        try:
            return self.read(link.object_id).decode("utf-8", "surrogateescape")
        except StalledError:
            return ""

    def _to_write(self, tree: str) -> tuple[TreeEntry, ...]:
        entries = self._entries(tree)
        faults = self._faults_of(entries)
        return tuple(
            TreeEntry(path, EntryKind.FOLDER, "") if entry.kind is EntryKind.SUBMODULE else entry
            for path, entry in entries.items()
            if path and not is_unwritable(path) and (entry.kind is not EntryKind.SYMLINK or path not in faults)
        )

    def _collect(self, newest: Path) -> None:
        """Keep few: a checkout can be written anew at any time."""
        others = [path for path in newest.parent.iterdir() if _OBJECT_ID.fullmatch(path.name) and path != newest]
        for path in sorted(others, key=_last_used, reverse=True)[_CHECKOUTS_KEPT - 1 :]:
            self._sound = {(tree, folder) for tree, folder in self._sound if folder != path}
            remove(path)


class _Recent(Generic[Value]):
    """A bounded memory of the most recently used values by object id; what an id means never changes."""

    def __init__(self, most: int, weigh: Callable[[Value], int]) -> None:
        self._most = most
        self._weigh = weigh
        self._weight = 0
        self._values: OrderedDict[str, Value] = OrderedDict()

    def get(self, key: str) -> Value | None:
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def put(self, key: str, value: Value) -> None:
        if key in self._values or self._weigh(value) > self._most:
            return
        self._values[key] = value
        self._weight += self._weigh(value)
        while self._weight > self._most:
            _, oldest = self._values.popitem(last=False)
            self._weight -= self._weigh(oldest)


def _is_written(destination: Path, wanted: tuple[TreeEntry, ...], id_length: int) -> bool:
    try:
        found = scan(destination, id_length, MOST_BYTES)
    except OSError:
        return False
    expected = {entry.path: (entry.kind, _content_id(entry)) for entry in wanted}
    expected[""] = (EntryKind.FOLDER, "")
    return {path: (entry.kind, entry.object_id) for path, entry in found.items()} == expected


def _content_id(entry: TreeEntry) -> str:
    return "" if entry.kind is EntryKind.FOLDER else entry.object_id


def _last_used(path: Path) -> float:
    with contextlib.suppress(OSError):
        return path.stat().st_mtime
    return 0.0


def _is_text(path: str) -> bool:
    return not any("\udc80" <= character <= "\udcff" for character in path)


def _shortened(target: str) -> str:
    return target if len(target) <= 100 else f"{target[:100]}..."


def _shown(path: str) -> str:
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
