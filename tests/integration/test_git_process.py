"""Laws of running git: it ends within its time limit with everything it started, and says nothing it should not."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.model.errors import SourceError
from reconciler.plumbing.process import Git, GitFailedError, GitTimeLimitError


def shell(tmp_path: Path, script: str, limit_s: float = 30.0, **environment: str) -> Git:
    """A git whose command ``sh`` runs ``script`` (git's own aliases, so git is the parent of what runs)."""
    return Git(tmp_path, limit_s=limit_s, configuration={"alias.sh": f"!{script}"}, environment=environment)


def is_gone(pid: int) -> bool:
    """Gone, or dead and waiting for init to notice."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def eventually(holds: Callable[[], object], within_s: float = 10.0) -> bool:
    deadline = time.monotonic() + within_s
    while not (met := bool(holds())) and time.monotonic() < deadline:
        time.sleep(0.01)
    return met


@pytest.mark.parametrize("stubborn", ["", "trap '' TERM; "], ids=["obedient", "deaf to SIGTERM"])
def test_a_git_that_hangs_ends_within_its_time_limit_with_all_it_started(tmp_path: Path, stubborn: str) -> None:
    pids = tmp_path / "pids"
    script = f"{stubborn}sleep 600 & echo $! >> {pids}; echo $$ >> {pids}; wait; sleep 600"
    with pytest.raises(GitTimeLimitError, match="time limit"):
        shell(tmp_path, script, limit_s=0.5).run("sh")
    started = [int(pid) for pid in pids.read_text().split()]
    assert len(started) == 2
    assert eventually(lambda: all(is_gone(pid) for pid in started))


def test_what_git_leaves_running_ends_with_it(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    shell(tmp_path, f"sleep 600 >/dev/null 2>&1 & echo $! > {pids}").run("sh")
    assert eventually(lambda: is_gone(int(pids.read_text())))


def test_a_failure_shows_the_last_line_and_keeps_the_rest_for_reading(tmp_path: Path) -> None:
    with pytest.raises(GitFailedError, match="git sh: fatal: no") as caught:
        shell(tmp_path, "echo warning: look >&2; echo fatal: no >&2; exit 3").run("sh")
    assert caught.value.said == "warning: look\nfatal: no\n"
    assert caught.value.status == 3


def test_a_failure_never_shows_a_login_or_steers_a_terminal(tmp_path: Path) -> None:
    with pytest.raises(GitFailedError) as caught:
        shell(tmp_path, r"printf 'fatal: https://ann:hunter2@h/ \033[31mred' >&2; exit 1").run("sh")
    assert "hunter2" not in str(caught.value) + caught.value.said
    assert "\x1b" not in str(caught.value) + caught.value.said


def test_any_amount_of_complaints_is_read_and_little_of_it_kept(tmp_path: Path) -> None:
    script = "dd if=/dev/zero bs=1M count=50 status=none | tr '\\0' x >&2; echo end >&2; exit 1"
    with pytest.raises(GitFailedError, match="end") as caught:
        shell(tmp_path, script).run("sh")
    assert len(caught.value.said) < 100_000


def test_an_answer_is_never_taken_without_bound(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="answers more than"):
        shell(tmp_path, "yes").run("sh")


def test_a_reader_that_meets_the_end_too_early_hears_why(tmp_path: Path) -> None:
    def read(git: Git) -> None:
        with git.stream("sh") as output:
            if not output.read(1):
                raise EOFError

    with pytest.raises(GitFailedError, match="fatal: broken"):
        read(shell(tmp_path, "echo fatal: broken >&2; exit 1"))
    with pytest.raises(GitFailedError, match="ends in the middle"):
        read(shell(tmp_path, "true"))


def test_a_reader_that_gives_up_leaves_nothing_running(tmp_path: Path) -> None:
    pids = tmp_path / "pids"

    def give_up(git: Git) -> None:
        with git.stream("sh") as output:
            output.read(1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        give_up(shell(tmp_path, f"echo $$ > {pids}; yes"))
    assert eventually(lambda: is_gone(int(pids.read_text())))


def test_the_environment_of_a_hook_that_calls_us_does_not_reach_git(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GIT_INDEX_FILE", "GIT_WORK_TREE", "GIT_SSH_COMMAND", "GIT_ASKPASS", "SSH_ASKPASS"):
        monkeypatch.setenv(name, "/inherited")
    told = shell(tmp_path, "env").run("sh").decode()
    assert "/inherited" not in told
    assert "GIT_TERMINAL_PROMPT=0" in told


def test_a_secret_is_not_part_of_what_a_git_looks_like(tmp_path: Path) -> None:
    assert "hunter2" not in repr(shell(tmp_path, "true", RECONCILER_GIT_PASSWORD="hunter2"))


def test_a_host_without_git_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SourceError, match="git is not installed") as caught:
        Git(tmp_path).run("version")
    assert caught.value.reason == "ToolMissing"


def test_git_is_given_no_terminal_to_ask_on(tmp_path: Path) -> None:
    told = shell(tmp_path, "tty; readlink /proc/self/fd/0; true").run("sh").decode()
    assert "not a tty" in told
    assert os.devnull in told
