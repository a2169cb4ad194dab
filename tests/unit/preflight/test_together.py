"""Looks side by side: in order, bounded, and none takes the others along."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from reconciler.preflight.finding import Finding, Level
from reconciler.preflight.together import Look, together


def said(name: str) -> tuple[Finding, ...]:
    return (Finding(name, Level.OK, "there", "there"),)


def test_a_look_that_hangs_is_said_and_holds_up_no_other() -> None:
    leave = threading.Event()

    def hang() -> Sequence[Finding]:
        leave.wait(30)
        return ()

    looks = [Look("first", hang, 0.05), Look("second", lambda: said("second"), 10.0)]
    try:
        found = list(together(looks))
    finally:
        leave.set()
    assert [(one.name, one.level, one.found) for one in found] == [
        ("first", "warning", "no answer within 0.05 s"),
        ("second", "ok", "there"),
    ]


def test_a_look_that_fails_by_a_mistake_of_ours_is_said_and_the_others_go_on() -> None:
    def fail() -> Sequence[Finding]:
        raise ZeroDivisionError("by zero")

    found = list(together([Look("first", fail, 10.0, Level.ERROR), Look("second", lambda: said("second"), 10.0)]))
    assert [one.level for one in found] == ["error", "ok"]
    assert "ZeroDivisionError: by zero" in found[0].mend


def test_looks_are_told_in_their_order_however_they_end() -> None:
    second_ended = threading.Event()

    def first() -> Sequence[Finding]:
        second_ended.wait(10)
        return said("first")

    def second() -> Sequence[Finding]:
        second_ended.set()
        return said("second")

    assert [one.name for one in together([Look("first", first, 20.0), Look("second", second, 20.0)])] == [
        "first",
        "second",
    ]
