"""What a stack has of files that lie encrypted in Git: env files that Compose reads from memory, and secrets that containers are
handed. Writes nothing.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from reconciler.declared.repository_files import RepositoryFiles
from reconciler.model.errors import InvalidInputError, Problem, ReconcilerError
from reconciler.model.manifest import Manifest
from reconciler.model.source import EntryKind, Revision, TreeEntry
from reconciler.planning.dotenv import read_dotenv
from reconciler.planning.sealed import is_sealed
from reconciler.ports.host_files import SealedFiles
from reconciler.ports.repository import Tree

_LARGEST_SECRET = 96 * 1024  # bytes: it reaches Compose as a variable, and no system takes one much longer
_NO_TEXT = (
    "is no text, so it cannot be handed to a container as a secret: encrypt it as base64 and let the container decode it, or "
    "leave it out of Git and lay it into the stack's folder below data/ of this host"
)
_TOO_LARGE = (
    f"is larger than {_LARGEST_SECRET // 1024} KiB, so it cannot be handed to a container as a secret: leave it out of Git and "
    "lay it into the stack's folder below data/ of this host"
)
_SECRET = "SECRET of "  # a name that makes a value a secret


@dataclass(frozen=True, slots=True)
class EnvPaths:
    """``paths``: for Compose, in the order of their force; ``names``: of those that people know by another name."""

    paths: tuple[Path, ...]
    names: Mapping[str, str]


class SealedInputs:
    """Safe to use from several threads."""

    def __init__(self, tree: Tree, sealed: SealedFiles) -> None:
        self._tree = tree
        self._sealed = sealed

    def state(self) -> str:
        """Changes whenever the keys may have changed."""
        return self._sealed.state()

    @contextmanager
    def env_paths(self, manifest: Manifest, folder: Path) -> Iterator[EnvPaths]:
        """Of the tracked files, in the checkout whose stack folder is ``folder``; what lies there encrypted is in memory while
        the block lasts. Raises InvalidInputError."""
        paths, names = [], {}
        with ExitStack() as stack:
            for name in manifest.env_files:
                path, known = folder / name, posixpath.normpath(posixpath.join(manifest.folder, name))
                if is_sealed(name) and path.is_file():  # of one that is missing Compose says so
                    path = stack.enter_context(self._sealed.held(self._sealed.open(known, path.read_bytes())))
                    names[str(path)] = known
                paths.append(path)
            yield EnvPaths(tuple(paths), names)

    def secret(self, entry: TreeEntry) -> str:
        """What a container is handed of a file. Raises InvalidInputError."""
        content = self._sealed.open(entry.path, self._tree.read(entry.object_id))
        text = _text(content)
        if text is None or len(content) > _LARGEST_SECRET:
            fault = _NO_TEXT if text is None else _TOO_LARGE
            raise InvalidInputError((Problem(entry.path, 0, "", f"what is encrypted in it {fault}"),))
        return text

    def values(self, manifest: Manifest, revision: Revision) -> dict[str, str]:
        """All that lies encrypted in the stack's folders at ``revision``, as far as it can be read: nothing that we print
        may hold it."""
        entries = self._tree.entries(revision)
        files = RepositoryFiles(entries, self._tree.read)
        found: dict[str, str] = {}
        for name in filter(is_sealed, manifest.env_files):
            try:
                content = self._sealed.open(name, files.find(manifest.folder, name).content)
            except ReconcilerError:
                continue
            found.update(read_dotenv(content, name).values)
        for entry in self._secrets(manifest, entries):
            try:
                found[_SECRET + entry.path] = self.secret(entry)
            except ReconcilerError:
                continue
        return found

    def _secrets(self, manifest: Manifest, entries: Mapping[str, TreeEntry]) -> Iterator[TreeEntry]:
        tops = tuple(f"{folder}/" if folder else "" for folder in (manifest.folder, *manifest.overlays))
        known = set(manifest.rendered_from)
        for path, entry in entries.items():
            if is_sealed(path) and path not in known and path.startswith(tops) and entry.kind is not EntryKind.FOLDER:
                yield entry


def _text(content: bytes) -> str | None:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text
