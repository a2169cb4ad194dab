"""A pair in a folder that a container mounts: whoever reads both files, at any moment, gets two that belong together."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.certs.model import Pair
from reconciler.certs.placing import Mark, Place
from reconciler.model.errors import WaitingError
from reconciler.model.manifest import CertificateUse


class Killed(BaseException):
    """The process is gone: nothing that comes after it is done."""


def pair(number: int, name: str = "db", *, chain: str = "") -> Pair:
    written = f"chain {chain or number}".encode()
    return Pair(name, written, f"key {number}".encode(), ("db.test",), "CA", f"{number:x}".ljust(64, "a"), 0.0, 1.0)


def place(folder: Path, name: str = "db", **changes: Any) -> Place:
    use = CertificateUse(name, "tls", "postgres", **changes)
    return Place(folder / "tls", use, folder / "staging")


def read(found: Place) -> tuple[bytes, bytes] | None:
    """What a service reads that opens both files now; None where one is missing."""
    try:
        return (found.folder / f"{found.use.pair}.crt").read_bytes(), (
            found.folder / f"{found.use.pair}.key"
        ).read_bytes()
    except FileNotFoundError:
        return None


def both(found: Pair) -> tuple[bytes, bytes]:
    return found.chain, found.key


@pytest.fixture
def at_each_step(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[int], None]], None]:
    """Call somebody before every change that another process can see, with its number."""

    def watch(call: Callable[[int], None]) -> None:
        count = 0
        for name in ("replace", "mkdir", "symlink_to", "unlink"):
            real = getattr(Path, name)

            def seen(self: Path, *args: object, real: Callable[..., object] = real, **more: object) -> object:
                nonlocal count
                count += 1
                call(count)
                return real(self, *args, **more)

            monkeypatch.setattr(Path, name, seen)

    return watch


def test_a_pair_is_found_under_its_plain_names(tmp_path: Path) -> None:
    found = place(tmp_path)
    found.put(pair(1))
    assert read(found) == both(pair(1))
    assert found.holds(pair(1))
    assert not found.holds(pair(2))
    assert found.placed_at > 0


def test_nothing_lies_where_nothing_was_put(tmp_path: Path) -> None:
    found = place(tmp_path)
    assert (found.version, found.placed_at, found.before, found.holds(pair(1))) == ("", 0.0, "", False)


def test_between_any_two_steps_a_reader_finds_two_files_that_belong_together(
    tmp_path: Path, at_each_step: Callable[[Callable[[int], None]], None]
) -> None:
    found, seen = place(tmp_path), []
    at_each_step(lambda step: seen.append(read(found)))
    for number in (1, 2, 3, 1):
        found.put(pair(number))
    steps = len(seen)
    assert steps > 20
    assert set(seen) <= {None, *(both(pair(number)) for number in (1, 2, 3))}
    assert None not in seen[seen.index(both(pair(1))) :]


@pytest.mark.parametrize("step", range(1, 20))
def test_who_is_killed_at_any_step_leaves_a_whole_pair_and_the_next_one_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_each_step: Callable[[Callable[[int], None]], None], step: int
) -> None:
    found = place(tmp_path)
    found.put(pair(1))

    def kill(number: int) -> None:
        if number == step:
            raise Killed

    at_each_step(kill)
    try:
        found.put(pair(2))
    except Killed:
        assert read(found) in (both(pair(1)), both(pair(2)))
    monkeypatch.undo()
    place(tmp_path).put(pair(2))
    assert read(found) == both(pair(2))
    assert not [path for path in found.folder.iterdir() if "tmp" in path.name]


def test_a_corrected_chain_of_the_same_certificate_is_another_content(tmp_path: Path) -> None:
    found = place(tmp_path)
    found.put(pair(1))
    assert not found.holds(pair(1, chain="with its intermediate"))
    found.put(pair(1, chain="with its intermediate"))
    assert read(found) == both(pair(1, chain="with its intermediate"))


def test_what_was_served_before_can_be_put_back_by_one_turn(
    tmp_path: Path, at_each_step: Callable[[Callable[[int], None]], None]
) -> None:
    found, seen = place(tmp_path), []
    found.put(pair(1))
    found.mark(found.version, Mark.SERVED, "")
    found.put(pair(2))
    at_each_step(lambda step: seen.append(read(found)))
    found.put_back(found.before)
    assert read(found) == both(pair(1))
    assert set(seen) <= {both(pair(1)), both(pair(2))}


def test_only_what_was_served_is_what_is_put_back(tmp_path: Path) -> None:
    found = place(tmp_path)
    found.put(pair(1))
    found.mark(found.version, Mark.SERVED, "")
    found.put(pair(2))
    found.put(pair(3))
    assert found.before == found.version_of(pair(1))


def test_old_pairs_are_cleared_away_but_the_one_before(tmp_path: Path) -> None:
    found = place(tmp_path)
    for number in range(1, 6):
        found.put(pair(number))
        found.mark(found.version, Mark.SERVED, "")
    kept = {path.name for path in found.folder.iterdir() if path.is_dir() and not path.is_symlink()}
    assert kept == {f"..db-{found.version_of(pair(number))}" for number in (4, 5)}


def test_two_pairs_whose_names_begin_alike_leave_each_other_alone(tmp_path: Path) -> None:
    db, old = place(tmp_path), place(tmp_path, "db-old")
    old.put(pair(9, "db-old"))
    for number in range(1, 5):
        db.put(pair(number))
        db.mark(db.version, Mark.SERVED, "")
    assert read(old) == both(pair(9, "db-old"))
    assert old.version == old.version_of(pair(9, "db-old"))


def test_a_mark_belongs_to_one_version_and_goes_when_it_is_put_anew(tmp_path: Path) -> None:
    found = place(tmp_path)
    found.put(pair(1))
    found.mark(found.version, Mark.REFUSED, "as it is")
    assert found.marked(found.version, Mark.REFUSED) == "as it is"
    assert found.marked(found.version, Mark.SERVED) is None
    assert found.marked(found.version_of(pair(2)), Mark.REFUSED) is None
    found.put(pair(1))
    assert found.marked(found.version, Mark.REFUSED) is None


def modes(found: Place) -> dict[str, int]:
    names = ("db.crt", "db.key", "..db")
    return {name: (found.folder / name).stat().st_mode & 0o777 for name in names}


@pytest.mark.parametrize(("mode", "crt"), [(0o600, 0o644), (0o640, 0o644)])
def test_a_key_is_for_whom_the_stack_says_and_the_way_to_it_is_open_whatever_the_process_masks(
    tmp_path: Path, mode: int, crt: int
) -> None:
    found, before = place(tmp_path, mode=mode), os.umask(0o077)
    try:
        found.put(pair(1))
    finally:
        os.umask(before)
    assert modes(found) == {"db.crt": crt, "db.key": mode, "..db": 0o755}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_pair_belongs_to_whom_its_service_runs_as(tmp_path: Path) -> None:
    found = place(tmp_path, owner=(999, 998))
    found.put(pair(1))
    status = (found.folder / "db.key").stat()
    assert (status.st_uid, status.st_gid) == (999, 998)
    assert not place(tmp_path, owner=(1000, 1000)).holds(pair(1))


def test_a_folder_that_cannot_be_written_is_said_and_what_lay_there_lies_there(
    tmp_path: Path, at_each_step: Callable[[Callable[[int], None]], None]
) -> None:
    found = place(tmp_path)
    found.put(pair(1))

    def refuse(step: int) -> None:
        raise OSError(28, "No space left on device")

    at_each_step(refuse)
    with pytest.raises(WaitingError, match="cannot be written: No space left on device"):
        found.put(pair(2))
    assert read(found) == both(pair(1))
