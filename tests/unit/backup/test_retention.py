"""Which backups may go, over random histories of good and bad ones."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from reconciler.backup.entry import Backup, Finding
from reconciler.backup.retention import failed_that_may_go, may_go
from reconciler.model.backup import Keep, Level

HOUR = 3600.0


def backup(
    number: int, at: float, level: Level = Level.L3, release: int | None = None, precedes: tuple[int, ...] = ()
) -> Backup:
    problems = () if level >= Level.L3 else (Finding(Level(level + 1), "it broke"),)
    return Backup(
        name=f"db-{number:05}",
        stack="shop",
        plan="db",
        engine="postgres",
        service="db",
        database="shop",
        user="",
        created_at=at,
        wanted=Level.L3,
        level=level,
        problems=problems,
        release=release,
        precedes=precedes,
    )


@st.composite
def histories(draw: st.DrawFn) -> list[Backup]:
    gaps = draw(st.lists(st.floats(60.0, 24 * 40 * HOUR), max_size=60))
    found, now = [], 1.7e9
    for number, gap in enumerate(gaps):
        now += gap
        level = draw(st.sampled_from([Level.L3, Level.L3, Level.L3, Level.NONE, Level.L0, Level.L1, Level.L2]))
        precedes = tuple(sorted(draw(st.frozensets(st.integers(1, 6), max_size=2))))
        found.append(backup(number, now, level, draw(st.integers(1, 6)), precedes))
    return found


KEEPS = st.builds(Keep, st.integers(1, 8), st.integers(0, 8), st.integers(0, 6), st.integers(0, 14))


@given(histories(), KEEPS, st.integers(0, 4), st.frozensets(st.integers(1, 6), max_size=3))
def test_nothing_goes_that_anybody_counts_on(
    history: list[Backup], keep: Keep, min_verified: int, pinned: frozenset[int]
) -> None:
    gone = {found.name for found in may_go(history, keep, min_verified, pinned)}
    good = [found for found in reversed(history) if found.sound]
    if history and not history[-1].sound:
        assert not gone, "the newest one is not proven, so the old ones are all there is"
        return
    assert not gone & {found.name for found in good[: keep.last]}
    assert not gone & {found.name for found in good[:min_verified]}
    for release in pinned:
        of_it = [found for found in good if found.release == release]
        before_it = [found for found in good if release in found.precedes]
        assert not gone & {found.name for found in (*of_it[:1], *before_it[:1])}


@given(histories(), KEEPS)
def test_each_of_the_newest_periods_keeps_its_last_one(history: list[Backup], keep: Keep) -> None:
    gone = {found.name for found in may_go(history, keep, 0)}
    for count, form in ((keep.daily, "%Y-%m-%d"), (keep.weekly, "%G-%V"), (keep.monthly, "%Y-%m")):
        last_of: dict[str, str] = {}
        for found in history:
            if found.sound:
                last_of[datetime.fromtimestamp(found.created_at, UTC).strftime(form)] = found.name
        assert not gone & set(
            list(last_of.values())[len(last_of) - count if count < len(last_of) else 0 :] if count else []
        )


@given(histories(), KEEPS, st.integers(0, 4))
def test_what_goes_goes_for_a_reason_and_asking_again_takes_nothing_more(
    history: list[Backup], keep: Keep, min_verified: int
) -> None:
    gone = may_go(history, keep, min_verified)
    left = [found for found in history if found not in gone]
    assert may_go(left, keep, min_verified) == []
    most = keep.last + keep.daily + keep.weekly + keep.monthly + min_verified
    if history and history[-1].sound:
        assert len(left) <= most


@given(histories(), KEEPS)
def test_a_day_after_day_history_never_loses_its_newest_verified_ones(history: list[Backup], keep: Keep) -> None:
    """As it is lived: retention runs after each backup, not once at the end."""
    here: list[Backup] = []
    for number in range(len(history)):
        here.append(history[number])
        gone = {found.name for found in (*may_go(here, keep, 2), *failed_that_may_go(here))}
        here = [found for found in here if found.name not in gone]
        good = [found for found in history[: number + 1] if found.sound]
        assert {found.name for found in good[-2:]} <= {found.name for found in here}


@given(histories())
def test_of_bad_ones_the_newest_stays_to_be_looked_into(history: list[Backup]) -> None:
    gone = failed_that_may_go(history)
    assert not any(found.sound for found in gone)
    assert sum(not found.sound for found in history) - len(gone) <= 1


def test_seven_daily_backups_are_kept_and_the_eighth_goes() -> None:
    history = [backup(number, 1.7e9 + number * 24 * HOUR) for number in range(8)]
    assert [found.name for found in may_go(history, Keep(last=7), 2)] == ["db-00000"]


def test_a_release_that_may_be_gone_back_to_keeps_its_newest_backup_and_the_newest_verified_ones_stay() -> None:
    history = [backup(number, 1.7e9 + number * 60.0, release=number // 2) for number in range(8)]
    gone = {found.name for found in may_go(history, Keep(last=1), 0, frozenset({1, 9}))}
    assert gone == {f"db-{number:05}" for number in (0, 1, 2, 4, 5, 6)}
    gone = {found.name for found in may_go(history, Keep(last=1), 3)}
    assert gone == {f"db-{number:05}" for number in range(5)}


def test_a_release_that_may_be_gone_back_from_keeps_the_backup_from_before_it() -> None:
    precedes = {1: (4,), 2: (4, 5), 3: (5,)}
    history = [backup(number, 1.7e9 + number * 60.0, precedes=precedes.get(number, ())) for number in range(8)]
    gone = {found.name for found in may_go(history, Keep(last=1), 0, frozenset({4, 5}))}
    assert gone == {f"db-{number:05}" for number in (0, 1, 4, 5, 6)}
