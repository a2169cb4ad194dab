from __future__ import annotations

from reconciler.backup.pace import Pace


def test_the_first_look_is_at_once_and_the_next_one_at_the_slot() -> None:
    pace = Pace()
    assert pace.begins(100.0)
    pace.next(100.0, slot_in_s=3.0, declared=True)
    assert not pace.begins(102.9)
    assert pace.begins(103.0)


def test_a_slot_that_is_far_away_is_looked_at_before_since_a_clock_may_be_set() -> None:
    pace = Pace()
    pace.next(0.0, slot_in_s=86_400.0, declared=True)
    assert pace.begins(15.0)


def test_a_slot_that_is_now_is_not_looked_at_all_the_time() -> None:
    pace = Pace()
    pace.next(0.0, slot_in_s=0.0, declared=True)
    assert not pace.begins(0.4)


def test_where_no_stack_declares_a_backup_only_what_happens_is_a_reason_to_look() -> None:
    pace = Pace()
    pace.next(0.0, slot_in_s=5.0, declared=False)
    assert not pace.begins(1e9)
    pace.wake()
    assert pace.begins(1e9)


def test_what_happens_during_a_look_is_not_lost() -> None:
    pace = Pace()
    assert pace.begins(0.0)
    pace.wake()
    pace.next(0.0, slot_in_s=900.0, declared=False)
    assert pace.begins(0.0)
