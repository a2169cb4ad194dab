"""Laws of the daemon's own: which look a pass is given. What passes do is told elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from reconciler.adapters.journal import SqliteJournal
from reconciler.backup.keeper import Look
from reconciler.daemon.daemon import Daemon
from reconciler.execution.observe import Snapshot
from reconciler.execution.work import Work
from reconciler.model.errors import Problem
from reconciler.model.event import Event, Trigger
from reconciler.model.manifest import Manifest
from reconciler.model.record import RequestKind, StackRecord
from reconciler.model.source import Revision
from reconciler.requests import NOW
from reconciler.updates.keeper import Keeper as UpdateKeeper
from reconciler.updates.lookout import Lookout
from tests.fakes.certificates import NoVigil
from tests.fakes.clock import FakeClock

_BOUND_S = 20.0  # of every wait between the threads, met only where a law is broken


def nothing_tracked() -> UpdateKeeper:
    raise AssertionError("no stack tracks an image")


class Stage:
    """A host and an engine that do nothing but remember which look each pass was given. Passes take place one at a time.

    ``looking``: done during each look, by its number; ``passing``: during each pass, by its place in ``passes``.
    """

    def __init__(self, journal: SqliteJournal, *stacks: str, backups: Any = None) -> None:
        self.journal = journal
        self.stacks = stacks
        self.looks: list[Snapshot] = []
        self.passes: list[tuple[str, int | None]] = []
        self.looking: dict[int, Callable[[], None]] = {}
        self.passing: dict[int, Callable[[], None]] = {}
        self.over = threading.Event()
        self.fetched: Iterator[str] = iter(())
        self.told_of: dict[str, str] = {}
        self.others = 0
        engine: Any = self
        host: Any = self
        vigil: Any = NoVigil()
        keeper: Any = backups or AllDue(made=stacks)
        self.lookout = Lookout(nothing_tracked, lambda: (), lambda: 60.0)
        self.daemon = Daemon(host, engine, FakeClock(), 60.0, 1, vigil, keeper, self.lookout)

    def run(self) -> None:
        """Until somebody lets the daemon leave."""
        try:
            self.daemon.run()
        finally:
            self.over.set()

    # The host

    def turn_with(self, stack: str) -> tuple[str, ...]:
        return ()

    def works(self) -> tuple[Work, ...]:
        return tuple(Work(name, Manifest(name, name, ("compose.yaml",)), None) for name in self.stacks)

    def kept(self, stack: str) -> frozenset[int]:
        return frozenset()

    def around(self, work: Work) -> None:
        return None

    @contextmanager
    def turn(self, stack: str) -> Iterator[bool]:
        """Somebody else's for as often as ``others`` says."""
        self.others -= 1
        yield self.others < 0

    def look(self) -> Snapshot:
        taken = Snapshot((), ())
        self.looks.append(taken)
        self.looking.get(len(self.looks), lambda: None)()
        return taken

    def reconcile(self, work: Work, snapshot: Snapshot | None) -> StackRecord:
        number = next((place for place, look in enumerate(self.looks, 1) if look is snapshot), None)
        self.passes.append((work.name, number))
        self.passing.get(len(self.passes), lambda: None)()
        return StackRecord(work.name)

    def due_in_s(self, stack: str, since: float) -> float | None:
        return None

    def fetch(self) -> Revision:
        """Each of ``fetched``, and then none for as long as the law needs."""
        commit = next(self.fetched, "")
        if not commit:
            self.over.wait(_BOUND_S)
        return Revision(commit, "tree", "first", "Ada", 0)

    def warnings(self, revision: Revision) -> tuple[Problem, ...]:
        found = self.told_of.get(revision.commit)
        return (Problem("host.yaml", 0, "stacks", found),) if found else ()

    # The engine

    def events(self) -> Iterator[Event]:
        self.over.wait(_BOUND_S)
        yield Event(Trigger.ENGINE)


class AllDue:
    """A keeper of backups by whom every stack that it is shown has one due, until it was made."""

    def __init__(self, made: Iterable[str] = ()) -> None:
        self.made = list(made)

    def begin(self) -> None:
        return

    def wanted(self, stack: str, *_: object) -> str:
        return stack

    def look(self, stacks: Iterable[str]) -> Look:
        return Look(frozenset(stacks) - {*self.made}, float("inf"))

    def run_due(self, stack: str) -> None:
        self.made.append(stack)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournal]:
    with SqliteJournal(tmp_path / "state.db", synchronous="OFF") as journal:
        yield journal


