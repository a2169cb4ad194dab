"""Which backups run when, and what is remembered of them: on a real journal, with backups that take no time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.backup.entry import Finding
from reconciler.backup.making import Made
from reconciler.backup.orders import Do, Order, order_of
from reconciler.backup.store import Store
from reconciler.model.backup import Keep, Level
from reconciler.model.data import DataBackup, DataChange
from reconciler.model.errors import WaitingError
from reconciler.model.record import Outcome, StackRecord
from tests.unit.backup.desk import DAY, NOON, PLAN, Desk


def test_a_stack_is_backed_up_once_a_release_of_it_is_applied_and_then_once_a_slot(desk: Desk) -> None:
    desk.journal.save_stack(StackRecord("shop"))
    assert not desk.is_due()
    desk.journal.save_stack(StackRecord("shop", applied_release=1))
    assert desk.is_due()
    desk.keeper.run_due(desk.wanted)
    assert not desk.is_due()
    assert desk.keeper.look([desk.wanted]).wait_s == DAY / 2
    desk.clock.advance(DAY / 2)
    assert desk.is_due()
    desk.keeper.run_due(desk.wanted)
    desk.keeper.run_due(desk.wanted)
    assert desk.maker.made == ["db", "db"]


def test_a_run_that_was_cut_short_is_made_up_once(desk: Desk) -> None:
    def cut_short() -> Made:
        raise WaitingError("SIGTERM", reason="Interrupted")

    desk.maker.instead = cut_short
    with pytest.raises(WaitingError):
        desk.keeper.run_due(desk.wanted)
    assert desk.is_due()
    desk.maker.instead = None
    desk.keeper.run_due(desk.wanted)
    assert not desk.is_due()
    assert len(desk.maker.made) == 2


def test_nothing_is_due_while_data_are_half_way_and_what_they_are_restored_from_stays(desk: Desk) -> None:
    desk.wanted = replace(desk.wanted, plans=(replace(PLAN, keep=Keep(last=1), min_verified=0, at_most=True),))
    (first,) = desk.keeper.run(desk.wanted, (), "ada")
    assert first.backup is not None
    Store(desk.folder).describe(first.backup.before(2))
    desk.clock.advance(DAY)
    desk.journal.data.save_data_change(DataChange("shop", 2, (DataBackup(first.backup.name, "db"),)))
    assert not desk.is_due()
    desk.keeper.run(desk.wanted, (), "ada")
    assert desk.keeper.prune(desk.wanted) == ()
    desk.journal.data.drop_data_change("shop")
    assert desk.is_due()
    assert desk.keeper.prune(desk.wanted) == (first.backup.name,)


def test_a_failed_run_is_an_event_uses_its_slot_up_and_its_end_is_told(desk: Desk) -> None:
    desk.keeper.run_due(desk.wanted)
    (good,) = desk.journal.backups.backups()
    desk.clock.advance(DAY)
    desk.maker.instead = lambda: Made(None, Finding(Level.L0, "no server"))
    desk.keeper.run_due(desk.wanted)
    (failed,) = desk.journal.backups.backups()
    assert (failed.failed, failed.level) == ("L0: no server", Level.NONE)
    assert (failed.verified, failed.verified_at) == (good.verified, good.verified_at)
    assert not desk.is_due()
    desk.clock.advance(DAY)
    desk.maker.instead = None
    desk.keeper.run_due(desk.wanted)
    assert desk.journal.backups.backups()[0].failed == ""
    assert desk.reasons() == ["BackupMade", "BackupFailed", "BackupMade"]


def test_a_mistake_of_ours_does_not_dump_a_database_again_and_again(desk: Desk) -> None:
    def crash() -> Made:
        raise ZeroDivisionError

    desk.maker.instead = crash
    desk.keeper.run_due(desk.wanted)
    assert not desk.is_due()
    assert desk.reasons() == ["BackupFailed"]


def test_where_the_journal_was_lost_the_newest_backup_says_when_it_was_last_time(desk: Desk) -> None:
    desk.keeper.run_due(desk.wanted)
    desk.journal.forget_stack("shop")
    desk.journal.save_stack(StackRecord("shop", applied_release=1))
    assert not desk.is_due()
    desk.clock.advance(DAY)
    assert desk.is_due()


def test_a_backup_that_somebody_asks_for_takes_no_slot_and_is_told(desk: Desk) -> None:
    desk.keeper.run_due(desk.wanted)
    desk.clock.advance(DAY)
    assert desk.keeper.perform(desk.wanted, Order(Do.RUN), "ada") == ""
    assert desk.is_due()
    assert "asked for by ada" in desk.journal.events(stack="shop")[-1].message


@pytest.mark.parametrize("order", [Order(Do.RUN, "nosuch"), Order(Do.VERIFY, "nosuch"), Order(Do.RESTORE, "latest")])
def test_what_cannot_be_done_is_answered_in_words(desk: Desk, order: Order) -> None:
    assert 'no backup "' in desk.keeper.perform(desk.wanted, order, "ada")


@pytest.mark.parametrize(
    ("owed", "left"),
    [
        (("db", "db"), None),
        (("db-that-is-gone", "db"), None),
        (("db", "other"), ("db", "other")),
    ],
    ids=["a backup of it", "one that is not there any more", "another database"],
)
def test_a_restore_by_hand_settles_what_a_failed_release_owes_of_that_database(
    desk: Desk, owed: tuple[str, str], left: tuple[str, str] | None
) -> None:
    """Else it would be restored once more at some later moment, over what was written until then; and a backup that turned
    out to be bad would be owed for ever, with every newer release waiting for it."""
    desk.keeper.run_due(desk.wanted)
    desk.clock.advance(1)
    desk.journal.add_release("shop", "digest", "c", "", "", NOON)
    desk.journal.end_release("shop", 1, Outcome.FAILED, NOON)
    name = desk.backups()[0].name if owed[0] == "db" else owed[0]
    desk.journal.data.save_data_change(DataChange("shop", 1, back=(DataBackup(name, owed[1]),)))
    assert desk.keeper.perform(desk.wanted, Order(Do.RESTORE, "latest"), "ada") == ""
    change = desk.journal.data.data_change("shop")
    assert (change.back if change else None) == (None if left is None else (DataBackup(name, left[1]),))


def test_what_a_release_that_has_not_failed_changed_is_owed_until_it_is_known_how_it_ends(desk: Desk) -> None:
    desk.keeper.run_due(desk.wanted)
    desk.clock.advance(1)
    desk.journal.add_release("shop", "digest", "c", "", "", NOON)
    change = DataChange("shop", 1, back=(DataBackup(desk.backups()[0].name, "db"),))
    desk.journal.data.save_data_change(change)
    assert desk.keeper.perform(desk.wanted, Order(Do.RESTORE, "latest"), "ada") == ""
    assert desk.journal.data.data_change("shop") == change


def test_a_backup_that_somebody_looked_at_and_accepted_is_no_failure_any_more(desk: Desk) -> None:
    """It had shrunk; get went on saying that it failed, and advised to do what had been done."""
    desk.keeper.run_due(desk.wanted)
    (backup,) = desk.backups()
    (record,) = desk.journal.backups.backups("shop")
    desk.journal.backups.save_backup(replace(record, failed="L0: it is smaller"))
    assert desk.keeper.perform(desk.wanted, Order(Do.VERIFY, backup.name), "ada") == ""
    assert [found.failed for found in desk.journal.backups.backups("shop")] == [""]


def test_a_run_that_made_nothing_is_a_failure_whatever_else_is_proven_anew(desk: Desk) -> None:
    desk.keeper.run_due(desk.wanted)
    (backup,) = desk.backups()
    desk.clock.advance(DAY)
    desk.maker.instead = lambda: Made(None, Finding(Level.L0, "no server"))
    desk.keeper.run_due(desk.wanted)
    assert desk.keeper.perform(desk.wanted, Order(Do.VERIFY, backup.name), "ada") == ""
    assert [found.failed for found in desk.journal.backups.backups("shop")] == ["L0: no server"]


def test_an_order_is_read_as_it_was_written() -> None:
    order = Order(Do.RESTORE, "latest", into="other", drop_old=True)
    assert order_of(order.text()) == order
    with pytest.raises(ValueError, match="no order"):
        order_of('{"name": "db"}')
