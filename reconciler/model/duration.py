"""Durations as users write them: one whole number and one unit (``500ms``, ``30s``, ``15m``, ``12h``, ``1d``)."""

from __future__ import annotations

import re

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"([0-9]{1,9})(ms|s|m|h|d)")


def parse_duration(text: str) -> float:
    """Seconds. Raises ValueError, with a message for people, for anything else than a duration."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError("expected a duration such as 30s: one whole number and one of the units ms, s, m, h, d")
    return int(found[1]) * _SECONDS[found[2]]
