"""SIGTERM and SIGINT: the first asks to leave between two steps, the second leaves at once."""

from __future__ import annotations

import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def leaving_on_signals(leave: Callable[[str], None]) -> Iterator[None]:
    """``leave`` is called with the reason, once, from a thread of its own: a signal handler interrupts the main thread
    wherever it is, perhaps while it holds the very lock that leaving takes."""
    asked: queue.SimpleQueue[str] = queue.SimpleQueue()
    thread = threading.Thread(target=_wait_and_leave, args=(asked, leave), name="signals", daemon=True)
    thread.start()
    seen: list[int] = []

    def received(number: int, _: FrameType | None) -> None:
        if seen:
            os._exit(128 + number)
        seen.append(number)
        asked.put(signal.Signals(number).name)

    before = {number: signal.signal(number, received) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        asked.put("")


def _wait_and_leave(asked: queue.SimpleQueue[str], leave: Callable[[str], None]) -> None:
    why = asked.get()
    if why:
        leave(why)
