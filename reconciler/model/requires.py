"""What a stack asks of a host, as ``requires`` of its ``stack.yaml`` says it. 0 and () ask for nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass

SIZE = re.compile(r"([0-9]{1,6})(MB|GB|TB)")
_UNITS = {"MB": 10**6, "GB": 10**9, "TB": 10**12}


@dataclass(frozen=True, slots=True)
class Requires:
    """``memory``, ``disk``: bytes. ``reach``: what its services talk to, as ``host:port``, with variables; one that says
    no host or no port once they are filled in asks for nothing."""

    cpus: float = 0.0
    memory: int = 0
    disk: int = 0
    reach: tuple[str, ...] = ()


def parse_size(text: str) -> int:
    """Bytes, of a text such as ``8GB``. Raises ValueError."""
    found = SIZE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no size such as 8GB")
    return int(found[1]) * _UNITS[found[2]]


def shown_size(number: int) -> str:
    """As people write it: ``8 GB``, ``1.5 GB``, ``512 MB``."""
    for unit in ("TB", "GB"):
        if number >= _UNITS[unit]:
            return f"{number / _UNITS[unit]:.1f}".removesuffix(".0") + f" {unit}"
    return f"{number // _UNITS['MB']} MB"
