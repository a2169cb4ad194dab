"""Laws of hooks of the kind backup: what lets a release pass, what is made for it, and when it stays shut."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.backup.entry import Finding
from reconciler.backup.making import Made
from reconciler.backup.orders import Do, Order
from reconciler.model.backup import Level, Verify
from reconciler.model.errors import StalledError, WaitingError
from reconciler.model.hook import Attempt, BackupGate, ChangedService, Hook, Occasion, Phase, Require
from reconciler.model.hook_call import HookCall, HookEnd
from reconciler.model.record import Outcome
from tests.builders import manifest, release
from tests.unit.backup.desk import NOON, PLAN, Desk

HOUR = BackupGate("db", max_age_s=3600.0)


def ask(desk: Desk, gate: BackupGate = HOUR, number: int = 2, plan: Any = PLAN, **more: Any) -> HookEnd:
    occasion, changed = more.pop("occasion", Occasion.RELEASE), more.pop("changed", ())
    attempt = Attempt("shop", number, "c", 1, occasion, more.pop("previous", None), changed=changed)
    call = HookCall(
        hook=Hook(Phase.PRE_SYNC, "dump", gate),
        attempt=attempt,
        cut_short=False,
        manifest=replace(manifest(), backups=(plan,)),
        release=release({"web": {}}),
        model=Path("/model"),
        environment={},
        variables={},
        told=lambda _: None,
        stop=more.pop("stop", lambda: ""),
        clean=lambda text: text,
    )
    return desk.keeper.pass_gate(gate, call)


def test_where_no_backup_is_fresh_enough_one_is_made_and_says_what_it_precedes(desk: Desk) -> None:
    end = ask(desk)
    assert end.fault == ""
    (backup,) = desk.backups()
    assert (backup.precedes, backup.by_hand) == ((2,), False)
    assert backup.name in end.output
    assert "before release 2" in desk.journal.events(stack="shop")[-1].message


def test_a_fresh_one_lets_pass_as_it_is_and_precedes_every_release_it_let_pass(desk: Desk) -> None:
    desk.keeper.run_due(desk.wanted)
    desk.clock.advance(3599)
    assert (ask(desk).fault, ask(desk, number=3).fault) == ("", "")
    assert len(desk.maker.made) == 1
    assert desk.backups()[0].precedes == (2, 3)


@pytest.mark.parametrize("later", [3601.0, -60.0], ids=["too old", "from the future"])
def test_one_whose_age_does_not_do_is_none(desk: Desk, later: float) -> None:
    desk.keeper.run_due(desk.wanted)
    desk.clock.advance(later)
    assert ask(desk).fault == ""
    assert len(desk.backups()) == 2


def test_one_from_before_the_release_that_runs_was_proven_is_none_however_fresh(desk: Desk) -> None:
    """Release 2 migrated a minute ago. Were 3 let pass by what was dumped before that, and failed, 2 would serve on data
    from before its own migration."""
    assert ask(desk).fault == ""
    desk.clock.advance(60)
    desk.journal.add_release("shop", "one", "c", "", "", NOON)
    desk.journal.add_release("shop", "two", "c", "", "", NOON)
    desk.journal.end_release("shop", 2, Outcome.APPLIED, desk.clock.now())
    assert ask(desk, number=3, previous=2).fault == ""
    newest, oldest = desk.backups()
    assert (newest.precedes, oldest.precedes) == ((3,), (2,))


def test_one_of_what_a_restore_replaced_is_none_nor_any_that_is_older(desk: Desk) -> None:
    """Else a release that fails would bring back the very data that somebody had just got rid of."""
    desk.keeper.run_due(desk.wanted)
    desk.clock.advance(60)
    assert desk.keeper.perform(desk.wanted, Order(Do.RESTORE, "latest"), "ada") == ""
    desk.clock.advance(60)
    assert ask(desk).fault == ""
    assert [backup.precedes for backup in desk.backups()] == [(2,), (), ()]
    desk.clock.advance(60)
    assert ask(desk).fault == ""
    assert len(desk.backups()) == 3


def test_without_an_age_each_attempt_has_one_of_its_own(desk: Desk) -> None:
    for _ in range(2):
        assert ask(desk, BackupGate("db")).fault == ""
        desk.clock.advance(0.001)
    assert len(desk.backups()) == 2


def test_one_that_is_less_than_verified_passes_only_where_that_is_enough(desk: Desk) -> None:
    plan = replace(PLAN, verify=Verify.NONE)
    desk.maker.level = Level.L0
    assert "not verified" in ask(desk, plan=plan).fault
    assert ask(desk, replace(HOUR, require=Require.MADE), plan=plan).fault == ""


def test_a_backup_that_fails_keeps_it_shut(desk: Desk) -> None:
    desk.maker.instead = lambda: Made(None, Finding(Level.L0, "no server"))
    assert "L0: no server" in ask(desk).fault
    assert desk.reasons() == ["BackupFailed"]


def test_one_that_takes_too_long_is_ended_and_keeps_it_shut(desk: Desk) -> None:
    def slow() -> Made:
        desk.clock.advance(301)
        assert desk.maker.stop() == "its time is over"
        raise WaitingError("dump was ended", reason="Interrupted")

    desk.maker.instead = slow
    assert "has not ended within 300 s" in ask(desk).fault


def test_one_that_is_ended_because_the_daemon_leaves_is_no_failure(desk: Desk) -> None:
    def ended() -> Made:
        raise WaitingError(desk.maker.stop(), reason="Interrupted")

    desk.maker.instead = ended
    assert ask(desk, stop=lambda: "SIGTERM") == HookEnd(None, interrupted=True)


@pytest.mark.parametrize(
    ("occasion", "changed", "passes"),
    [
        (Occasion.FIRST, (), True),
        (Occasion.RELEASE, (ChangedService("db", "", "postgres:15"),), True),
        (Occasion.RELEASE, (), False),
    ],
    ids=["first release", "new service", "it is down"],
)
def test_what_does_not_run_passes_only_where_it_never_did(
    desk: Desk, occasion: Occasion, changed: tuple[ChangedService, ...], passes: bool
) -> None:
    desk.engine.services.clear()
    desk.maker.instead = lambda: Made(None, Finding(Level.L0, "it does not run"))
    end = ask(desk, occasion=occasion, changed=changed)
    assert (end.fault == "") is passes


def test_what_runs_is_backed_up_also_before_a_first_release(desk: Desk) -> None:
    ask(desk, occasion=Occasion.FIRST)
    assert desk.maker.made == ["db"]


def test_one_that_nobody_declares_is_said_so(desk: Desk) -> None:
    with pytest.raises(StalledError, match='has no backup "other"'):
        ask(desk, BackupGate("other"))
