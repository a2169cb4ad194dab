"""Durations: as users write them, as Compose writes them in a resolved model, and as people are told of them."""

from __future__ import annotations

import re

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"([0-9]{1,9})(ms|s|m|h|d)")
_COMPOSE_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_COMPOSE_PART = re.compile(r"(\d+(?:\.\d+)?)(h|ms|us|µs|ns|m|s)")


def parse_duration(text: str) -> float:
    """Seconds, of one whole number and one unit (``500ms``, ``30s``, ``15m``, ``12h``, ``1d``). Raises ValueError, with a
    message for people, for anything else."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError("expected a duration such as 30s: one whole number and one of the units ms, s, m, h, d")
    return int(found[1]) * _SECONDS[found[2]]


def written_duration(seconds: float) -> str:
    """What was written, to the second: ``90s``, ``2m``, ``36h``, ``1d``."""
    for unit in ("d", "h", "m"):
        if seconds >= _SECONDS[unit] and seconds % _SECONDS[unit] == 0:
            return f"{seconds / _SECONDS[unit]:g}{unit}"
    return f"{seconds:g}s"


def shown_duration(seconds: float) -> str:
    """What was measured, about: ``0.4s``, ``12s``, ``3m20s``, ``5h10m``, ``3d2h``."""
    if seconds < 10:
        return f"{max(seconds, 0.0):.1f}s"
    whole = round(seconds)
    for size, unit, below, smaller in ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s")):
        if whole >= size:
            rest = whole % size // below
            return f"{whole // size}{unit}" + (f"{rest}{smaller}" if rest else "")
    return f"{whole}s"


def compose_seconds(value: object) -> float | None:
    """Of Go's durations (``1m30s``, ``500ms``); None for nothing."""
    if value is None:
        return None
    return sum(float(number) * _COMPOSE_SECONDS[unit] for number, unit in _COMPOSE_PART.findall(str(value)))
