"""When something is done again and again. A value only; which slot it is time for is decided in ``planning.schedule``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Schedule:
    """Every ``every_s`` seconds since the epoch, or by ``cron`` in ``timezone``. Each host begins up to ``jitter_s`` later,
    always by the same time. Neither: only by hand."""

    every_s: float | None = None
    cron: str = ""
    timezone: str = "UTC"
    jitter_s: float = 0.0