def test_a_look_that_began_before_the_last_pass_ended_is_not_given_to_the_next_one(journal: SqliteJournal) -> None:
    """One look serves all stacks. A pass over one of them ended while it was taken: what it shows of that stack is over."""
    stage = Stage(journal, "a", "b")
    looking, a_has_ended = threading.Event(), threading.Event()

    def look_around() -> None:
        stage.daemon.emit(Event(Trigger.TIMER))
        assert looking.wait(_BOUND_S)

    def take_the_time_of_a_pass() -> None:
        looking.set()
        assert a_has_ended.wait(_BOUND_S)

    stage.passing = {1: look_around, 2: a_has_ended.set, 4: lambda: stage.daemon.leave("it is over")}
    stage.looking = {2: take_the_time_of_a_pass}
    stage.run()
    assert stage.passes[:2] == [("a", 1), ("b", 1)]
    assert {look for _, look in stage.passes[2:]} == {None}


def test_one_look_serves_every_stack_whose_last_pass_was_over(journal: SqliteJournal) -> None:
    stage = Stage(journal, "a", "b")
    stage.passing = {
        2: lambda: stage.daemon.emit(Event(Trigger.TIMER)),
        3: lambda: stage.daemon.leave("it is over"),
    }
    stage.run()
    assert stage.passes[:3] == [("a", 1), ("b", 1), ("a", 2)]


def test_what_may_be_meant_otherwise_is_logged_once_for_each_revision(journal: SqliteJournal) -> None:
    stage = Stage(journal, "a")

    def fetched() -> Iterator[str]:
        for commit in ("one", "one", "two"):
            stage.daemon.emit(Event(Trigger.SOURCE, detail="fetch again"))
            yield commit
        stage.daemon.leave("it is over")

    stage.fetched, stage.told_of = fetched(), {"one": "typo of one", "two": "typo of two"}
    with capture_logs() as logged:
        stage.run()
    told = [entry["what"] for entry in logged if entry["event"] == "may_be_meant_otherwise"]
    assert told == ["host.yaml: stacks: typo of one", "host.yaml: stacks: typo of two"]


def test_a_stack_that_is_passed_over_again_and_again_is_backed_up_all_the_same(journal: SqliteJournal) -> None:
    """On a busy engine each pass is followed by the next at once."""
    backups = AllDue()
    stage = Stage(journal, "a", backups=backups)
    stage.passing = {number: lambda: stage.daemon.emit(Event(Trigger.TIMER, "a")) for number in range(1, 30)}
    stage.passing[30] = lambda: stage.daemon.leave("it is over")
    stage.run()
    assert backups.made == ["a"]


def test_a_backup_waits_for_whoever_else_works_on_the_stack(journal: SqliteJournal) -> None:
    backups = AllDue()
    stage = Stage(journal, "a", backups=backups)
    stage.others = 1
    stage.passing = {number: lambda: stage.daemon.emit(Event(Trigger.TIMER, "a")) for number in range(1, 30)}
    stage.passing[30] = lambda: stage.daemon.leave("it is over")
    stage.run()
    assert (backups.made, stage.others < 0) == (["a"], True)


def test_who_wants_registries_asked_hears_an_answer_from_a_pass_that_began_after_they_were(
    journal: SqliteJournal,
) -> None:
    """The pass right after the request knew nothing of what they were about to say, and told that all is as it was."""
    journal.save_stack(StackRecord("a"))
    row = journal.ask(RequestKind.RECONCILE, "a", "ada", 1.0, reason=NOW)
    stage = Stage(journal, "a")
    passed, asked = threading.Event(), threading.Event()

    def tracked() -> tuple[()]:
        assert passed.wait(_BOUND_S)
        asked.set()
        return ()

    def leave_if_answered(*_: object) -> None:
        request = journal.request(row)
        if request is not None and request.answer:
            stage.daemon.leave("it is over")

    knew: list[bool] = []

    def note() -> None:
        knew.append(asked.is_set())
        passed.set()

    stage.lookout._tracked = tracked
    stage.passing = dict.fromkeys(range(1, 100), note)
    stage.daemon.turned = leave_if_answered
    stage.run()
    assert (knew[0], knew[-1]) == (False, True)
