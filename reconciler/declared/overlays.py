"""What a repository says of one host in particular: the folders of ``hosts/`` that are laid over a stack there.

``hosts/<host>/<stack>/`` lies beside the stacks' folders. ``<host>`` is a host's name or a shell pattern; what names the
host more closely wins. Looks at names only, reads nothing but what it is given.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from reconciler.declared.documents import Document, KeyPath
from reconciler.declared.stack_folders import HOSTS, StackFolder
from reconciler.model.errors import Problem
from reconciler.model.source import EntryKind, TreeEntry
from reconciler.planning.nearest import did_you_mean

# Of the stack alone: what an overlay adds to it is found by its name.
_NOT_IN_OVERLAYS: tuple[KeyPath, ...] = (("name",), ("hosts",), ("compose",), ("env", "files"))
_ENV_ENDINGS = (".env", ".env.age")


@dataclass(frozen=True, slots=True)
class Overlay:
    """``folder``: relative to the repository's root. ``names``: the files right in it."""

    folder: str
    names: frozenset[str]

    @property
    def compose_files(self) -> tuple[str, ...]:
        """Those that Compose would find by itself."""
        return StackFolder(self.folder, self.names).compose_files

    @property
    def env_files(self) -> tuple[str, ...]:
        return tuple(sorted(name for name in self.names if name.endswith(_ENV_ENDINGS)))

    def beside(self, stack_folder: str, name: str) -> str:
        """A file of the overlay as it is named from the stack's folder."""
        return posixpath.relpath(posixpath.join(self.folder, name), stack_folder or ".")


def overlays_of(entries: Mapping[str, TreeEntry], path: str, host: str) -> Mapping[str, tuple[Overlay, ...]]:
    """Those of ``host``, by the stack's name, in the order of their force. ``path``: the folder that holds the stacks."""
    found: dict[str, list[Overlay]] = {}
    top = posixpath.join(path, HOSTS)
    named = sorted((name for name in _folders(entries, top) if is_for(host, (name,))), key=_closeness)
    for name in named:
        for stack in _folders(entries, f"{top}/{name}"):
            folder = f"{top}/{name}/{stack}"
            found.setdefault(stack, []).append(Overlay(folder, frozenset(_files(entries, folder))))
    return {stack: tuple(overlays) for stack, overlays in found.items()}


def is_for(host: str, patterns: tuple[str, ...]) -> bool:
    """Whether one of ``patterns`` (shell patterns) names the host. Names of hosts know no capital letters."""
    return any(fnmatchcase(host.lower(), pattern.lower()) for pattern in patterns)


def idle_overlays(overlays: Mapping[str, tuple[Overlay, ...]], names: tuple[str, ...]) -> Iterator[Problem]:
    """Those for stacks that there are none of."""
    for stack, found in sorted(overlays.items()):
        if stack not in names:
            for overlay in found:
                message = f'nothing is laid over, as no stack is named "{stack}"{did_you_mean(stack, names)}'
                yield Problem(overlay.folder, 0, "", message)


def laid_over(base: Document | None, over: Document) -> Document:
    """``base`` with the values of ``over``: mappings are merged, all else is replaced. Each value knows where it stands."""
    root = over.root
    for path in _NOT_IN_OVERLAYS:
        root = _without(root, path)
    over = replace(over, root=root)
    if base is None:
        return replace(over, overlays=(over,))
    return replace(
        base,
        root=_merged(base.root, over.root),
        problems=(*base.problems, *over.problems),
        overlays=(*base.overlays, over),
    )


def wrong_in_overlay(over: Document) -> Iterator[Problem]:
    for path in _NOT_IN_OVERLAYS:
        value: Any = over.root
        for step in path:
            value = value.get(step) if isinstance(value, Mapping) else None
        if value is not None:
            hint = (
                "Compose files and *.env files are found here by their names" if path[0] in ("compose", "env") else ""
            )
            yield over.problem(
                path, "belongs into the stack's own stack.yaml; take it out" + (f": {hint}" if hint else "")
            )


def _without(values: Mapping[str, Any], path: KeyPath) -> dict[str, Any]:
    first, *rest = path
    left = {key: value for key, value in values.items() if key != first or rest}
    inner = left.get(str(first))
    return {**left, str(first): _without(inner, tuple(rest))} if rest and isinstance(inner, dict) else left


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        before = merged.get(key)
        is_pair = isinstance(value, dict) and isinstance(before, dict)
        merged[key] = _merged(before, value) if is_pair and before is not None else value
    return merged


def _closeness(name: str) -> tuple[bool, int, str]:
    """Patterns before names, and of patterns those with more letters of their own later."""
    wild = sum(name.count(sign) for sign in "*?[")
    return not wild, len(name) - wild, name


def _folders(entries: Mapping[str, TreeEntry], top: str) -> list[str]:
    """The names of the folders right in ``top``."""
    below = f"{top}/" if top else ""
    names = {path.removeprefix(below).partition("/")[0] for path in entries if path.startswith(below) and path != below}
    return sorted(
        name
        for name in names
        if name and (entry := entries.get(below + name)) is not None and entry.kind is EntryKind.FOLDER
    )


def _files(entries: Mapping[str, TreeEntry], folder: str) -> Iterator[str]:
    for path, entry in entries.items():
        top, _, name = path.rpartition("/")
        if top == folder and entry.kind in (EntryKind.FILE, EntryKind.EXECUTABLE, EntryKind.SYMLINK):
            yield name
