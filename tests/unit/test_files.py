"""Files that are there whole or not at all: what a watcher sees, what a full disk leaves, whose they are."""

from __future__ import annotations

import os
import resource
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reconciler import files
from reconciler.model.errors import WaitingError
from tests.fakes.watched import MOVED_TO, watched

OLD, NEW = b"old" * 5000, b"new" * 9000


@contextmanager
def nothing_fits(most_bytes: int) -> Iterator[None]:
    """Writing ends in the middle of a file, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "watched" / "certificates.yml"


@pytest.fixture
def staging(tmp_path: Path) -> Path:
    return tmp_path / "staging"


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def test_a_file_is_there_whole_and_closed_to_others(path: Path, staging: Path) -> None:
    assert files.put(path, NEW, staging)
    assert path.read_bytes() == NEW
    assert mode_of(path) == 0o600
    assert list(staging.iterdir()) == []


def test_who_watches_the_folder_sees_one_rename_and_nothing_else(path: Path, staging: Path) -> None:
    files.put(path, OLD, staging)
    with watched(path.parent) as told:
        files.put(path, NEW, staging)
    assert told == [(MOVED_TO, path.name)]


def test_equal_bytes_are_not_written_again(path: Path, staging: Path) -> None:
    files.put(path, NEW, staging)
    with watched(path.parent) as told:
        assert not files.put(path, NEW, staging)
    assert told == []


def test_a_reader_sees_the_old_or_the_new_and_never_a_part(path: Path, staging: Path) -> None:
    files.put(path, OLD, staging)
    seen, done = set(), threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(40):
        files.put(path, (NEW, OLD)[turn % 2], staging)
    done.set()
    reader.join()
    assert seen <= {OLD, NEW}


def test_a_disk_that_is_full_leaves_what_was_there_and_no_rest(path: Path, staging: Path) -> None:
    files.put(path, OLD, staging)
    with (
        watched(path.parent) as told,
        nothing_fits(4096),
        pytest.raises(WaitingError, match="cannot be written") as error,
    ):
        files.put(path, NEW, staging)
    assert error.value.reason == "CannotWrite"
    assert path.read_bytes() == OLD
    assert told == []
    assert list(staging.iterdir()) == []


def test_a_disk_that_is_full_leaves_no_file_where_there_was_none(path: Path, staging: Path) -> None:
    with nothing_fits(4096), pytest.raises(WaitingError):
        files.put(path, NEW, staging)
    assert not path.exists()


def test_no_word_of_the_content_is_in_the_error(path: Path, staging: Path) -> None:
    with nothing_fits(1), pytest.raises(WaitingError) as error:
        files.put(path, b"SECRET" * 100, staging)
    assert "SECRET" not in repr(error.value) + str(error.value) + repr(error.value.__cause__)


def test_a_folder_in_the_place_of_the_file_is_said(path: Path, staging: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(WaitingError, match=r"certificates\.yml cannot be written"):
        files.put(path, NEW, staging)
    assert list(staging.iterdir()) == []


def test_a_mode_that_somebody_changed_is_put_right(path: Path, staging: Path) -> None:
    files.put(path, NEW, staging)
    path.chmod(0o644)
    assert files.put(path, NEW, staging)
    assert mode_of(path) == 0o600


def test_nobody_may_read_a_file_before_it_has_its_mode(
    path: Path, staging: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the process lets everybody read what it makes."""
    seen = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: seen.append(os.fstat(descriptor).st_mode & 0o777))
    before = os.umask(0)
    try:
        files.put(path, NEW, staging)
    finally:
        os.umask(before)
    assert seen[0] == 0o600
    assert mode_of(staging) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_belongs_to_whom_it_is_for_and_goes_over_to_another(path: Path, staging: Path) -> None:
    files.put(path, NEW, staging, owner=(65534, 65533), mode=0o640)
    assert (path.stat().st_uid, path.stat().st_gid, mode_of(path)) == (65534, 65533, 0o640)
    with watched(path.parent) as told:
        assert files.put(path, NEW, staging, owner=(65533, 65533), mode=0o640)
        assert not files.put(path, NEW, staging, owner=(65533, 65533), mode=0o640)
    assert told == [(MOVED_TO, path.name)]
    assert path.stat().st_uid == 65533


def test_a_link_in_the_place_of_the_file_is_replaced_and_not_followed(
    path: Path, staging: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.write_bytes(OLD)
    path.parent.mkdir()
    path.symlink_to(other)
    files.put(path, NEW, staging)
    assert (other.read_bytes(), path.read_bytes(), path.is_symlink()) == (OLD, NEW, False)


def test_what_a_killed_process_left_is_cleared_away(staging: Path, path: Path) -> None:
    files.put(path, NEW, staging)
    (staging / "half").write_bytes(b"ha")
    files.clear(staging)
    assert list(staging.iterdir()) == []
    assert path.exists()


def test_there_is_nothing_to_clear_before_anything_was_written(staging: Path) -> None:
    files.clear(staging)
    assert not staging.exists()


def test_a_file_that_is_not_there_holds_nothing_and_one_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    assert files.content_of(tmp_path / "none") is None
    with pytest.raises(WaitingError, match="cannot be read") as error:
        files.content_of(tmp_path)
    assert error.value.reason == "CannotRead"


@pytest.fixture
def other_disk() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


def test_a_file_on_another_disk_than_the_staging_folder_is_put_there_by_a_rename_too(
    staging: Path, other_disk: Path
) -> None:
    staging.mkdir()
    if staging.stat().st_dev == other_disk.stat().st_dev:
        pytest.skip("there is only one disk here")
    path = other_disk / "acme.json"
    files.put(path, OLD, staging)
    before = path.stat().st_ino
    with nothing_fits(4096), pytest.raises(WaitingError):
        files.put(path, NEW, staging)
    assert path.read_bytes() == OLD
    files.put(path, NEW, staging)
    assert (path.read_bytes(), path.stat().st_ino != before) == (NEW, True)
    assert [found.name for found in other_disk.iterdir()] == ["acme.json"]
