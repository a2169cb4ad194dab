"""Laws of which value is in use after a try to renew it, and of what follows from that."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.model.environment import Environment, Mark, Setting
from reconciler.model.record import PassGoal, PassRecord, StackRecord, Suspension
from reconciler.model.renewal import Verdict
from reconciler.planning.renewal import Situation, renewed_since, verdict_of, waits_for_nobody, why_not

NEW, OLD, UNKNOWN = Verdict.NEW, Verdict.OLD, Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("status", "takes_new", "takes_old", "verdict"),
    [
        (0, None, None, NEW),  # without a check its word counts
        (0, True, None, NEW),
        (0, False, True, UNKNOWN),  # it says so, and is not believed
        (1, True, False, NEW),  # it failed when it had done its work
        (None, True, False, NEW),
        (1, False, True, OLD),
        (1, None, None, UNKNOWN),
        (1, None, True, UNKNOWN),  # the check could not be run to its end
        (1, False, None, UNKNOWN),
        (1, False, False, UNKNOWN),  # whatever holds it does not answer
        (1, True, True, UNKNOWN),  # a check that takes everything tells nothing
        (None, False, True, UNKNOWN),  # it was ended, and what it asked for may still be done
        (137, False, True, UNKNOWN),
    ],
)
def test_the_old_value_is_in_use_only_where_that_is_certain(
    status: int | None, takes_new: bool | None, takes_old: bool | None, verdict: Verdict
) -> None:
    assert verdict_of(status, takes_new, takes_old) is verdict


def test_releases_up_to_the_one_that_ran_have_the_old_value() -> None:
    marks = (Mark("shop", "KEY"), Mark("shop", "DB_PASSWORD", renewed_after=4))
    assert [renewed_since(marks, release) for release in (3, 4, 5)] == ["DB_PASSWORD", "DB_PASSWORD", ""]


def test_only_the_very_release_that_brings_the_new_value_waits_for_nobody() -> None:
    marks = (Mark("shop", "KEY"), Mark("shop", "DB_PASSWORD", rolls="d5"))
    assert [waits_for_nobody(marks, digest) for digest in ("d5", "d6", "")] == [True, False, False]


SET = Setting("KEY", "v", "env/shop.env", 1, host=True)
FINE = Situation(StackRecord("shop", applied_release=3), Environment("env/shop.env", {"KEY": SET}), "d3", "d3")


def of(**settings: Setting) -> Environment:
    return Environment("env/shop.env", settings)


@pytest.mark.parametrize(
    ("now", "why"),
    [
        (FINE, ""),
        (replace(FINE, rendered="d4", rolls="d4"), ""),  # the release of a renewal that failed
        (replace(FINE, record=None), "no release of shop was ever applied"),
        (replace(FINE, record=StackRecord("shop")), "no release of shop was ever applied"),
        (
            replace(FINE, record=StackRecord("shop", applied_release=3, suspension=Suspension("", "", 0.0))),
            "is suspended",
        ),
        (replace(FINE, open_pass=PassRecord(1, "shop", 3, PassGoal.APPLY, 0.0)), "is being worked on"),
        (replace(FINE, owes_data=True), "are about to be restored"),
        (replace(FINE, is_undoable=True), "First: reconciler adopt --confirm"),
        (replace(FINE, problem="env/shop.env:1: X", rendered=""), "so mend that first: env/shop.env:1: X"),
        (replace(FINE, rendered="d4"), "does not run what Git and env/shop.env say"),
        (replace(FINE, rendered="", applied=""), "does not run what Git and env/shop.env say"),
        (replace(FINE, environment=of()), "KEY is not set in env/shop.env"),
        (replace(FINE, environment=of(KEY=replace(SET, value=""))), "KEY is not set in env/shop.env"),
        (
            replace(FINE, environment=of(KEY=replace(SET, host=False, file="a.env"))),
            "KEY is set in a.env, which lies in Git",
        ),
    ],
)
def test_it_begins_only_where_the_services_can_be_rolled_at_once_with_nothing_but_the_new_value(
    now: Situation, why: str
) -> None:
    found = why_not("shop", "KEY", now)
    assert (why in found, bool(found)) == (True, bool(why)), found
