"""Laws of the machine's clock: it goes on, and a sleep ends when the process is about to leave."""

from __future__ import annotations

import threading

from reconciler.adapters.clock import SystemClock


def test_a_sleep_moves_the_monotonic_clock_on_by_at_least_that_much() -> None:
    clock = SystemClock()
    before = clock.monotonic()
    clock.sleep(0.01)
    assert clock.monotonic() >= before + 0.01


def test_an_interrupted_sleep_of_an_hour_ends() -> None:
    interrupt = threading.Event()
    sleeper = threading.Thread(target=SystemClock(interrupt).sleep, args=(3600.0,), daemon=True)
    sleeper.start()
    interrupt.set()
    sleeper.join(10.0)
    assert not sleeper.is_alive()
    SystemClock(interrupt).sleep(3600.0)


def test_a_sleep_of_no_or_negative_time_returns() -> None:
    clock = SystemClock()
    clock.sleep(0.0)
    clock.sleep(-1.0)
