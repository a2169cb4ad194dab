"""Writes ``volumes:`` into the text of host.yaml, and leaves every other line as its author wrote it. Pure.

Where it cannot do that without reading the author's mind, it says so, and a person does it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

_FLOW = re.compile(r"\s*\{")
_KEY = re.compile(r"^volumes:[ \t]*(#.*)?$", re.MULTILINE)
_ANY = re.compile(r"^(volumes|\"volumes\"|'volumes')\s*:", re.MULTILINE)


def with_volumes(text: str, stack: str, volumes: Mapping[str, str]) -> str | None:
    """None where it is for a person to write."""
    if _FLOW.match(text):
        return _in_json(text, stack, volumes)
    if not _ANY.search(text):
        return f"{text.rstrip()}\n\n# Whose data a stack goes on with: written by reconciler adopt.\nvolumes:\n{lines(stack, volumes)}"
    found = _KEY.search(text)
    if found is None:
        return None
    after = text[found.end() :].lstrip("\n")
    indent = re.match(r"[ \t]*", after)
    if (
        after[:1] not in ("", " ", "#")
        or (indent and len(indent[0]) != 2)
        or re.search(rf"^  ['\"]?{re.escape(stack)}['\"]?:", after, re.MULTILINE)
    ):
        return None
    return f"{text[: found.end()]}\n{lines(stack, volumes)}{after}"


def lines(stack: str, volumes: Mapping[str, str]) -> str:
    """What belongs below ``volumes:``."""
    listed = "".join(f"    {_word(key)}: {_word(volumes[key])}\n" for key in sorted(volumes))
    return f"  {_word(stack)}:\n{listed}"


def _word(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z/][A-Za-z0-9_./-]*", text) and text.lower() not in _TRUE else json.dumps(text)


_TRUE = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})


def _in_json(text: str, stack: str, volumes: Mapping[str, str]) -> str | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    own = found.setdefault("volumes", {})
    if not isinstance(own, dict) or stack in own:
        return None
    own[stack] = dict(volumes)
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"
