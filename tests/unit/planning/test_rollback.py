"""Laws of going back by hand: which release is meant, and from before which one the data are those that it knew."""

from __future__ import annotations

import pytest

from reconciler.model.record import Outcome, ReleaseRecord, StackRecord
from reconciler.planning.rollback import first_left, target_of


def applied(number: int, at: float, quarantined: str = "", outcome: Outcome = Outcome.APPLIED) -> ReleaseRecord:
    return ReleaseRecord("shop", number, f"d{number}", "c", outcome, at, at, quarantined=quarantined)


HISTORY = (applied(1, 10.0), applied(2, 20.0), applied(3, 30.0, "bad"), applied(4, 40.0), applied(5, 50.0))
NOW = StackRecord("shop", applied_release=5)


def test_the_one_before_is_meant_and_never_one_that_is_quarantined() -> None:
    assert target_of(NOW, HISTORY, None) == (4, "")
    assert target_of(StackRecord("shop", applied_release=4), HISTORY[:4], None) == (2, "")


def test_the_one_before_is_the_one_that_ran_before_whatever_its_number() -> None:
    """Release 1, then 2, a commit that took 2 back, which is release 1 again, then 3."""
    history = (applied(1, 30.0), applied(2, 20.0), applied(3, 40.0))
    assert target_of(StackRecord("shop", applied_release=3), history, None) == (1, "")
    assert target_of(StackRecord("shop", applied_release=3), history, None, kept={2, 3}) == (2, "")


def test_who_went_back_goes_further_back_the_next_time() -> None:
    assert target_of(StackRecord("shop", applied_release=2, wanted_release=2), HISTORY, None) == (1, "")
    target, problem = target_of(StackRecord("shop", applied_release=1, wanted_release=1), HISTORY, None)
    assert (target, "no release to go back to" in problem) == (None, True)


@pytest.mark.parametrize(("asked", "found"), [(None, (4, "")), (4, (4, "")), (2, (2, ""))])
def test_while_a_release_is_applied_what_serves_until_then_can_be_gone_back_to(
    asked: int | None, found: tuple[int, str]
) -> None:
    trying = StackRecord("shop", applied_release=4, attempted_release=5)
    assert target_of(trying, (*HISTORY[:4], applied(5, 50.0, outcome=Outcome.PENDING)), asked) == found


@pytest.mark.parametrize("asked", [None, 5])
def test_who_goes_back_already_goes_nowhere_else_by_asking_again(asked: int | None) -> None:
    trying = StackRecord("shop", applied_release=4, attempted_release=5, wanted_release=5)
    target, problem = target_of(trying, (*HISTORY[:4], applied(5, 50.0, outcome=Outcome.PENDING)), asked)
    assert (target, "goes to release 5 just now" in problem) == (None, True)


@pytest.mark.parametrize(("asked", "words"), [(5, "is what runs"), (9, "has no release 9"), (6, "was never proven")])
def test_what_cannot_be_gone_back_to_is_said_so(asked: int, words: str) -> None:
    target, problem = target_of(NOW, (*HISTORY, applied(6, 60.0, outcome=Outcome.FAILED)), asked)
    assert (target, words in problem) == (None, True)


@pytest.mark.parametrize(("target", "left"), [(4, 5), (2, 3), (1, 2)])
def test_the_data_are_those_from_before_the_first_release_that_came_after_it(target: int, left: int) -> None:
    found = first_left(NOW, HISTORY, target)
    assert found is not None
    assert found.number == left


def test_what_was_gone_back_from_before_is_not_left_again() -> None:
    """Release 2, then 3, back to 2, then 4: from 4 to 2 the data are those from before 4."""
    history = (applied(1, 10.0), applied(2, 35.0), applied(3, 30.0, "rolled back"), applied(4, 40.0))
    found = first_left(StackRecord("shop", applied_release=4), history, 2)
    assert found is not None
    assert found.number == 4
