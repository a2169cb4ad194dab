"""Finds and reads the files of a revision that a stack names, and says why one cannot be had."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from reconciler.declared.yaml_words import shown
from reconciler.model.errors import StalledError
from reconciler.model.source import EntryKind, TreeEntry
from reconciler.planning.links import follow
from reconciler.planning.nearest import did_you_mean

_FILES = (EntryKind.FILE, EntryKind.EXECUTABLE)
_MOST_LINK_BYTES = 4096  # no kernel takes a longer target


@dataclass(frozen=True, slots=True)
class Found:
    """``path``: relative to the repository's root, after every symbolic link. ``fault``: why there is no ``content``."""

    path: str
    content: bytes = b""
    fault: str = ""


@dataclass(frozen=True, slots=True)
class RepositoryFiles:
    """``entries``: the revision's tree, by path relative to its root. ``read``: a file's content by object id."""

    entries: Mapping[str, TreeEntry]
    read: Callable[[str], bytes]

    def find(self, folder: str, name: str) -> Found:
        """The file that ``name`` means in ``folder``. Raises SourceError where the mirror does not give it."""
        path = posixpath.normpath(posixpath.join(folder, name))
        trail = follow(self.entries, self.target_of, f"{folder}/{name}")
        if trail.fault:
            return Found(trail.path, fault=self._told(name, trail.path, trail.fault))
        entry = self.entries.get(trail.path)
        if entry is None and path in self.entries:
            return Found(trail.path, fault=self._told(name, path, "does not exist in Git"))
        if entry is None:
            return Found(trail.path, fault=f'there is no file "{shown(name)}" in Git{self._nearest(folder, name)}')
        if entry.kind not in _FILES:
            return Found(trail.path, fault=f'"{shown(name)}" is a {entry.kind.value}; name a file')
        try:
            return Found(trail.path, self.read(entry.object_id))
        except StalledError as error:
            return Found(trail.path, fault=str(error))

    def holds(self, folder: str, name: str) -> bool:
        """Whether ``name`` means a file in ``folder``."""
        trail = follow(self.entries, self.target_of, f"{folder}/{name}")
        entry = self.entries.get(trail.path)
        return not trail.fault and entry is not None and entry.kind in _FILES

    def entry(self, folder: str, name: str) -> TreeEntry | None:
        """What ``name`` means in ``folder``, after every symbolic link."""
        trail = follow(self.entries, self.target_of, f"{folder}/{name}")
        return None if trail.fault else self.entries.get(trail.path)

    def tracks(self, folder: str, name: str) -> bool:
        """Whether anything is there; also what cannot be followed."""
        trail = follow(self.entries, self.target_of, f"{folder}/{name}")
        return bool(trail.fault) or trail.path in self.entries

    def target_of(self, link: TreeEntry) -> str:
        return self.read(link.object_id)[:_MOST_LINK_BYTES].decode("utf-8", "surrogateescape")

    def _told(self, name: str, culprit: str, fault: str) -> str:
        entry = self.entries.get(culprit)
        if entry is None or entry.kind is not EntryKind.SYMLINK:
            return f'"{shown(name)}" {fault}'
        target = shown(self.target_of(entry))
        how = "is" if posixpath.basename(culprit) == posixpath.basename(name) else f"leads over {shown(culprit)},"
        return f'"{shown(name)}" {how} a symbolic link to {target}, which {fault}'

    def _nearest(self, folder: str, name: str) -> str:
        aside = posixpath.normpath(posixpath.join(folder, posixpath.dirname(name)))
        return did_you_mean(name, self._names(folder, {folder, "" if aside == "." else aside}))

    def _names(self, folder: str, above: set[str]) -> Iterator[str]:
        """The files below ``folder``, and those right in one of ``above``, as somebody in ``folder`` names them."""
        below = f"{folder}/" if folder else ""
        for path, entry in self.entries.items():
            if entry.kind not in _FILES:
                continue
            if path.startswith(below):
                yield path.removeprefix(below)
            elif posixpath.dirname(path) in above:
                yield posixpath.relpath(path, folder or ".")


def leads_out(path: str) -> bool:
    """Whether a relative path leaves the folder that it begins at, if only on its way."""
    depth = 0
    for part in path.split("/"):
        depth += {"..": -1, ".": 0, "": 0}.get(part, 1)
        if depth < 0:
            return True
    return False
