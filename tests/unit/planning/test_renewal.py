"""Laws of which value is in use after a try to renew it, and of what follows from that."""

from __future__ import annotations

import pytest

from reconciler.model.environment import Mark
from reconciler.model.renewal import Verdict
from reconciler.planning.renewal import renewed_since, verdict_of, waits_for_nobody

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
