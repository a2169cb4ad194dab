"""Whose turn it is: which stacks are worked on, which are looked at again and when, what was asked of their next pass.
Begins nothing."""

from __future__ import annotations

import threading
from dataclasses import replace

from reconciler.execution.work import Work
from reconciler.ports.clock import Clock

_PAST_WINDOWS_FOR_S = 120.0  # what is found within it was asked for by hand
_SNAPSHOT_LASTS_S = 1.0


class Turns:
    """Safe to use from several threads. Moments are monotonic seconds."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._running: set[str] = set()
        self._again: set[str] = set()  # something happened while they were worked on
        self._forced: set[str] = set()
        self._hurried: set[str] = set()
        self._past_windows: dict[str, float] = {}  # until when
        self._due: dict[str, float] = {}
        self._ended: dict[str, float] = {}  # the last turn of each

    def running(self) -> frozenset[str]:
        with self._lock:
            return frozenset(self._running)

    def take(self, stack: str) -> bool:
        """False where it is somebody's: then it is looked at again afterwards."""
        with self._lock:
            if stack in self._running:
                self._again.add(stack)
                return False
            self._running.add(stack)
            return True

    def end(self, stack: str, wait_s: float | None) -> bool:
        """``wait_s``: until it is looked at by itself. Whether that is now, since something happened during the turn."""
        with self._lock:
            self._due.pop(stack, None)
            if wait_s is not None:
                self._due[stack] = self._clock.monotonic() + wait_s
            self._ended[stack] = self._clock.monotonic()
            self._running.discard(stack)
            again = stack in self._again
            self._again.discard(stack)
            return again

    def due(self) -> frozenset[str]:
        """Stacks whose wait is over: each once, and the pass says when it wants the next one."""
        now = self._clock.monotonic()
        with self._lock:
            found = frozenset(name for name, at in self._due.items() if at <= now)
            for name in found:
                del self._due[name]
            return found

    def left_of_wait(self, stack: str) -> float | None:
        """What is no pass changes nothing about when the stack is looked at next."""
        with self._lock:
            at = self._due.get(stack)
        return None if at is None else max(0.0, at - self._clock.monotonic())

    def still_holds(self, stack: str, looked_at: float) -> bool:
        """Of a look that began at ``looked_at``: a pass that ended since changed what it saw."""
        with self._lock:
            ended = self._ended.get(stack, float("-inf"))
        return ended < looked_at and self._clock.monotonic() - looked_at <= _SNAPSHOT_LASTS_S

    def force(self, stack: str) -> None:
        with self._lock:
            self._forced.add(stack)

    def hurry(self, stack: str) -> None:
        with self._lock:
            self._hurried.add(stack)

    def let_past_windows(self, stack: str) -> None:
        with self._lock:
            self._past_windows[stack] = self._clock.monotonic() + _PAST_WINDOWS_FOR_S

    def as_asked(self, work: Work) -> Work:
        """With what was asked of the stack's next pass, which this is."""
        with self._lock:
            forced, hurried = work.name in self._forced, work.name in self._hurried
            self._forced.discard(work.name)
            self._hurried.discard(work.name)
            past_windows = self._past_windows.get(work.name, 0.0) > self._clock.monotonic()
        return replace(work, forced=forced, hurried=hurried, past_windows=past_windows)
