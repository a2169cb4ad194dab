"""When a backup is due: one run a slot, right across daylight saving and clocks that are set."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.schedule import Schedule
from reconciler.planning.schedule import due_slot, next_slot, offset_of

PARIS = ZoneInfo("Europe/Paris")
DAY = 86400.0


def paris(text: str, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=PARIS, fold=fold).timestamp()


def runs(schedule: Schedule, begin: float, end: float, step: float = 60.0) -> list[str]:
    """Every run of somebody who looks each minute, in Paris time."""
    last, found, now = due_slot(schedule, 0.0, None, begin), [], begin
    while now <= end:
        slot = due_slot(schedule, 0.0, last, now)
        if slot is not None:
            last = slot
            found.append(datetime.fromtimestamp(now, PARIS).strftime("%m-%d %H:%M %z"))
        now += step
    return found


@pytest.mark.parametrize(
    ("cron", "begin", "end", "wanted"),
    [
        # Clocks go from 02:00 to 03:00: what was meant for the hour that is not there runs right after it, once.
        ("30 2 * * *", "2026-03-28 12:00", "2026-03-30 12:00", ["03-29 03:00 +0200", "03-30 02:30 +0200"]),
        ("0 3 * * *", "2026-03-28 12:00", "2026-03-30 12:00", ["03-29 03:00 +0200", "03-30 03:00 +0200"]),
        # Clocks go from 03:00 back to 02:00: a time that is there twice runs once.
        ("30 2 * * *", "2026-10-24 12:00", "2026-10-26 12:00", ["10-25 02:30 +0200", "10-26 02:30 +0100"]),
        ("0 3 * * *", "2026-10-24 12:00", "2026-10-26 12:00", ["10-25 03:00 +0100", "10-26 03:00 +0100"]),
        ("0 12 * * *", "2026-10-24 13:00", "2026-10-26 13:00", ["10-25 12:00 +0100", "10-26 12:00 +0100"]),
    ],
)
def test_a_daily_backup_runs_once_a_day_across_daylight_saving(
    cron: str, begin: str, end: str, wanted: list[str]
) -> None:
    assert runs(Schedule(cron=cron, timezone="Europe/Paris"), paris(begin), paris(end)) == wanted


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)])
def test_an_hourly_backup_runs_each_hour_that_there_is(day: str, hours: int) -> None:
    begin = paris(f"{day} 00:00")
    schedule = Schedule(cron="0 * * * *", timezone="Europe/Paris")
    assert len(runs(schedule, begin, begin + hours * 3600 - 1)) == hours - 1  # midnight's own was the last one
    assert len(runs(Schedule(every_s=3600.0), begin, begin + hours * 3600 - 1)) == hours - 1


SCHEDULES = st.sampled_from(
    [
        *(Schedule(every_s=every) for every in (30.0, 900.0, 43200.0, DAY)),
        *(Schedule(cron=cron, timezone="Europe/Paris") for cron in ("0 3 * * *", "30 2 * * *", "*/20 1-4 * * *")),
    ]
)
MOMENTS = st.floats(paris("2026-03-20"), paris("2026-11-10"), allow_nan=False)


@given(SCHEDULES, MOMENTS, st.floats(0, 40 * DAY))
def test_of_all_slots_that_were_missed_one_is_made_up(schedule: Schedule, now: float, away: float) -> None:
    last = due_slot(schedule, 0.0, None, now)
    slot = due_slot(schedule, 0.0, last, now + away)
    if slot is not None:
        assert due_slot(schedule, 0.0, slot, now + away) is None
        assert slot <= now + away


@given(SCHEDULES, MOMENTS)
def test_looking_back_and_looking_ahead_see_the_same_slots(schedule: Schedule, now: float) -> None:
    ahead = next_slot(schedule, 0.0, now)
    assert ahead > now
    assert due_slot(schedule, 0.0, None, ahead) == ahead
    before = due_slot(schedule, 0.0, None, ahead - 0.001)
    assert before is not None
    assert before <= now
    assert next_slot(schedule, 0.0, before) == ahead


@given(st.sampled_from([Schedule(every_s=DAY), Schedule(cron="0 3 * * *", timezone="Europe/Paris")]), MOMENTS,
       st.floats(0, 22 * 3600.0))  # fmt: skip
def test_a_clock_that_is_set_back_runs_nothing_twice(schedule: Schedule, now: float, back: float) -> None:
    last = due_slot(schedule, 0.0, None, now)
    assert due_slot(schedule, 0.0, last, now - back) is None


def test_a_slot_that_was_written_down_by_a_clock_years_ahead_does_not_stop_backups() -> None:
    schedule, now = Schedule(every_s=DAY), paris("2026-06-01")
    slot = due_slot(schedule, 0.0, paris("2035-01-01"), now)
    assert slot is not None
    assert slot <= now
    assert due_slot(schedule, 0.0, slot, now) is None


def test_hosts_begin_at_different_times_within_the_jitter_and_each_always_at_its_own() -> None:
    schedule = Schedule(every_s=DAY, jitter_s=600.0)
    offsets = [offset_of(schedule, str(number), "shop", "db") for number in range(50)]
    assert all(0 <= offset < 600 for offset in offsets)
    assert len(set(offsets)) == 50
    assert offset_of(schedule, "1", "shop", "db") == offsets[1]
    now = DAY * 20000 + offsets[1] - 1
    assert due_slot(schedule, offsets[1], DAY * 19999, now) is None
    assert due_slot(schedule, offsets[1], DAY * 19999, now + 1) == DAY * 20000


@given(SCHEDULES, MOMENTS)
def test_slots_are_strictly_one_after_the_other(schedule: Schedule, now: float) -> None:
    found = [now]
    for _ in range(10):
        found.append(next_slot(schedule, 0.0, found[-1]))
    assert all(first < second for first, second in pairwise(found))


def test_without_a_schedule_nothing_is_due() -> None:
    assert due_slot(Schedule(), 0.0, None, 1e9) is None
    assert next_slot(Schedule(), 0.0, 1e9) == float("inf")
