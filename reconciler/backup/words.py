"""Reads what an engine's scripts say (hooks/README.md): lines that begin with @ are facts, all others are complaints."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

_MOST_COMPLAINT = 2000  # characters: it goes into messages for people


@dataclass(frozen=True, slots=True)
class Said:
    """``status``: of what the script ran, where it told one; of several the first that is not 0. ``size``, ``free``: bytes, of
    the database as it lies on the server, and of what is free there. ``complaint``: the last of it, without a fact."""

    server: str = ""
    status: int = 0
    counts: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    digests: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    settings: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    size: int = 0
    free: int | None = None
    complaint: str = ""


def said(text: str) -> Said:
    """Raises ValueError for a fact that is none."""
    server, complaints = "", list[str]()
    status, size = 0, 0
    free: int | None = None
    counts: dict[str, int] = {}
    digests: dict[str, str] = {}
    settings: dict[str, str] = {}
    for line in text.splitlines():
        word, _, rest = line.partition(" ")
        match word:
            case "@server":
                server = rest.strip()
            case "@status":
                status = status or int(rest)
            case "@count":
                number, _, name = rest.partition(" ")
                counts[str(json.loads(name))] = int(number)
            case "@digest":
                value, _, name = rest.partition(" ")
                digests[str(json.loads(name))] = value
            case "@size":
                size = int(rest)
            case "@free":
                free = int(rest)
            case "@set":
                name, _, value = rest.partition(" ")
                settings[name] = value
            case _ if line.strip():
                complaints.append(line.strip())
    complaint = "\n".join(complaints)[-_MOST_COMPLAINT:]
    return Said(server, status, counts, digests, settings, size, free, complaint)
