"""The machine's clocks. The only place that reads them for passes, so that tests can set the time."""

from __future__ import annotations

import threading
import time


class SystemClock:
    """``interrupt``: when set, every sleep ends at once, and later ones do not begin: the process is about to leave."""

    def __init__(self, interrupt: threading.Event | None = None) -> None:
        self._interrupt = interrupt or threading.Event()

    def monotonic(self) -> float:
        return time.monotonic()

    def now(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            self._interrupt.wait(seconds)
