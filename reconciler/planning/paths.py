"""Where a path of the repository lies on the host: the one place that decides it (DESIGN, decision 2).

What Git tracks is an immutable object, what it does not track is host data, an absolute path is the host's own.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from reconciler.model.desired import Seed
from reconciler.model.errors import InvalidInputError, Problem
from reconciler.model.manifest import Manifest
from reconciler.model.source import EntryKind, TreeEntry
from reconciler.planning.links import Trail, follow
from reconciler.planning.proxies import Proxy
from reconciler.planning.sealed import ENDING, is_sealed

_FILES = (EntryKind.FILE, EntryKind.EXECUTABLE)
_MOUNTED_SECRET = (
    "{0} lies encrypted in Git, and a mount would need it in the clear on this host's disk; declare it under secrets: of the "
    "Compose file, with file: ./NAME, and it is copied into the container"
)
_OPEN_FOLDERS = ("state/traefik", "data", "certs", "backups")


def _cannot_decrypt(entry: TreeEntry) -> str:
    raise InvalidInputError((Problem(entry.path, 0, "", "it is encrypted, and cannot be decrypted here"),))


@dataclass(frozen=True, slots=True)
class Place:
    """Where things lie while a stack is rendered. Absolute paths without a trailing slash.

    ``entries``: the revision's tree by path; ``object_path``: where an entry's immutable copy lies (no I/O). ``proxies``: the
    Traefiks of other stacks. ``secret``: what a file holds that lies encrypted in Git; raises InvalidInputError.
    """

    root: str
    root_id: str
    checkout: str
    revision: str
    entries: Mapping[str, TreeEntry]
    object_path: Callable[[TreeEntry], str]
    target_of: Callable[[TreeEntry], str]  # the text of a symbolic link
    source_path: str = ""  # the folder of the repository that holds the stacks
    proxies: tuple[Proxy, ...] = ()
    secret: Callable[[TreeEntry], str] = _cannot_decrypt

    def traefik_of(self, stack: str) -> str:
        """Its ``RECONCILER_TRAEFIK_DIR``."""
        return f"{self.root}/state/traefik/{stack}"


class Paths:
    """Rewrites paths, and gathers on its way what they need: ``objects``, ``seeds``, ``secrets``, and ``problems`` for refused ones."""

    def __init__(self, manifest: Manifest, place: Place) -> None:
        self._manifest = manifest
        self._place = place
        self.problems: list[Problem] = []
        self.objects: dict[str, TreeEntry] = {}
        self.seeds: dict[str, Seed] = {}
        self.secrets: dict[str, str] = {}  # by the name of the variable that hands each on

    def rewrite(self, path: str, key: str) -> str:
        """``path`` as Compose resolved it, to an object, to host data, or unchanged where it is the host's own."""
        inside = self._inside_checkout(path)
        if inside is None:
            self._refuse_escape(path, key)
            return path
        return self._place_of(path, inside, key, is_data=self._is_declared_data(inside))

    def tracked(self, path: str, key: str, what: str) -> str:
        """The same for what must be tracked: it decides what is built and what runs, so it must be what Git holds."""
        inside = self._inside_checkout(path)
        if inside is not None and not self._is_tracked(inside):
            self._problem(key, f"{what} {inside or '.'} is not in Git; commit it")
            return path
        return self.rewrite(path, key)

    def sealed(self, path: str, key: str, variable: str) -> bool:
        """Whether ``path`` means a file that lies encrypted in Git, with or without the ending of its name. Then what it holds
        is handed on by ``variable``."""
        inside = self._inside_checkout(path)
        entry = self._sealed_at(inside) if inside else None
        if entry is None:
            return False
        try:
            self.secrets[variable] = self._place.secret(entry)
        except InvalidInputError as error:
            self.problems += error.problems
        if not is_sealed(inside or "") and entry.path.removesuffix(ENDING) in self._place.entries:
            self._problem(
                key, f"{inside} lies in Git in the clear beside {entry.path}; take it out, and change the secret"
            )
        return True

    def host_data(self, path: str, key: str) -> str:
        """The same for what containers write to by its nature: it starts as what Git tracks there, if anything."""
        inside = self._inside_checkout(path)
        if inside is None:
            return self.rewrite(path, key)
        return self._place_of(path, inside, key, is_data=True)

    def host_folder(self, path: str) -> str:
        """Where host data of the stack's own folder lies."""
        return self._data_path(posixpath.normpath(posixpath.join(self._manifest.folder, path)))

    def in_stack_folder(self, path: str) -> str:
        """Where Compose looks for a path that it left as it was written."""
        return posixpath.normpath(posixpath.join(self._place.checkout, self._manifest.folder, path))

    def _place_of(self, path: str, inside: str, key: str, is_data: bool) -> str:
        trail = follow(self._place.entries, self._place.target_of, self._nearest(inside))
        if trail.fault:
            self._problem(key, self._why_not(trail))
            return path
        entry = self._place.entries.get(trail.path)
        if entry is None and self._sealed_at(inside) is not None:
            self._problem(key, _MOUNTED_SECRET.format(inside))
            return path
        if entry is None:
            return self._data_path(inside)
        if is_data:
            target = self._data_path(inside)
            self.seeds[target] = Seed(target, entry)
            return target
        self.objects[entry.path] = entry
        return self._place.object_path(entry)

    def _nearest(self, inside: str) -> str:
        """What an overlay of this host has under the same name stands in the place of what the stack has."""
        return next((path for path in self._layers(inside) if path in self._place.entries), inside)

    def _layers(self, inside: str) -> Iterator[str]:
        """Where a path of the stack's may be found, the nearest first."""
        below = f"{self._manifest.folder}/" if self._manifest.folder else ""
        if inside.startswith(below):
            for overlay in reversed(self._manifest.overlays):
                yield posixpath.join(overlay, inside.removeprefix(below))
        yield inside

    def _sealed_at(self, inside: str) -> TreeEntry | None:
        """The encrypted file that ``inside`` means; None where something nearer is in the clear."""
        for path in self._layers(inside):
            for name in (path,) if is_sealed(path) else (path + ENDING, path):
                trail = follow(self._place.entries, self._place.target_of, name)
                entry = None if trail.fault else self._place.entries.get(trail.path)
                if entry is not None:
                    return entry if is_sealed(name) and entry.kind in _FILES else None
        return None

    def _why_not(self, trail: Trail) -> str:
        found = self._place.entries.get(trail.path)
        if found is not None and found.kind is EntryKind.SUBMODULE:
            return f"{trail.path} is a Git submodule, which is not fetched; copy its files into the repository"
        return f"{trail.path} {trail.fault}; mount what it should point to instead"

    def _is_tracked(self, inside: str) -> bool:
        """What cannot be followed counts as tracked: that it cannot is another problem."""
        trail = follow(self._place.entries, self._place.target_of, self._nearest(inside))
        return bool(trail.fault) or trail.path in self._place.entries

    def _inside_checkout(self, path: str) -> str | None:
        path = posixpath.normpath(path)
        if path == self._place.checkout:
            return ""
        return path.removeprefix(self._place.checkout + "/") if path.startswith(self._place.checkout + "/") else None

    def _refuse_escape(self, path: str, key: str) -> None:
        """A relative path that leaves the repository ends up beside the checkout, inside our own root."""
        root, path = self._place.root, posixpath.normpath(path)
        if not path.startswith(root + "/"):
            return
        if any(path == f"{root}/{folder}" or path.startswith(f"{root}/{folder}/") for folder in _OPEN_FOLDERS):
            return
        self._problem(key, "leads out of the repository; keep it inside, or write an absolute path of the host")

    def _is_declared_data(self, inside: str) -> bool:
        folder = self._manifest.folder
        for declared in self._manifest.data_paths:
            path = posixpath.normpath(posixpath.join(folder, declared))
            if inside == path or inside.startswith(path + "/"):
                return True
        return False

    def _data_path(self, inside: str) -> str:
        """``data/<stack>/...`` for what lies in the stack's folder, ``data/...`` for what stacks share beside it."""
        folder = self._manifest.folder
        if not folder or inside == folder or inside.startswith(folder + "/"):
            relative = posixpath.join(self._manifest.name, inside[len(folder) :].lstrip("/"))
        else:
            relative = inside.removeprefix(self._place.source_path).lstrip("/")
        return posixpath.normpath(posixpath.join(self._place.root, "data", relative))

    def _problem(self, key: str, message: str) -> None:
        file = posixpath.join(self._manifest.folder, self._manifest.compose_files[0])
        self.problems.append(Problem(file=file, line=0, key=key, message=message))
