"""Finds where in a user's files something is: the uses of a variable, the line of a key. Reads those files only."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

_MOST_FILES = 2000
_LARGEST_FILE = 512 * 1024
_MOST_USES = 5


@dataclass(frozen=True, slots=True)
class Place:
    """``file`` as a user knows it: relative to the stack's folder where it lies within. ``line`` counts from 1."""

    file: str
    line: int


def uses(variable: str, folder: Path, files: Sequence[str], env_files: Sequence[Path]) -> tuple[Place, ...]:
    """Where ``variable`` is read, at most five: in the Compose and env files, else anywhere in the folder."""
    named = [*(folder / file for file in files), *env_files]
    found = list(_uses_in(variable, folder, named))
    if not found:
        found = list(_uses_in(variable, folder, _files_below(folder)))
    return tuple(found[:_MOST_USES])


@dataclass(frozen=True, slots=True, order=True)
class Found:
    """How many parts of a dotted key are in a file, and the line of the last of them (0 for none)."""

    depth: int = 0
    line: int = 0


def line_of(key: str, file: Path) -> Found:
    """Of ``services.web.image`` in a YAML file. Reads the YAML's nodes only, so aliases are not followed."""
    try:
        node = yaml.compose(_text(file), Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return Found()
    depth, line, rest = 0, 0, key
    while rest and isinstance(node, yaml.MappingNode):
        # A name may hold dots itself, so the longest that matches is taken.
        matching = [pair for pair in node.value if rest == pair[0].value or rest.startswith(f"{pair[0].value}.")]
        if not matching:
            break
        name, node = max(matching, key=lambda pair: len(pair[0].value))
        depth, line, rest = depth + 1, name.start_mark.line + 1, rest[len(name.value) + 1 :]
    return Found(depth, line)


def shown(file: Path, folder: Path) -> str:
    return str(file.relative_to(folder)) if file.is_relative_to(folder) else str(file)


def _uses_in(variable: str, folder: Path, files: Sequence[Path]) -> Iterator[Place]:
    use = re.compile(rf"(?<!\$)(?:\$\$)*\$(?:\{{{re.escape(variable)}\b|{re.escape(variable)}\b)")
    for file in files:
        for number, line in enumerate(_text(file).splitlines(), 1):
            if use.search(line) and not line.lstrip().startswith("#"):
                yield Place(shown(file, folder), number)


def _files_below(folder: Path) -> list[Path]:
    found: list[Path] = []
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != ".git")
        found += (Path(here) / name for name in sorted(names))
        if len(found) >= _MOST_FILES:
            break
    return found[:_MOST_FILES]


def _text(file: Path) -> str:
    """ "" for what is no text of a sensible size."""
    try:
        if not file.is_file() or file.stat().st_size > _LARGEST_FILE:
            return ""
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
