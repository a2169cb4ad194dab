"""A program runs to its end or to its limit, and leaves nothing behind."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from reconciler.adapters.compose.running import Program
from reconciler.model.errors import StalledError, WaitingError

PATH = {"PATH": os.defpath}


def sh(script: str, limit_s: float = 10, environment: dict[str, str] | None = None) -> Program:
    return Program(("/bin/sh", "-c", script), {**PATH, **(environment or {})}, limit_s)


def test_both_outputs_and_the_status_are_given() -> None:
    finished = sh("echo out; echo err >&2; exit 3").run()
    assert (finished.status, finished.out, finished.err) == (3, "out\n", "err\n")


def test_it_sees_the_given_environment_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_THE_DAEMON", "x")
    assert sh('echo "$WORD$SECRET_OF_THE_DAEMON"', environment={"WORD": "said"}).run().out == "said\n"


def test_it_cannot_wait_for_an_answer() -> None:
    assert sh("read answer; echo status $?").run().out == "status 1\n"


def test_lines_are_told_as_they_come() -> None:
    lines: list[str] = []
    finished = sh("printf 'one\\r\\ntwo\\n\\nthree'; echo four >&2; exit 1").run_telling(lines.append)
    assert lines == ["one", "two", "threefour"]
    assert finished.status == 1
    assert finished.out.splitlines() == lines


def test_a_flood_is_told_in_bounded_pieces() -> None:
    lines: list[str] = []
    finished = sh("head -c 1000000 /dev/zero | tr '\\0' x; yes | head -n 1000").run_telling(lines.append)
    assert max(map(len, lines)) <= 2000
    assert len(finished.out.splitlines()) == 200


@pytest.mark.parametrize("telling", [False, True])
def test_what_hangs_ends_at_its_limit_with_its_children(tmp_path: Path, telling: bool) -> None:
    pid = tmp_path / "pid"
    program = sh(f"sleep 1000 & echo $! > {pid}; wait", limit_s=0.3)
    with pytest.raises(WaitingError, match=r"0\.3 s") as raised:
        program.run_telling(lambda _: None) if telling else program.run()
    assert raised.value.reason == "TimedOut"
    assert _is_gone(int(pid.read_text()))


def test_what_ignores_the_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.adapters.compose.running._GRACE_S", 0.2)
    with pytest.raises(WaitingError):
        sh("trap '' TERM; while :; do sleep 0.05; done", limit_s=0.2).run()


def test_a_program_that_is_not_there_stalls() -> None:
    with pytest.raises(StalledError, match="/no/such/program") as raised:
        Program(("/no/such/program",), PATH, 1).run()
    assert raised.value.reason == "ToolMissing"


def _is_gone(pid: int) -> bool:
    """Within a moment: its end is noticed by whoever adopts it."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False
