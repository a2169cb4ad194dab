"""Sizes in bytes: as users write them, and as people are told of them."""

from __future__ import annotations

import re

_SIZE = re.compile(r"([0-9]{1,6})(MB|GB|TB)")
_UNITS = {"MB": 10**6, "GB": 10**9, "TB": 10**12}
_BINARY = ("B", "KiB", "MiB", "GiB")


def parse_size(text: str) -> int:
    """Bytes, of a text such as ``8GB``. Raises ValueError."""
    found = _SIZE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no size such as 8GB")
    return int(found[1]) * _UNITS[found[2]]


def shown_size(number: int) -> str:
    """Of a machine, as people write it: ``8 GB``, ``1.5 GB``, ``512 MB``."""
    for unit in ("TB", "GB"):
        if number >= _UNITS[unit]:
            return f"{number / _UNITS[unit]:.1f}".removesuffix(".0") + f" {unit}"
    return f"{number // _UNITS['MB']} MB"


def shown_bytes(number: int) -> str:
    """Of files and of what is free for them: ``512 B``, ``1.5 KiB``, ``20 MiB``, ``3 GiB``."""
    amount, unit = float(number), 0
    while amount >= 1024 and unit < len(_BINARY) - 1:
        amount, unit = amount / 1024, unit + 1
    return f"{amount:.1f}".removesuffix(".0") + f" {_BINARY[unit]}"
