"""Laws of choosing: which backup is the one from before a release."""

from __future__ import annotations

from dataclasses import replace

from reconciler.backup.choosing import gone_through, last_before
from reconciler.backup.entry import Backup, Finding
from reconciler.model.backup import Level
from tests.unit.backup.test_retention import backup

TRIED_AT = 1000.0


def made(number: int, at: float, *precedes: int, plan: str = "db") -> Backup:
    return replace(backup(number, at, precedes=precedes), plan=plan)


def test_the_one_that_a_release_passed_by_counts_before_any_that_is_newer() -> None:
    here = (made(3, 999.0), made(2, 900.0, 4), made(1, 800.0, 4), made(0, 700.0, 3))
    assert last_before(here, 4, TRIED_AT) == (here[1],)


def test_where_none_was_asked_for_the_newest_from_before_it_was_tried_counts() -> None:
    here = (made(3, 1001.0, 5), made(2, 900.0), made(1, 800.0))
    assert last_before(here, 4, TRIED_AT) == (here[1],)
    assert last_before(here, 4, None) == gone_through(here, 4) == ()


def test_one_that_is_not_good_never_counts() -> None:
    bad = replace(made(2, 900.0, 4), level=Level.L1, problems=(Finding(Level.L2, "broken"),))
    assert gone_through((bad, made(1, 800.0, 4)), 4) == (made(1, 800.0, 4),)


def test_one_that_holds_what_another_release_knew_never_counts() -> None:
    """Marked in a life before, when releases were counted from 1, too; or made before the one that is gone back to."""
    here = (made(3, 950.0), made(2, 900.0), made(1, 800.0, 4))
    assert last_before(here, 4, TRIED_AT, since=900.0) == (here[0],)
    assert last_before(here, 4, TRIED_AT, since=951.0) == ()


def test_one_of_what_a_restore_replaced_never_counts() -> None:
    here = (replace(made(3, 950.0), before_restore=True), made(2, 900.0))
    assert last_before(here, 4, TRIED_AT) == (here[1],)


def test_each_database_has_one_of_its_own() -> None:
    here = (made(2, 900.0, 4, plan="db"), made(1, 800.0, 4, plan="archive"))
    assert gone_through(here, 4) == (here[1], here[0])
