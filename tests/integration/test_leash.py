"""A program on its leash, with real processes: what it says is taken, and nothing of it outlives its run."""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler import leash
from reconciler.hooks.tail import Tail
from reconciler.model.errors import StalledError

# A child in the group, one that left it, and neither minds SIGTERM.
FAMILY = """
import os, signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for own_session in (False, True):
    child = subprocess.Popen(["sleep", "1000"], start_new_session=own_session)
    print(child.pid, flush=True)
"""


class Run:
    def __init__(
        self, folder: Path, text: str, limit_s: float = 60.0, stop: Callable[[str], str] = lambda _: ""
    ) -> None:
        self.said: list[str] = []
        self.mark = uuid.uuid4().hex
        tail = Tail(self.said.append, lambda text: text)
        program = leash.Program(
            (sys.executable, "-c", text), {"PATH": "/usr/bin:/bin"}, folder, self.mark, limit_s, grace_s=0.2
        )
        self.ended = leash.run(program, tail.take, lambda: stop("\n".join(self.said)))
        self.output = tail.end()


def lives(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_both_outputs_are_taken_and_the_status_is_told(tmp_path: Path) -> None:
    run = Run(tmp_path, "import sys; print('out'); sys.stdout.flush(); print('err', file=sys.stderr); sys.exit(3)")
    assert (run.ended, run.output) == (leash.Ended(3), "out\nerr")


def test_it_sees_nothing_of_this_process_but_what_it_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_OURS", "x")
    run = Run(tmp_path, "import os; print(sorted(set(os.environ) - {'LC_CTYPE'}), os.getcwd())")
    assert run.output == f"['PATH', 'RECONCILER_RUN'] {tmp_path}"


def test_who_takes_too_long_is_ended_with_children_that_left_its_group(tmp_path: Path) -> None:
    run = Run(tmp_path, f"{FAMILY}\nsignal.pause()", limit_s=1.0)
    assert run.ended == leash.Ended(None)
    assert len(run.said) == 2
    assert [pid for pid in run.said if lives(pid)] == []


def test_what_is_left_running_by_one_that_ended_well_is_ended_too(tmp_path: Path) -> None:
    """And is not waited for, although it holds the output open."""
    run = Run(tmp_path, FAMILY)
    assert run.ended == leash.Ended(0)
    assert [pid for pid in run.said if lives(pid)] == []


def test_it_is_ended_at_once_when_somebody_asks(tmp_path: Path) -> None:
    run = Run(tmp_path, f"{FAMILY}\nsignal.pause()", stop=lambda said: "SIGTERM" if "\n" in said else "")
    assert run.ended == leash.Ended(None, interrupted=True)
    assert [pid for pid in run.said if lives(pid)] == []


def test_what_a_killed_process_left_is_found_by_its_mark_and_others_are_left_alone() -> None:
    mark, other = uuid.uuid4().hex, uuid.uuid4().hex
    orphan, stranger = (
        subprocess.Popen(["sleep", "1000"], env={leash.MARK: found}, start_new_session=True) for found in (mark, other)
    )
    try:
        while mark.encode() not in Path(f"/proc/{orphan.pid}/environ").read_bytes():
            time.sleep(0)  # a program that was started a moment ago has no environment yet
        leash.end_all(mark)
        assert orphan.wait(10) in (-15, -9)  # the harder word where a busy machine took its time
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_what_cannot_be_started_says_how_to_mend_it(tmp_path: Path) -> None:
    script = tmp_path / "x"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    with pytest.raises(StalledError, match="interpreter that it names"):
        leash.run(leash.Program((str(script),), {}, tmp_path, "m", 5.0), print, lambda: "")


def test_what_it_says_and_what_it_complains_of_can_be_taken_apart_and_it_reads_what_it_is_given(tmp_path: Path) -> None:
    text = "import sys; print(sys.stdin.read()); print('err', file=sys.stderr)"
    program = leash.Program((sys.executable, "-c", text), {}, tmp_path, uuid.uuid4().hex, 60.0, given=b"x" * 200_000)
    said: list[bytes] = []
    errors: list[bytes] = []
    assert leash.run(program, said.append, lambda: "", errors.append) == leash.Ended(0)
    assert (b"".join(said), b"".join(errors)) == (b"x" * 200_000 + b"\n", b"err\n")
