"""When something may begin: a pure function of the moment, the windows and what is pending."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model.updates import Gate, Updates, Window
from reconciler.planning.gate import Pending, hold_of, opens_at

PARIS = ZoneInfo("Europe/Paris")
HOUR, DAY, NEVER = 3600.0, 86400.0, float("inf")
NIGHT = Window(True, "0 22 * * *", 4 * HOUR, "Europe/Paris")
OFFICE = Window(False, "0 8 * * 1-5", 10 * HOUR, "Europe/Paris")


def paris(text: str, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=PARIS, fold=fold).timestamp()


def opening(now: str, *windows: Window, gate: Gate = Gate.RELEASE) -> str:
    at = opens_at(windows, gate, paris(now))
    return "never" if at == NEVER else datetime.fromtimestamp(at, PARIS).strftime("%Y-%m-%d %H:%M")


@pytest.mark.parametrize(
    ("now", "windows", "wanted"),
    [
        ("2026-06-03 12:00", (), "2026-06-03 12:00"),
        ("2026-06-03 12:00", (NIGHT,), "2026-06-03 22:00"),
        ("2026-06-03 22:00", (NIGHT,), "2026-06-03 22:00"),
        ("2026-06-04 01:59", (NIGHT,), "2026-06-04 01:59"),
        ("2026-06-04 02:00", (NIGHT,), "2026-06-04 22:00"),
        ("2026-06-03 12:00", (OFFICE,), "2026-06-03 18:00"),
        ("2026-06-06 12:00", (OFFICE,), "2026-06-06 12:00"),  # a Saturday
        ("2026-06-03 12:00", (NIGHT, OFFICE), "2026-06-03 22:00"),
        ("2026-06-03 12:00", (Window(True, "0 9 * * *", 2 * HOUR, "Europe/Paris"), OFFICE), "2026-06-06 09:00"),
        ("2026-06-03 12:00", (NIGHT, Window(True, "0 13 * * *", HOUR, "Europe/Paris")), "2026-06-03 13:00"),
        ("2026-06-03 12:00", (Window(False, "0 0 * * *", 26 * HOUR, "Europe/Paris"),), "never"),
    ],
)  # fmt: skip
def test_what_is_pending_begins_when_its_window_opens(now: str, windows: tuple[Window, ...], wanted: str) -> None:
    assert opening(now, *windows) == wanted


def test_a_window_is_only_for_what_it_names() -> None:
    night = Window(True, "0 22 * * *", 4 * HOUR, "Europe/Paris", frozenset({Gate.RELEASE, Gate.CERTS}))
    now = "2026-06-03 12:00"
    opened = {gate: opening(now, night, gate=gate) == now for gate in Gate}
    assert opened == {Gate.RELEASE: False, Gate.CONFIG: True, Gate.CERTS: False, Gate.SELF_HEAL: True}


@pytest.mark.parametrize(
    ("cron", "now", "opens", "closes"),
    [
        # Clocks go from 02:00 to 03:00: a window that would open in the hour that is not there opens right after it.
        ("30 2 * * *", "2026-03-29 01:59", "2026-03-29 03:00", "2026-03-29 05:00"),
        ("0 1 * * *", "2026-03-29 00:30", "2026-03-29 01:00", "2026-03-29 04:00"),  # two hours of real time
        # Clocks go from 03:00 back to 02:00: it opens once, and is as long as on any other day.
        ("30 2 * * *", "2026-10-25 01:59", "2026-10-25 02:30", "2026-10-25 03:30"),
        ("0 1 * * *", "2026-10-25 00:30", "2026-10-25 01:00", "2026-10-25 02:00"),
    ],
)
def test_a_window_opens_once_and_for_as_long_as_it_says_when_clocks_change(
    cron: str, now: str, opens: str, closes: str
) -> None:
    window = Window(True, cron, 2 * HOUR, "Europe/Paris")
    at = opens_at((window,), Gate.RELEASE, paris(now))
    assert datetime.fromtimestamp(at, PARIS).strftime("%Y-%m-%d %H:%M") == opens
    assert datetime.fromtimestamp(at + 2 * HOUR, PARIS).strftime("%Y-%m-%d %H:%M") == closes
    assert opens_at((window,), Gate.RELEASE, at + 2 * HOUR - 1) == at + 2 * HOUR - 1
    assert opens_at((window,), Gate.RELEASE, at + 2 * HOUR) > at + 20 * HOUR


WINDOWS = st.lists(
    st.builds(
        Window,
        st.booleans(),
        st.sampled_from(["0 22 * * *", "30 2 * * *", "0 8 * * 1-5", "*/30 * * * *", "0 0 1 * *"]),
        st.sampled_from([1800.0, 4 * HOUR, 30 * HOUR]),
        st.just("Europe/Paris"),
    ),
    max_size=4,
)
MOMENTS = st.floats(paris("2026-03-20"), paris("2026-11-10"), allow_nan=False)


@settings(deadline=None)
@given(WINDOWS, MOMENTS)
def test_at_the_moment_that_is_told_it_is_open_and_before_it_it_was_not(windows: list[Window], now: float) -> None:
    at = opens_at(windows, Gate.CONFIG, now)
    if at == NEVER:
        return
    assert at >= now
    assert opens_at(windows, Gate.CONFIG, at) == at
    if at > now:
        assert opens_at(windows, Gate.CONFIG, (now + at) / 2) == at


def test_everything_that_holds_it_is_told_and_the_last_of_it_counts() -> None:
    updates = Updates(windows=(NIGHT,), min_age_s=2 * DAY, manual=True)
    now = paris("2026-06-03 12:00")
    hold = hold_of(Pending(Gate.RELEASE, since=now, number=7, needs_approval=True), updates, "shop", now)
    assert hold is not None
    assert hold.reason == "WaitsForApproval"
    assert hold.until == NEVER
    assert "reconciler approve shop 7" in hold.message
    assert "2026-06-05 12:00" in hold.message or "2026-06-05 10:00 UTC" in hold.message
    assert "opens at 2026-06-03 22:00 CEST, or past it by hand: reconciler reconcile shop --now" in hold.message


def test_by_hand_windows_are_passed_and_nothing_else_is() -> None:
    updates = Updates(windows=(NIGHT,), min_age_s=DAY)
    now = paris("2026-06-03 12:00")
    assert hold_of(Pending(Gate.RELEASE, past_windows=True), updates, "shop", now) is None
    young = hold_of(Pending(Gate.RELEASE, since=now - HOUR, past_windows=True), updates, "shop", now)
    assert young is not None
    assert (young.reason, young.until) == ("WaitsForAge", now - HOUR + DAY)


def test_without_updates_nothing_is_held() -> None:
    for gate in Gate:
        assert hold_of(Pending(gate, since=0.0), Updates(), "shop", 1e9) is None
