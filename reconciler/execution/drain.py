"""Wait until a container that nobody new is sent to has answered what it was asked. Bounded always."""

from __future__ import annotations

from collections.abc import Callable

from reconciler.ports.clock import Clock

_LOOK_EVERY_S = 0.05
_QUIET_S = 0.25  # a request that a proxy has taken and not handed on yet is nowhere to be seen


class Drain:
    """``still_wanted`` is called at every look and raises when nobody wants to wait any more."""

    def __init__(self, clock: Clock, still_wanted: Callable[[], None]) -> None:
        self._clock = clock
        self._still_wanted = still_wanted

    def until_idle(self, under_way: Callable[[], int | None], within_s: float) -> None:
        """Whatever is under way when time is up has its service's ``stop_grace_period`` left."""
        began = quiet_since = self._clock.monotonic()
        while (now := self._clock.monotonic()) < began + within_s:
            self._still_wanted()
            if under_way() != 0:
                quiet_since = now
            elif now - quiet_since >= _QUIET_S:
                return
            self._clock.sleep(_LOOK_EVERY_S)
