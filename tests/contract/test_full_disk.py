"""A disk that is really full: what was written stays, what is written now waits, and room mends it without a restart."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.adapters.journal import SqliteJournal
from reconciler.adapters.release_store import ReleaseFiles
from reconciler.model.errors import WaitingError
from reconciler.model.record import PassGoal, StackRecord

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(os.getuid() != 0, reason="mounting a small disk needs root"),
]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def fill_up(disk: Path) -> Path:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass
    return filler


def test_a_journal_on_a_full_disk_loses_nothing_and_goes_on_when_there_is_room(small_disk: Path) -> None:
    with SqliteJournal(small_disk / "state" / "state.db", mend=True) as journal:
        journal.save_stack(StackRecord("shop"))
        pass_id = journal.begin_pass("shop", 1, PassGoal.APPLY, 1.0)
        journal.intend(pass_id, 0, "web", "stop web-1", 1.0)
        filler = fill_up(small_disk)
        with pytest.raises(WaitingError, match="is full") as caught:
            tell_much(journal)
        assert caught.value.reason == "DiskFull"
        assert journal.stack("shop") == StackRecord("shop")
        assert [step.text for step in journal.steps(pass_id)] == ["stop web-1"]
        filler.unlink()
        journal.done(pass_id, 0, 2.0)
        journal.end_pass(pass_id, "done", 2.0)
    with SqliteJournal(small_disk / "state" / "state.db", mend=True) as journal:
        assert journal.recovered_from is None
        assert journal.open_pass("shop") is None


def tell_much(journal: SqliteJournal) -> None:
    for number in range(2000):
        journal.tell("shop", "info", "Reason", "a message of some length " * 40, "", number)


def test_a_journal_that_starts_on_a_full_disk_says_so_and_starts_when_there_is_room(small_disk: Path) -> None:
    path = small_disk / "state" / "state.db"
    with SqliteJournal(path, mend=True) as journal:
        journal.save_stack(StackRecord("shop"))
    filler = fill_up(small_disk)
    with pytest.raises(WaitingError, match="is full") as caught:
        SqliteJournal(path, mend=True)
    assert caught.value.reason == "DiskFull"
    assert not list(path.parent.glob("*broken*"))
    filler.unlink()
    with SqliteJournal(path, mend=True) as journal:
        assert journal.recovered_from is None
        assert journal.stack("shop") == StackRecord("shop")


def test_a_first_start_on_a_full_disk_leaves_nothing_half_made(small_disk: Path) -> None:
    (small_disk / "state").mkdir()
    filler = fill_up(small_disk)
    with pytest.raises(WaitingError, match="is full"):
        SqliteJournal(small_disk / "state" / "state.db", mend=True)
    filler.unlink()
    with SqliteJournal(small_disk / "state" / "state.db", mend=True) as journal:
        assert journal.recovered_from is None
        assert journal.root_id()


def test_a_release_that_does_not_fit_keeps_the_one_before(small_disk: Path) -> None:
    releases = ReleaseFiles(small_disk)
    releases.save("shop", 1, {"model": {"services": {}}})
    with pytest.raises(WaitingError, match="is full") as caught:
        releases.save("shop", 1, {"model": {"filler": "x" * 4_000_000}})
    assert caught.value.reason == "DiskFull"
    assert releases.load("shop", 1) == {"model": {"services": {}}}
    left = sorted(found.name for found in releases.model_path("shop", 1).parent.iterdir())
    assert left == ["compose.json", "release.json"]
