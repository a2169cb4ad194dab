"""Laws of the hooks around backups and restores: what they may forbid, what they are told, and what they never change."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from reconciler.backup.entry import Finding
from reconciler.backup.making import Made
from reconciler.backup.orders import Do, Order
from reconciler.model.backup import Level
from reconciler.model.errors import StalledError, WaitingError
from reconciler.model.hook import BackupFacts, Phase
from tests.unit.backup.desk import Desk


@dataclass
class Notes:
    """Hooks that write down what they are told. ``shut``: the phase that fails."""

    shut: Phase | None = None
    told: list[tuple[Phase, BackupFacts, str]] = field(default_factory=list)

    def __call__(self, phase: Phase, facts: BackupFacts, error: str = "") -> None:
        self.told.append((phase, facts, error))
        if phase is self.shut:
            raise StalledError("the preBackup hook gate failed: it ended with exit status 1", reason="HookFailed")

    @property
    def phases(self) -> list[Phase]:
        return [phase for phase, _, _ in self.told]


@pytest.fixture
def notes(desk: Desk) -> Notes:
    made = Notes()
    desk.wanted = replace(desk.wanted, hooks=made)
    return made


def test_a_backup_is_told_of_before_and_after_with_all_that_is_known_of_it_then(desk: Desk, notes: Notes) -> None:
    desk.keeper.run_due(desk.wanted)
    (backup,) = desk.backups()
    (_, before, _), (_, after, error) = notes.told
    assert notes.phases == [Phase.PRE_BACKUP, Phase.POST_BACKUP]
    assert before == BackupFacts("db", "shop")
    assert (after.name, after.level, after.state, error) == (backup.name, "L3", "verified", "")
    assert Path(after.file).is_file()


def test_what_comes_before_can_forbid_a_backup_which_is_an_event(desk: Desk, notes: Notes) -> None:
    notes.shut = Phase.PRE_BACKUP
    desk.keeper.run_due(desk.wanted)
    assert (desk.maker.made, desk.backups(), desk.reasons()) == ([], (), ["BackupFailed"])
    assert "exit status 1" in desk.journal.backups.backups()[0].failed
    assert notes.phases == [Phase.PRE_BACKUP, Phase.POST_BACKUP]
    assert not desk.is_due()


def test_what_comes_after_is_told_of_a_failure_too(desk: Desk, notes: Notes) -> None:
    desk.maker.instead = lambda: Made(None, Finding(Level.L0, "no server"))
    desk.keeper.run_due(desk.wanted)
    phase, facts, error = notes.told[-1]
    assert (phase, facts, error) == (Phase.POST_BACKUP, BackupFacts("db", "shop"), "L0: no server")


def test_a_backup_that_was_cut_short_is_not_over(desk: Desk, notes: Notes) -> None:
    def cut_short() -> Made:
        raise WaitingError("SIGTERM", reason="Interrupted")

    desk.maker.instead = cut_short
    with pytest.raises(WaitingError):
        desk.keeper.run_due(desk.wanted)
    assert notes.phases == [Phase.PRE_BACKUP]


def test_what_comes_before_can_forbid_a_restore(desk: Desk, notes: Notes) -> None:
    desk.keeper.run_due(desk.wanted)
    notes.told.clear()
    notes.shut = Phase.PRE_RESTORE
    assert "exit status 1" in desk.keeper.perform(desk.wanted, Order(Do.RESTORE, "latest"), "ada")
    assert notes.phases == [Phase.PRE_RESTORE, Phase.POST_RESTORE]
    assert "exit status 1" in notes.told[-1][2]
    assert (desk.restorer.done, desk.reasons()[-1]) == ([], "RestoreFailed")


def test_a_restore_is_told_of_around_the_safety_backup_that_it_begins_with(desk: Desk, notes: Notes) -> None:
    desk.keeper.run_due(desk.wanted)
    notes.told.clear()
    desk.clock.advance(1)
    assert desk.keeper.perform(desk.wanted, Order(Do.RESTORE, "latest"), "ada") == ""
    assert notes.phases == [Phase.PRE_RESTORE, Phase.PRE_BACKUP, Phase.POST_BACKUP, Phase.POST_RESTORE]
    assert notes.told[0][1].name == desk.restorer.done[0] == desk.backups()[-1].name
