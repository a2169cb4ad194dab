"""``reconciler wait``: when it ends, with which exit code, and what it says."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.adapters.root_lock import RootLock
from reconciler.model.record import Health, PassGoal, Ready, Suspension, Sync, Truth
from tests.integration.cli_root import DATABASE, NOON, WEB, Root
from tests.integration.local_git import Work

COMING = replace(
    WEB, sync=Sync.OUT_OF_SYNC, health=Health.PROGRESSING, ready=Ready(Truth.UNKNOWN, "Progressing", "soon")
)


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Root]:
    found = Root(tmp_path / "root")
    with found.journal, RootLock(found.layout.lock):
        yield found


def test_all_that_is_ready_ends_it_at_once_with_0(root: Root) -> None:
    root.save(WEB, replace(WEB, name="api"))
    done = root.call("wait", "--timeout", "0s")
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == "api is ready: release 2 is healthy\nweb is ready: release 2 is healthy\n"


def test_a_stack_that_failed_ends_it_with_4_and_all_that_is_known(root: Root) -> None:
    root.save(WEB, DATABASE)
    done = root.call("wait", "--timeout", "60s")
    assert done.exit_code == 4
    assert done.stderr.endswith("database failed: StartFailed: release 1 failed at step 2\nIts last lines:\nno space\n")


def test_a_suspended_stack_is_not_ready_whatever_was_known_of_it_before(root: Root) -> None:
    root.save(replace(WEB, suspension=Suspension("new disk", "ada", NOON)))
    done = root.call("wait", "--timeout", "60s")
    assert done.exit_code == 4
    assert done.stderr == "web is suspended by ada: new disk; nothing is done until: reconciler resume web\n"


def test_a_stack_that_was_resumed_is_looked_at_before_it_is_ready(root: Root) -> None:
    root.save(replace(WEB, health=Health.SUSPENDED))
    assert root.call("wait", "--timeout", "0s").exit_code == 3


def test_only_the_stacks_that_were_named_count(root: Root) -> None:
    root.save(WEB, DATABASE)
    assert root.call("wait", "web", "--timeout", "0s").exit_code == 0


def test_the_time_that_is_over_ends_it_with_3(root: Root) -> None:
    root.save(COMING)
    done = root.call("wait", "web", "--timeout", "0s")
    assert done.exit_code == 3
    assert done.stderr == "web: Progressing: soon\nthe time is over, and web is not ready: see reconciler get web\n"


def test_a_failure_does_not_end_it_while_a_pass_is_under_way(root: Root) -> None:
    root.save(DATABASE)
    root.journal.begin_pass("database", 1, PassGoal.UNDO, NOON)
    assert root.call("wait", "database", "--timeout", "0s").exit_code == 3


def test_a_stack_that_waits_for_another_has_not_failed(root: Root) -> None:
    root.save(replace(COMING, ready=Ready(Truth.FALSE, "DependencyNotReady", "waits for database")))
    assert root.call("wait", "web", "--timeout", "0s").exit_code == 3


def test_ready_but_not_what_git_says_is_not_what_was_waited_for(root: Root) -> None:
    root.save(replace(WEB, sync=Sync.OUT_OF_SYNC))
    assert root.call("wait", "web", "--timeout", "0s").exit_code == 3


def in_repository(root: Root, folder: Path, *stacks: str) -> None:
    work = Work(folder / "config")
    work.commit("First", {f"{name}/compose.yaml": "services: {server: {image: 'app:1'}}\n" for name in stacks})
    root.layout.settings.write_text(f"source: {{url: {folder}/config}}\n")


def test_a_stack_that_neither_the_host_knows_nor_its_repository_ends_it_at_once_with_2_and_the_nearest_name(
    root: Root, tmp_path: Path
) -> None:
    root.save(WEB)
    in_repository(root, tmp_path, "web")
    done = root.call("wait", "web", "webb", "--timeout", "60s")
    assert (done.exit_code, done.stderr) == (2, 'error: there is no stack "webb"; did you mean "web"?\n')


def test_a_stack_that_was_pushed_and_not_looked_at_yet_is_waited_for(root: Root, tmp_path: Path) -> None:
    in_repository(root, tmp_path, "web")
    turning = threading.Timer(0.2, lambda: root.save(WEB))
    turning.start()
    done = root.call("wait", "web", "--timeout", "60s")
    turning.join()
    assert (done.exit_code, done.stderr) == (0, "web is not known yet\nweb is ready: release 2 is healthy\n")


def test_in_a_repository_without_any_commit_there_is_no_stack(root: Root, tmp_path: Path) -> None:
    Work(tmp_path / "config")
    root.layout.settings.write_text(f"source: {{url: {tmp_path}/config}}\n")
    done = root.call("wait", "web", "--timeout", "60s")
    assert (done.exit_code, 'there is no stack "web"' in done.stderr) == (2, True)


def test_a_stack_of_another_host_will_not_come(root: Root, tmp_path: Path) -> None:
    in_repository(root, tmp_path, "web")
    root.layout.settings.write_text(f"source: {{url: {tmp_path}/config}}\nstacks: [api]\n")
    done = root.call("wait", "web", "--timeout", "60s")
    assert done.exit_code == 2
    assert "error: web is not for this host: " in done.stderr


def test_where_the_repository_does_not_answer_a_stack_that_is_not_known_yet_may_still_come(root: Root) -> None:
    root.save(WEB)
    done = root.call("wait", "wbe2", "web", "--timeout", "0s")
    assert done.exit_code == 3
    assert done.stderr.startswith("the repository could not be fetched: ")
    assert 'the time is over: there is no stack "wbe2"' in done.stderr


def test_a_root_without_any_stack_is_not_ready(root: Root) -> None:
    done = root.call("wait", "--timeout", "0s")
    assert (done.exit_code, done.stderr) == (3, "the time is over, and no stack is known yet\n")


def test_it_ends_when_the_stack_becomes_ready_while_it_waits(root: Root) -> None:
    root.save(COMING)
    turning = threading.Timer(0.2, lambda: root.save(WEB))
    turning.start()
    done = root.call("wait", "web", "--timeout", "60s")
    turning.join()
    assert done.exit_code == 0
    assert done.stderr == "web: Progressing: soon\nweb is ready: release 2 is healthy\n"


@pytest.mark.parametrize("timeout", ["5", "five minutes", "-1s"])
def test_a_time_limit_that_is_no_duration_is_wrong_use(root: Root, timeout: str) -> None:
    done = root.call("wait", "--timeout", timeout)
    assert done.exit_code == 2
    assert "such as 30s" in done.stderr
