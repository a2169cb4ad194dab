"""What the desk remembers of a rollback with its data, and what it refuses while data are owed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.adapters.journal import SqliteJournal
from reconciler.model.data import DataBackup, DataChange
from reconciler.model.record import Outcome, RequestKind, StackRecord
from reconciler.requests import Desk
from tests.fakes.clock import FakeClock

BACKUP = DataBackup("db-shop-1", "db")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournal]:
    with SqliteJournal(tmp_path / "state.db", synchronous="OFF") as found:
        for number in (1, 2):
            found.add_release("shop", f"digest {number}", "c", "", "", float(number))
            found.end_release("shop", number, Outcome.APPLIED, float(number))
        found.save_stack(StackRecord("shop", applied_release=2))
        yield found


def ask(journal: SqliteJournal, *data: DataBackup) -> str:
    row = journal.ask(RequestKind.ROLLBACK, "shop", "ada", 3.0, data=data)
    Desk(journal, FakeClock()).handle()
    request = journal.request(row)
    assert request is not None
    return request.answer


def test_a_rollback_remembers_the_data_that_it_is_to_restore(journal: SqliteJournal) -> None:
    assert ask(journal, BACKUP) == "ok"
    assert journal.data.data_change("shop") == DataChange("shop", 1, forth=(BACKUP,))


def test_one_that_asks_for_no_data_restores_none(journal: SqliteJournal) -> None:
    journal.data.save_data_change(DataChange("shop", 1, forth=(BACKUP,)))
    assert ask(journal) == "ok"
    assert journal.data.data_change("shop") is None


@pytest.mark.parametrize("data", [(), (BACKUP,)], ids=["without data", "with data"])
def test_while_data_are_owed_to_what_runs_nobody_goes_elsewhere(
    journal: SqliteJournal, data: tuple[DataBackup, ...]
) -> None:
    owed = DataChange("shop", 3, back=(BACKUP,))
    journal.data.save_data_change(owed)
    assert "ask again when that is over" in ask(journal, *data)
    assert journal.data.data_change("shop") == owed
    record = journal.stack("shop")
    assert record is not None
    assert record.wanted_release is None


@pytest.mark.parametrize("data", [(), (BACKUP,)], ids=["without data", "with data"])
def test_while_a_release_is_applied_nobody_asks_for_data_nor_leaves_one_that_restores_some(
    journal: SqliteJournal, data: tuple[DataBackup, ...]
) -> None:
    journal.add_release("shop", "digest 3", "c", "", "", 3.0)
    journal.save_stack(StackRecord("shop", applied_release=2, attempted_release=3))
    change = None if data else DataChange("shop", 3, forth=(BACKUP,))
    if change is not None:
        journal.data.save_data_change(change)
    assert "when that is over" in ask(journal, *data)
    assert journal.data.data_change("shop") == change
