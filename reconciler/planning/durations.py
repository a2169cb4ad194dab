"""Durations as Compose writes them in a resolved model (Go's: ``1m30s``, ``500ms``)."""

from __future__ import annotations

import re

_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_PART = re.compile(r"(\d+(?:\.\d+)?)(h|ms|us|µs|ns|m|s)")


def compose_seconds(value: object) -> float | None:
    """Seconds; None for nothing."""
    if value is None:
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(str(value)))
