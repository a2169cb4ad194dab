"""A drain ends as soon as nothing is under way, and never takes longer than it may."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from reconciler.execution.drain import Drain
from reconciler.execution.walk import StoppedError
from tests.fakes.clock import FakeClock


def drained(looks: Iterator[int | None], within_s: float = 10.0) -> float:
    clock = FakeClock()
    began = clock.monotonic()
    Drain(clock, lambda: None).until_idle(lambda: next(looks), within_s)
    return clock.monotonic() - began


def forever(value: int | None) -> Iterator[int | None]:
    while True:
        yield value


def test_it_waits_for_what_is_under_way_and_then_no_longer_than_it_takes_to_be_sure() -> None:
    looks = iter([3] * 40 + [0] * 100)
    assert 2.0 <= drained(looks) <= 2.5


def test_one_quiet_look_is_not_taken_for_quiet() -> None:
    looks = iter([0, 1] * 20 + [0] * 100)
    assert drained(looks) >= 2.0


@pytest.mark.parametrize("value", [1, None])
def test_what_never_ends_or_cannot_be_seen_takes_the_whole_time_and_not_more(value: int | None) -> None:
    assert drained(forever(value)) == pytest.approx(10.0, abs=0.06)


def test_no_drain_is_no_wait() -> None:
    assert drained(forever(5), within_s=0.0) == 0.0


def test_it_ends_when_the_process_is_to_leave() -> None:
    def leave() -> None:
        raise StoppedError("leaving")

    with pytest.raises(StoppedError):
        Drain(FakeClock(), leave).until_idle(lambda: 1, 60.0)
