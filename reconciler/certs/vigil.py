"""Keeps passing over the certificates: when a file arrives, when a stack changed, when time has come. Never gives up."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from reconciler.certs.keeper import Keeper
from reconciler.certs.trouble import Trouble
from reconciler.model.errors import ReconcilerError
from reconciler.ports.clock import Clock

_QUIET_S = 0.003  # files that arrive together are one publication
_BREATH_S = 0.0007
_MOST_GATHERED_S = 0.25
_AFTER_TROUBLE_S = 5.0
_MOST_AT_ONCE = 3
_MOST_SETTLING_S = 30.0  # a CA that proves a domain from several places takes some ten

log = structlog.get_logger()


class Vigil:
    """``wake`` and ``stacks_changed`` from any thread; ``run`` in one of its own, until ``leave``."""

    def __init__(self, keeper: Keeper, clock: Clock, trouble: Trouble) -> None:
        self._keeper = keeper
        self._trouble = trouble
        self._clock = clock
        self._woken = threading.Event()
        self._leaving = threading.Event()

    def wake(self) -> None:
        self._woken.set()

    def stacks_changed(self) -> None:
        self._keeper.stacks_changed()
        self._woken.set()

    def leave(self) -> None:
        self._leaving.set()
        self._woken.set()

    def run(self) -> None:
        wait_s, at_once = 0.0, 0
        while not self._leaving.is_set():
            if self._woken.wait(wait_s):
                self._let_it_arrive()
            if not self._leaving.is_set():
                wait_s = self.turn()
                at_once = at_once + 1 if wait_s == 0.0 else 0
            if at_once > _MOST_AT_ONCE:
                wait_s = _AFTER_TROUBLE_S  # what is decided anew and anew needs time, or a person

    def turn(self) -> float:
        """One pass; what goes wrong is told and tried again. Seconds until the next."""
        try:
            wait_s = self._keeper.turn(self._until_quiet())
            self._trouble.over()
            return wait_s
        except ReconcilerError as error:
            log.error("certificates_failed", reason=error.reason, error=str(error))
            self._trouble.failed(error)
        except Exception:
            log.exception("certificates_crashed")
        return _AFTER_TROUBLE_S

    def settle(self) -> None:
        """For one who leaves after it: until nothing is ordered and nobody was told a moment ago, but not for ever."""
        ends = self._clock.monotonic() + _MOST_SETTLING_S
        while self._clock.monotonic() < ends:
            wait_s = self.turn()
            if self._keeper.settled():
                self.turn()  # an answer may have come since the one before
                if self._keeper.settled():
                    return
            self._clock.sleep(min(wait_s, 1.0))

    def _let_it_arrive(self) -> None:
        """A copied pair makes some four events within a moment that is shorter than judging the first of them."""
        ends = self._clock.monotonic() + _MOST_GATHERED_S
        self._woken.clear()
        while self._clock.monotonic() < ends and self._woken.wait(_BREATH_S):
            self._woken.clear()

    def _until_quiet(self) -> Callable[[bool], bool]:
        """Of a burst of pairs the next may take a moment to come. Validation is the gate: this only saves publications."""
        ends = self._clock.monotonic() + _MOST_GATHERED_S

        def more(is_a_burst: bool) -> bool:
            moves = self._woken.wait(_QUIET_S if is_a_burst else 0.0) and self._clock.monotonic() < ends
            if moves:
                self._woken.clear()
            return moves

        return more
