"""Laws of waiting: it grows, it is bounded, and chance moves it by no more than was agreed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reconciler.planning.backoff import delay_s, interval_s

attempts = st.integers(min_value=1, max_value=10_000)
units = st.floats(min_value=0, max_value=1, exclude_max=True)


@given(attempts, units)
def test_a_delay_is_never_longer_than_its_cap_nor_shorter_than_half_its_base(attempt: int, unit: float) -> None:
    assert 1.0 <= delay_s(attempt, unit, base_s=2.0, cap_s=60.0) <= 60.0


@given(attempts, units)
def test_of_two_attempts_the_later_one_never_waits_less(attempt: int, unit: float) -> None:
    assert delay_s(attempt + 1, unit) >= delay_s(attempt, unit)


def test_delays_double_until_the_cap() -> None:
    assert [delay_s(attempt, 0.0, base_s=2.0, cap_s=20.0) for attempt in (1, 2, 3, 4, 5, 6)] == [1, 2, 4, 8, 10, 10]


def test_chance_moves_a_delay_by_up_to_half_of_it() -> None:
    assert delay_s(3, 0.5, base_s=1.0) == 3.0
    assert delay_s(3, 0.0, base_s=1.0) == 2.0


@given(st.floats(min_value=0.1, max_value=1e6), units)
def test_an_interval_stays_within_five_percent(interval: float, unit: float) -> None:
    assert interval * 0.9499 <= interval_s(interval, unit) <= interval * 1.0501


def test_an_interval_uses_all_of_its_five_percent() -> None:
    assert interval_s(60.0, 0.0) == 57.0
    assert interval_s(60.0, 0.5) == 60.0
    assert round(interval_s(60.0, 0.999999), 3) == 63.0
