"""Where a symbolic link of a Git tree leads. It reads no file: link targets come in as values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from reconciler.model.source import EntryKind, TreeEntry

_MOST_LINKS = 40  # what Linux follows before it answers ELOOP
_LONGEST_TARGET = 4095  # bytes; in characters it is a bit more than what Linux takes, which does no harm


@dataclass(frozen=True, slots=True)
class Trail:
    """``path``: where it leads, relative to the root of the tree; it need not exist there.

    ``fault``: why it must not be followed, as the end of a sentence about the link; empty where it may.
    """

    path: str
    fault: str = ""


def follow(entries: Mapping[str, TreeEntry], target_of: Callable[[TreeEntry], str], path: str) -> Trail:
    """Follow every link on the way of ``path`` as the kernel does it: physically, one component after the other.

    ``entries``: the tree, by path relative to its root, folders included; ``target_of``: the text of a link.
    A lexical ``normpath`` will not do: with ``a -> x/y``, ``a/..`` is ``x`` and not the root.
    """
    ahead = _parts(path)
    reached: list[str] = []
    links = 0
    while ahead:
        name = ahead.pop()
        if name == "..":
            if not reached:
                return Trail(path, "leads out of the repository")
            reached.pop()
            continue
        here = "/".join((*reached, name))
        entry = entries.get(here)
        if entry is None or entry.kind is not EntryKind.SYMLINK:
            if entry is not None and entry.kind is EntryKind.SUBMODULE:
                return Trail(here, "leads into a submodule")
            reached.append(name)
            continue
        target = target_of(entry)
        links += 1
        if not target or "\0" in target or len(target) > _LONGEST_TARGET:
            return Trail(here, "no link can have as its target")
        if target.startswith("/"):
            return Trail(here, "is absolute, so it leads out of the repository")
        if links > _MOST_LINKS:
            return Trail(here, "goes round in circles")
        ahead.extend(_parts(target))
    return Trail("/".join(reached))


def _parts(path: str) -> list[str]:
    """The components of ``path``, last one first, so that the next one is popped from the end."""
    return [part for part in reversed(path.split("/")) if part not in ("", ".")]
