"""The pages in other languages beside those in English: what must be the same in both, whatever the words around it.

Commands, what they print, configuration, and what a row of a table names. It judges no translation.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

import yaml

from tests.docs.pages import CHECKOUT, Block, blocks, prose, text_of

LANGUAGES = ("fr",)
SHORTENED = "<!-- docs: shortened -->"  # on a page that tells a part of its original, in the same order

_HEADING = re.compile(r"^(#+) ", re.MULTILINE)
_SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")


def original_of(page: str) -> str | None:
    """The English page that it is a translation of; None for one that stands for itself, as an index does."""
    path = PurePosixPath(page)
    if path.parent.name not in LANGUAGES:
        return None
    original = path.parent.parent / path.name
    return None if path.name == "README.md" else str(original)


def is_there(page: str) -> bool:
    return (CHECKOUT / page).is_file()


def is_shortened(page: str) -> bool:
    return SHORTENED in text_of(page)


def code_of(page: str) -> list[object]:
    return [_code(block) for block in blocks(page)]


def rows_of(page: str) -> list[object]:
    """Of each row of each table what is written as code in it, in whatever order the language has."""
    return [_named(line) for line in prose(page).splitlines() if line.startswith("|")]


def headings_of(page: str) -> list[str]:
    return [found[1] for found in _HEADING.finditer(prose(page))]


def named_by(page: str) -> Counter[str]:
    """All that it writes as code outside of its tables and blocks, spaces as one."""
    lines = (line for line in prose(page).splitlines() if not line.startswith("|"))
    return Counter(" ".join(span.split()) for span in _SPAN.findall("\n".join(lines)))


def is_part_of(part: Sequence[object], whole: Sequence[object]) -> bool:
    """In the same order, with nothing of its own."""
    rest = iter(whole)
    return all(any(one == other for other in rest) for one in part)


def _named(line: str) -> list[str]:
    return sorted(_SPAN.findall(line))


def _code(block: Block) -> object:
    """Comments are words."""
    if block.commands:
        return block.language, block.mark, [(one.text, one.shown, one.status) for one in block.commands]
    if block.language == "yaml":
        return block.language, yaml.safe_load(block.text)
    if block.language == "json":
        found = json.loads(block.text)
        return block.language, _without_words(found)
    return block.language, len(block.lines)


def _without_words(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_words(one) for key, one in value.items() if key not in ("title", "description")}
    return [_without_words(one) for one in value] if isinstance(value, list) else value
