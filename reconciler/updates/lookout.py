"""Keeps looking for newer images, and writing back those that are proven: when a schedule says so, when a stack changed,
when somebody asks. Never gives up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

import structlog

from reconciler.model.errors import ReconcilerError
from reconciler.model.record import StackRecord
from reconciler.updates.keeper import Asked, Keeper, Tracked

log = structlog.get_logger()

_LOOK_EVERY_S = 60.0  # a clock that is set is seen by then
_AFTER_TROUBLE_S = 5.0
_LEAST_S = 0.5  # whatever is due again at once
_NEEDS_A_LOOK = ("ImageUnknown", "ImagePullFailed")


class Lookout:
    """``wake``, ``ask`` and ``passed`` from any thread; ``run`` in one of its own, until ``leave``."""

    def __init__(
        self,
        keeper: Callable[[], Keeper],
        tracked: Callable[[], Iterable[Tracked]],
        write_back: Callable[[], float],
    ) -> None:
        self._keeper = keeper
        self._tracked = tracked
        self._write_back = write_back
        self._lock = threading.Lock()
        self._by_hand: set[str] = set()
        self._failing: set[str] = set()
        self._woken = threading.Event()
        self._leaving = threading.Event()
        # Called with each stack that somebody asked about, once that is over, whatever came of it.
        self.looked: Callable[[str], None] = lambda _: None

    def wake(self) -> None:
        self._woken.set()

    def ask(self, stack: str) -> None:
        """Somebody wants to know now."""
        with self._lock:
            self._by_hand.add(stack)
        self._woken.set()

    def passed(self, record: StackRecord) -> None:
        """A pass ended so: an image that nobody can have may have a successor."""
        if record.ready.reason in _NEEDS_A_LOOK:
            with self._lock:
                self._failing.add(record.name)
            self._woken.set()

    def leave(self) -> None:
        self._leaving.set()
        self._woken.set()

    def run(self) -> None:
        wait_s = 0.0
        while not self._leaving.is_set():
            self._woken.wait(wait_s)
            self._woken.clear()
            if not self._leaving.is_set():
                wait_s = min(max(self.turn(), _LEAST_S), _LOOK_EVERY_S)

    def turn(self) -> float:
        """Every look that is due; what goes wrong is logged and tried again. Seconds until the next."""
        with self._lock:
            asked = Asked(frozenset(self._by_hand), frozenset(self._failing))
            self._by_hand.clear()
            self._failing.clear()
        try:
            stacks = tuple(self._tracked())
            # Only who tracks an image pays for what asks registries.
            return min(self._keeper().turn(stacks, asked), self._write_back()) if stacks else _LOOK_EVERY_S
        except ReconcilerError as error:
            log.error("updates_failed", reason=error.reason, error=str(error))
        except Exception:
            log.exception("updates_crashed")  # a mistake of ours, which must not end the looking
        finally:
            for stack in sorted(asked.by_hand):
                self.looked(stack)
        return _AFTER_TROUBLE_S
