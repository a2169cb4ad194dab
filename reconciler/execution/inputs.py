"""What a render of a stack can read, told by Git object ids: while they are the same, so is what is rendered."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping

from reconciler.model.manifest import Manifest
from reconciler.model.source import EntryKind, Revision, TreeEntry
from reconciler.ports.repository import Tree
from reconciler.recent import Recent

_READ_BY_COMPOSE = (".yaml", ".yml", ".env", ".json")
_FOLDERS_KEPT = 256


class Inputs:
    """Safe to use from several threads."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._found: Recent[tuple[str, str], str] = Recent(_FOLDERS_KEPT)

    def id_of(self, manifest: Manifest, revision: Revision) -> str:
        """Of the folders of the stack, or of the whole tree if one looks beyond."""
        found = [self._of_folder(folder, revision) for folder in (manifest.folder, *manifest.overlays)]
        return " ".join(found) if all(found) else revision.tree

    def _of_folder(self, path: str, revision: Revision) -> str:
        """ "" for a folder that looks beyond itself."""
        entries = self._tree.entries(revision)
        folder = entries.get(path)
        if not path or folder is None:
            return ""
        object_id = folder.object_id
        return self._found.or_made((path, object_id), lambda: "" if self._looks_beyond(path, entries) else object_id)

    def _looks_beyond(self, folder: str, entries: Mapping[str, TreeEntry]) -> bool:
        """Whether a file of the folder that Compose may read names a parent folder, or a link leads there."""
        for path, entry in entries.items():
            if not path.startswith(folder + "/") or entry.kind is EntryKind.FOLDER:
                continue
            if entry.kind is EntryKind.SYMLINK:
                target = posixpath.normpath(posixpath.join(posixpath.dirname(path), self._tree.target(entry)))
                if not target.startswith(folder + "/"):
                    return True
            elif path.endswith(_READ_BY_COMPOSE) and b".." in self._tree.read(entry.object_id):
                return True
        return False
