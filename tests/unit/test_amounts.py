"""How durations and sizes are told."""

from __future__ import annotations

import pytest

from reconciler.model.duration import parse_duration, shown_duration, written_duration
from reconciler.model.size import shown_bytes


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0.0s"),
        (0.44, "0.4s"),
        (9.99, "10.0s"),
        (59.4, "59s"),
        (59.6, "1m"),
        (200, "3m20s"),
        (3600, "1h"),
        (18_600, "5h10m"),
        (266_400, "3d2h"),
    ],
)
def test_what_was_measured_is_told_as_short_as_can_be(seconds: float, text: str) -> None:
    assert shown_duration(seconds) == text


@pytest.mark.parametrize("text", ["0s", "5s", "90s", "2m", "90m", "36h", "1d", "21d"])
def test_what_was_written_is_told_as_it_was_written(text: str) -> None:
    assert written_duration(parse_duration(text)) == text


@pytest.mark.parametrize(("written", "told"), [("500ms", "0.5s"), ("60s", "1m"), ("60m", "1h"), ("24h", "1d")])
def test_what_was_written_at_length_is_told_to_the_second(written: str, told: str) -> None:
    assert written_duration(parse_duration(written)) == told


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1536, "1.5 KiB"),
        (20 * 2**20, "20 MiB"),
        (2**30, "1 GiB"),
        (5 * 2**40, "5120 GiB"),
    ],
)
def test_bytes_are_told_in_the_largest_unit_that_they_fill(number: int, text: str) -> None:
    assert shown_bytes(number) == text
