"""A clock that stands still until somebody sleeps: an hour of waiting takes no time and is the same every time."""

from __future__ import annotations

import threading


class FakeClock:
    """``sleep`` moves both clocks on by just that much. ``slept``: every sleep, in order, in seconds."""

    def __init__(self, now: float = 1_700_000_000.0, monotonic: float = 1_000.0) -> None:
        self._now = now
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self._monotonic

    def now(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.slept.append(seconds)
        self.advance(max(0.0, seconds))

    def advance(self, seconds: float) -> None:
        """Time passes without anybody having slept."""
        with self._lock:
            self._now += seconds
            self._monotonic += seconds

    def set_wall_clock(self, now: float) -> None:
        """Somebody sets the machine's clock: the monotonic one goes on as if nothing had happened."""
        self._now = now
