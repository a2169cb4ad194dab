"""When the daemon looks for backups that are due: at the next slot, or when something happened. Knows no stack.

Looking asks what every stack declares, which is not free where there are a hundred of them: while none declares a
backup, only what happens (a commit, a pass, an order) is a reason to look.
"""

from __future__ import annotations

import threading

_AT_LEAST_EVERY_S = 15.0  # a clock that is set, or a variable that says otherwise, is seen by then
_AT_MOST_EVERY_S = 0.5


class Pace:
    """Times are monotonic seconds. ``wake`` and ``later`` may be called from any thread."""

    def __init__(self) -> None:
        self._at = 0.0
        self._happened = threading.Event()

    def wake(self) -> None:
        """Something happened that a backup may have waited for."""
        self._happened.set()

    def begins(self, now: float) -> bool:
        """Whether to look now. What happens from here on is a reason for another look."""
        if not self._happened.is_set() and now < self._at:
            return False
        self._happened.clear()
        return True

    def later(self, now: float, pause_s: float) -> None:
        """Not before ``pause_s`` have passed, unless something happens."""
        self._at = now + pause_s

    def next(self, now: float, slot_in_s: float, declared: bool) -> None:
        """After a look: at the next slot. ``declared``: some stack has backups, whether it could be looked at or not."""
        self._at = now + max(min(slot_in_s, _AT_LEAST_EVERY_S), _AT_MOST_EVERY_S) if declared else float("inf")
