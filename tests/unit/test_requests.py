"""What the desk tells of the source, and that a journal which cannot be written just now ends nobody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.adapters.journal import SqliteJournal
from reconciler.model.errors import SourceError, WaitingError
from reconciler.requests import Desk
from tests.fakes.clock import FakeClock


class FullDisk:
    """A journal whose writes fail while ``full``."""

    def __init__(self, journal: SqliteJournal) -> None:
        self._journal = journal
        self.full = False

    def tell(self, *event: Any) -> Any:
        if self.full:
            raise WaitingError("the disk is full", reason="DiskFull")
        return self._journal.tell(*event)

    def events(self, **which: Any) -> Any:
        return self._journal.events(**which)

    def told(self) -> list[str]:
        return [event.reason for event in self._journal.events()]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[FullDisk]:
    with SqliteJournal(tmp_path / "state.db", synchronous="OFF", mend=True) as found:
        yield FullDisk(found)


@pytest.fixture
def desk(journal: FullDisk) -> Desk:
    return Desk(journal, FakeClock())  # type: ignore[arg-type]


def test_a_failing_source_is_told_once_and_that_it_answers_again(desk: Desk, journal: FullDisk) -> None:
    for _ in range(3):
        desk.could_not_fetch(SourceError("no route to host"))
    desk.fetched()
    desk.fetched()
    assert journal.told() == ["FetchFailed", "Fetched"]


def test_what_one_process_told_of_the_source_the_next_one_goes_on_from(journal: FullDisk) -> None:
    """As with ``once`` from cron: get went on saying that the repository does not answer, and each run said it anew."""

    def anew() -> Desk:
        return Desk(journal, FakeClock())  # type: ignore[arg-type]

    for _ in range(3):
        anew().could_not_fetch(SourceError("its certificate is of nobody known", reason="CertificateUntrusted"))
    anew().fetched()
    anew().fetched()
    assert journal.told() == ["CertificateUntrusted", "Fetched"]
    journal.tell("", "error", "JournalMended", "state.db was damaged", "", 1.0)
    anew().fetched()
    assert journal.told()[-1] == "JournalMended"


def test_what_a_full_disk_kept_from_being_told_is_told_once_there_is_room(desk: Desk, journal: FullDisk) -> None:
    """The thread that fetches died of it, and with it the daemon, which then mended nothing when there was room."""
    journal.full = True
    desk.could_not_fetch(SourceError("git cannot store what it fetched"))
    journal.full = False
    desk.could_not_fetch(SourceError("git cannot store what it fetched"))
    journal.full = True
    desk.fetched()
    journal.full = False
    desk.fetched()
    assert journal.told() == ["FetchFailed", "Fetched"]
