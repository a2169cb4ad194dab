"""Which folders of a revision's tree are stacks, and which Compose files each has. Looks at names only, reads nothing."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from reconciler.model.errors import InvalidInputError, Problem
from reconciler.model.source import EntryKind, TreeEntry
from reconciler.planning.links import follow
from reconciler.planning.nearest import did_you_mean

STACK_FILE = "stack.yaml"
MISNAMED_STACK_FILE = "stack.yml"
HOSTS = "hosts"  # beside the stacks' folders: what is laid over them, by host

# The names that Compose looks for itself, in its order, and the one it then merges over it.
COMPOSE_FILES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
_OVERRIDE_FILES = (
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
)
_MAKES_A_STACK = frozenset({*COMPOSE_FILES, STACK_FILE, MISNAMED_STACK_FILE})
_MOST_NAMED = 10
_READABLE = frozenset({EntryKind.FILE, EntryKind.EXECUTABLE, EntryKind.SYMLINK})


@dataclass(frozen=True, slots=True)
class StackFolder:
    """``folder``: relative to the repository's root. ``names``: the files right in it.

    ``compose_files``: those that Compose finds by itself, in the order of merging.
    """

    folder: str
    names: frozenset[str]

    @property
    def default_name(self) -> str:
        return posixpath.basename(self.folder)

    @property
    def compose_files(self) -> tuple[str, ...]:
        base = next((name for name in COMPOSE_FILES if name in self.names), None)
        if base is None:
            return ()
        return (base, *[name for name in _OVERRIDE_FILES if name in self.names][:1])

    def path(self, name: str) -> str:
        """Of a file in the folder, relative to the repository's root."""
        return posixpath.join(self.folder, name)


def stack_folders(entries: Mapping[str, TreeEntry], path: str) -> tuple[StackFolder, ...]:
    """Every stack's folder below ``path``, by path; what lies inside one of them belongs to it, and ``hosts/`` holds none.

    ``path`` itself is a stack only if it holds a ``stack.yaml`` and no stack lies below: a Compose file that somebody
    leaves there must not make all the stacks below vanish. Raises InvalidInputError where there is no such folder.
    """
    _check_path(entries, path)
    files = _files_by_folder(entries, path)
    found: dict[str, StackFolder] = {}
    for folder in sorted(files):
        if folder != path and not _is_aside(folder, path) and not any(up in found for up in _above(folder, path)):
            found[folder] = StackFolder(folder, frozenset(files[folder]))
    if not found and STACK_FILE in files.get(path, ()):
        found[path] = StackFolder(path, frozenset(files[path]))
    return tuple(found.values())


def overlooked(
    entries: Mapping[str, TreeEntry],
    path: str,
    found: tuple[StackFolder, ...],
    target_of: Callable[[TreeEntry], str],
) -> Iterator[Problem]:
    """What somebody may take for a stack, and is none. ``target_of``: the text of a symbolic link."""
    folders = {stack.folder for stack in found}
    for name in (*COMPOSE_FILES, STACK_FILE):
        file = posixpath.join(path, name)
        if file in entries and path not in folders:
            yield Problem(
                file, 0, "", "not a stack, as it lies beside the stacks' folders; move it into one of its own"
            )
    for name in (*COMPOSE_FILES, STACK_FILE):
        for file in (posixpath.join(path, HOSTS, name),):
            if file in entries:
                yield Problem(
                    file, 0, "", f"not a stack, as {HOSTS}/ is for single hosts; name the stack's folder otherwise"
                )
    for stack in found:
        named = [name for name in COMPOSE_FILES if name in stack.names]
        if len(named) > 1 and STACK_FILE not in stack.names:
            yield Problem(stack.path(named[1]), 0, "", f"not read, because {named[0]} lies beside it")
    for file, entry in entries.items():
        folder, _, name = file.rpartition("/")
        if name == STACK_FILE and _is_inside(folder, folders, path):
            yield Problem(file, 0, "", "not a stack of its own, as it lies inside another stack's folder")
        if folder == path and entry.kind is EntryKind.SUBMODULE:
            yield Problem(file, 0, "", "not a stack, as it is a Git submodule; commit the files themselves")
        if folder == path and entry.kind is EntryKind.SYMLINK:
            leads_to = entries.get(follow(entries, target_of, file).path)
            if leads_to is not None and leads_to.kind is EntryKind.FOLDER:
                yield Problem(file, 0, "", "not a stack, as it is a symbolic link; give the stack a folder of its own")


def _check_path(entries: Mapping[str, TreeEntry], path: str) -> None:
    entry = entries.get(path)
    below = f"{path}/"
    if (
        not path
        or (entry is not None and entry.kind is EntryKind.FOLDER)
        or any(name.startswith(below) for name in entries)
    ):
        return
    if entry is not None:
        message = f'"{path}" is a {entry.kind.value} in this revision; name the folder that holds the stacks'
    else:
        folders = [name for name, found in entries.items() if found.kind is EntryKind.FOLDER and name]
        message = (
            f'there is no folder "{path}" in this revision{did_you_mean(path, folders) or _that_is_there(folders)}'
        )
    raise InvalidInputError((Problem("host.yaml", 0, "source.path", message),))


def _that_is_there(folders: Iterable[str]) -> str:
    top = sorted(name for name in folders if "/" not in name and not name.startswith(".") and _is_text(name))
    return f"; it has {', '.join(top)}" if 0 < len(top) <= _MOST_NAMED else ""


def _files_by_folder(entries: Mapping[str, TreeEntry], path: str) -> dict[str, set[str]]:
    """The files of each folder that has one which makes it a stack."""
    below = f"{path}/" if path else ""
    files: dict[str, set[str]] = {}
    for name, entry in entries.items():
        if name.startswith(below) and entry.kind in _READABLE and _is_text(name):
            folder, _, file = name.rpartition("/")
            files.setdefault(folder, set()).add(file)
    return {folder: names for folder, names in files.items() if names & _MAKES_A_STACK}


def _is_text(name: str) -> bool:
    """A name that is no UTF-8 comes with lone surrogates and could not even be told of; ``Tree.problems`` tells."""
    return name.isascii() or not any("\ud800" <= character <= "\udfff" for character in name)


def _is_aside(folder: str, path: str) -> bool:
    """Hidden, or in what is for single hosts."""
    parts = folder.removeprefix(path).strip("/").split("/")
    return parts[0] == HOSTS or any(part.startswith(".") for part in parts)


def _above(folder: str, path: str) -> Iterator[str]:
    """The folders above ``folder`` and below ``path``."""
    while (folder := posixpath.dirname(folder)) and folder != path:
        yield folder


def _is_inside(folder: str, folders: Iterable[str], path: str) -> bool:
    return folder not in folders and any(up in folders for up in _above(folder, path))
