"""The page on events has every reason that the program can give, and no other."""

from __future__ import annotations

import pytest

from tests.docs.reasons import PAGE, SEVERITIES, given, told_of

NO_EVENTS = {"Pending", "Progressing"}  # READY is Unknown then, which is told to nobody
GIVEN, TOLD = given(), told_of()


def test_every_reason_is_on_the_page() -> None:
    missing = sorted(GIVEN.keys() - TOLD.keys() - NO_EVENTS)
    assert missing == [], f"{PAGE} needs a row for each of these: when it is told, and what to do"


def test_the_page_has_no_reason_that_nothing_gives() -> None:
    assert sorted(TOLD.keys() - GIVEN.keys()) == [], f"take these out of {PAGE}"


@pytest.mark.parametrize("reason", sorted(TOLD))
def test_a_reason_is_told_with_the_severity_it_is_given_with(reason: str) -> None:
    """As far as that stands beside it in the source: that of an error is error, and READY's is known when it turns."""
    assert TOLD[reason] <= set(SEVERITIES)
    assert GIVEN.get(reason, frozenset()) <= TOLD[reason]
