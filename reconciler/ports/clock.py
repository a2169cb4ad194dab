"""Time, which tests can set."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    def monotonic(self) -> float:
        """Seconds, for delays."""

    def now(self) -> float:
        """Seconds since the epoch, for records, cron and windows only."""

    def sleep(self, seconds: float) -> None: ...
