"""Laws of the root's lock: one holder, named to whoever comes second, gone with its process."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.adapters.root_lock import Holder, RootLock, holder
from reconciler.model.errors import StalledError

A_MINUTE_S = 60

HOLD = """
import subprocess, sys
from pathlib import Path
from reconciler.adapters.root_lock import RootLock
lock = RootLock(Path(sys.argv[1]))
lock.acquire(5.0)
child = subprocess.Popen(["sleep", "60"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, close_fds=False)
print(child.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "lock"


def test_a_second_reconciler_is_refused_and_told_who_holds_the_lock(path: Path) -> None:
    first, second = RootLock(path), RootLock(path)
    first.acquire(1234.5)
    assert holder(path) == Holder(os.getpid(), 1234.5)
    with pytest.raises(StalledError, match=f"process {os.getpid()} holds") as caught:
        second.acquire(1235.0)
    assert caught.value.reason == "AlreadyRunning"
    first.release()
    assert holder(path) is None
    second.acquire(1236.0)
    second.release()
    second.release()


def test_the_lock_goes_with_its_process_though_a_program_it_started_lives_on(path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    child = int(process.stdout.readline())
    try:
        assert holder(path) == Holder(process.pid, 5.0)
        with pytest.raises(StalledError, match=f"process {process.pid} holds"):
            RootLock(path).acquire(6.0)
        process.kill()
        process.communicate(timeout=A_MINUTE_S)
        os.kill(child, 0)
        assert holder(path) is None
        with RootLock(path):
            found = holder(path)
            assert found is not None
            assert found.pid == os.getpid()
    finally:
        os.kill(child, signal.SIGKILL)


def test_the_lock_waits_out_somebody_who_only_looks(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with RootLock(path):
        pass
    looking = os.open(path, os.O_RDONLY)
    fcntl.flock(looking, fcntl.LOCK_SH)
    monkeypatch.setattr("reconciler.adapters.root_lock.time.sleep", lambda _: fcntl.flock(looking, fcntl.LOCK_UN))
    lock = RootLock(path)
    lock.acquire(1.0)
    lock.release()
    os.close(looking)


def test_nobody_holds_a_lock_that_was_never_made(path: Path) -> None:
    assert holder(path) is None
    assert not path.parent.exists()


def test_a_holder_that_has_not_written_its_name_yet_is_still_a_holder(path: Path) -> None:
    lock = RootLock(path)
    lock.acquire(1.0)
    path.write_text("")
    assert holder(path) == Holder()
    with pytest.raises(StalledError, match="just starting"):
        RootLock(path).acquire(2.0)
    lock.release()


def test_a_lock_that_cannot_be_made_says_where(tmp_path: Path) -> None:
    with pytest.raises(StalledError, match="typo/state/lock cannot be opened") as caught:
        RootLock(tmp_path / "typo" / "state" / "lock").acquire(1.0)
    assert caught.value.reason == "LockForbidden"
