"""Laws of what going back loses: rows that came or went are counted, and age bounds what cannot be."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.backup.loss import beyond, loss_of
from reconciler.model.backup import MaxLoss
from tests.unit.backup.test_retention import backup

THEN = {"public.orders": 10, "public.users": 3}
BACKUP = replace(backup(1, 1000.0), counts=THEN)


@pytest.mark.parametrize(
    ("now", "rows"),
    [
        (THEN, 0),
        ({**THEN, "public.orders": 12}, 2),
        ({**THEN, "public.orders": 9, "public.users": 4}, 2),
        ({"public.orders": 10}, 3),
        ({**THEN, "public.new": 5}, 5),
    ],
    ids=["nothing", "more", "fewer and more", "a table is gone", "a table is new"],
)
def test_rows_that_came_or_went_are_counted(now: dict[str, int], rows: int) -> None:
    loss = loss_of(BACKUP, now, 1060.0)
    assert (loss.rows, loss.age_s) == (rows, 60.0)
    assert (beyond(loss, MaxLoss(rows=rows)) == "", beyond(loss, MaxLoss(rows=rows - 1)) == "") == (True, False)


def test_one_that_is_too_old_is_told_of_whatever_the_rows_say() -> None:
    assert beyond(loss_of(BACKUP, THEN, 1000.0 + 7200.0), MaxLoss()) == "it is 2h old, and maxLoss allows 1h"


def test_the_tables_are_named_with_what_they_have_more_or_less() -> None:
    told = beyond(loss_of(BACKUP, {"public.orders": 12, "public.users": 1}, 1000.0), MaxLoss())
    assert told == "4 rows came or went since (public.orders +2, public.users -2), and maxLoss allows 0"
