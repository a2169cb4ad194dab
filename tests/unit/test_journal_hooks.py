"""What the journal remembers of hooks: one attempt goes on across a crash, a failed one ends."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.adapters.journal import SqliteJournal
from reconciler.model.hook import HookRecord, HookState, Phase
from reconciler.model.record import Outcome

RUN = HookRecord("shop", 1, 1, Phase.PRE_SYNC, "dump", HookState.BEGUN, 7, 10.0)


@pytest.fixture
def journal(tmp_path: Path) -> SqliteJournal:
    made = SqliteJournal(tmp_path / "state.db", synchronous="OFF")
    made.add_release("shop", "a", "c1", "", "", 0.0)
    made.add_release("shop", "b", "c2", "", "", 0.0)
    return made


def test_an_attempt_that_never_ended_goes_on(journal: SqliteJournal) -> None:
    assert [journal.hooks.begin_attempt("shop", 1) for _ in range(2)] == [1, 1]
    journal.end_release("shop", 1, Outcome.APPLIED, 1.0)  # killed before the stack's record said so
    assert journal.hooks.begin_attempt("shop", 1) == 1


def test_a_release_that_failed_is_tried_in_another_attempt(journal: SqliteJournal) -> None:
    journal.hooks.begin_attempt("shop", 1)
    journal.end_release("shop", 1, Outcome.FAILED, 1.0)
    assert journal.hooks.begin_attempt("shop", 1) == 2


def test_a_release_that_is_gone_back_to_is_tried_in_another_attempt(journal: SqliteJournal) -> None:
    assert [journal.hooks.begin_attempt("shop", number) for number in (1, 2, 1)] == [1, 1, 2]


def test_a_hook_is_remembered_by_attempt_phase_and_name(journal: SqliteJournal) -> None:
    journal.hooks.save_hook(RUN)
    done = replace(RUN, state=HookState.DONE, ended_at=11.0, exit_code=0, output="3 rows")
    journal.hooks.save_hook(done)
    journal.hooks.save_hook(replace(RUN, attempt=2, began_at=12.0))
    assert journal.hooks.hook("shop", 1, 1, Phase.PRE_SYNC, "dump") == done
    assert journal.hooks.hook("shop", 1, 1, Phase.POST_SYNC, "dump") is None
    assert [found.attempt for found in journal.hooks.hooks("shop", HookState.BEGUN)] == [2]


def test_the_newest_runs_are_kept(journal: SqliteJournal) -> None:
    for number in range(600):
        journal.hooks.save_hook(replace(RUN, release=number, began_at=float(number)))
    kept = [found.release for found in journal.hooks.hooks("shop")]
    assert (kept[-1], len(kept) <= 501) == (599, True)


def test_a_stack_that_is_forgotten_has_no_hooks(journal: SqliteJournal) -> None:
    journal.hooks.begin_attempt("shop", 1)
    journal.hooks.save_hook(RUN)
    journal.forget_stack("shop")
    assert journal.hooks.hooks("shop") == ()
    assert journal.hooks.begin_attempt("shop", 1) == 1
