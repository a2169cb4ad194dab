"""What people ask of a host whose daemon runs: history, rollback, events, trace, wait. Each on the real engine."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.e2e.models import script, service, stack, version
from tests.e2e.world import RECONCILER, World, eventually

pytestmark = pytest.mark.engine


@pytest.fixture
def name(host: World) -> str:
    """A stack's name that no other scenario uses."""
    return f"told{uuid.uuid4().hex[:4]}"


def release(host: World, name: str, number: int, **more: Any) -> dict[str, str]:
    """Files of a stack with a mounted file and a variable of the host, whose service differs from release to release."""
    web = service(environment={**version(number), "SHOWN": "${SHOWN:-}"}, volumes=["./site:/site"], **more)
    return {**host.compose(name, stack(web=web)), f"stacks/{host.name(name)}/site/number": str(number)}


def apply(host: World, name: str, number: int, **more: Any) -> str:
    commit = host.commit(release(host, name, number, **more), message=f"release {number}")
    host.await_ready(name, commit)
    return commit


def serves(host: World, name: str) -> tuple[str, str]:
    """What the running container mounts, and what its environment says."""
    web = host.container(name, "web")
    assert web["State"]["Status"] == "running"
    environment = dict(entry.split("=", 1) for entry in web["Config"]["Env"])
    return host.execute(web["Id"], "cat", "/site/number"), f"{environment['VERSION']}{environment['SHOWN']}"


# History and rollback


def test_history_tells_who_asked_for_each_release_and_how_it_ended(host: World, name: str) -> None:
    first = apply(host, name, 1)
    host.commit(host.compose(name, stack(web=script("exit 7"))), message="a mistake")
    host.await_failure(name, "HealthCheckFailed")
    newest, oldest = host.releases(name)
    assert (oldest["number"], oldest["revision"], oldest["outcome"], oldest["current"]) == (1, first, "applied", True)
    assert (newest["subject"], newest["outcome"], newest["current"]) == ("a mistake", "failed", False)
    assert "exit status 7" in newest["quarantined"]
    assert newest["askedBy"] == "commit by Ada <ada@example.com>"
    table = host.cli("history", host.name(name)).stdout
    assert "release 2 is quarantined" in table


def test_rollback_goes_to_the_release_before_and_stays_there_until_a_new_commit(host: World, name: str) -> None:
    apply(host, name, 1)
    second = apply(host, name, 2)
    done = host.cli("rollback", host.name(name), "--wait", "--reason", "login is broken")
    assert done.returncode == 0, done.stderr
    assert serves(host, name) == ("1", "1")
    status = host.status(name)
    assert (status["sync"], status["reason"], status["release"]) == ("OutOfSync", "RolledBack", 1)
    assert "login is broken" in host.releases(name)[0]["quarantined"]
    assert host.cli("reconcile", host.name(name), "--wait").returncode == 0
    assert serves(host, name) == ("1", "1")
    assert host.releases(name)[0]["revision"] == second
    apply(host, name, 3)
    assert serves(host, name) == ("3", "3")


def test_rollback_to_a_named_release_brings_its_files_and_variables_back_with_the_source_away(world: World) -> None:
    image = f"rollback-{world.suffix}:1"
    world.docker("tag", "rig/busybox:1", image)
    world.write_environment("web", "SHOWN=-old\n")
    with world.daemon():
        apply(world, "web", 1, image=image)
        world.write_environment("web", "SHOWN=-new\n")
        eventually(lambda: world.status("web")["release"] == 2)
        apply(world, "web", 3)
        world.docker("rmi", image)  # no registry has it
        world.repository.rename(world.home / "away")
        done = world.cli("rollback", world.name("web"), "1", "--wait")
        assert done.returncode == 0, done.stderr
        assert serves(world, "web") == ("1", "1-old")
        left, *others = world.releases("web")
        assert "rolled back to release 1" in left["quarantined"]
        assert [entry["quarantined"] for entry in others] == ["", ""]
        (world.home / "away").rename(world.repository)
        apply(world, "web", 4)
        assert serves(world, "web") == ("4", "4-new")
    world.docker("rmi", image)


def test_rollback_is_refused_where_there_is_nothing_to_go_back_to(host: World, name: str) -> None:
    apply(host, name, 1)
    for words, code, why in (
        ((), 1, "no release to go back to"),
        (("1",), 1, "release 1 is what runs"),
        (("9",), 2, "no release 9"),
    ):
        done = host.cli("rollback", host.name(name), *words)
        assert (done.returncode, why in done.stderr) == (code, True), done.stderr
    assert host.status(name)["ready"] == "True"


def test_a_rollback_asked_for_while_no_daemon_runs_is_done_by_the_next_start(world: World) -> None:
    with world.daemon():
        apply(world, "web", 1)
        apply(world, "web", 2)
    done = world.cli("rollback", world.name("web"))
    assert done.returncode == 0, done.stderr
    with world.daemon():
        eventually(lambda: world.status("web")["release"] == 1)
        assert serves(world, "web") == ("1", "1")


# Events


def test_events_are_streamed_as_they_happen(host: World, name: str) -> None:
    apply(host, name, 1)
    with _watching(host, "events", host.name(name), "-w", "-o", "json") as lines:
        apply(host, name, 2)
        told = next(entry for entry in map(json.loads, lines) if entry["message"].startswith("release 2 is applied"))
    assert (told["stack"], told["reason"], told["severity"]) == (host.name(name), "Applied", "info")


@contextmanager
def _watching(host: World, *words: str) -> Iterator[Iterator[str]]:
    """The lines that a command prints while it goes on."""
    command = [RECONCILER, "--root", str(host.root), *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield iter(process.stdout.readline, "")
        finally:
            process.terminate()


# Trace


def test_trace_tells_which_commit_a_container_comes_from(host: World, name: str) -> None:
    commit = apply(host, name, 1)
    container = host.container(name, "web")["Name"].removeprefix("/")
    (found,) = json.loads(host.cli("trace", container, "-o", "json").stdout)
    assert (found["stack"], found["service"], found["release"]) == (host.name(name), "web", 1)
    assert (found["ours"], found["current"]) == (True, True)
    assert (found["revision"], found["subject"], found["image"]) == (commit, "release 1", "rig/busybox:1")


def test_trace_tells_that_a_container_is_not_ours(host: World) -> None:
    container = host.docker("create", "rig/busybox:1")
    try:
        assert "it is not ours and is never touched" in host.cli("trace", container).stdout
    finally:
        host.docker("rm", container)


# Wait


def test_wait_ends_when_the_stack_is_ready_when_it_failed_and_when_the_time_is_over(host: World, name: str) -> None:
    apply(host, name, 1)
    assert host.cli("wait", host.name(name)).returncode == 0
    host.commit(host.compose(name, stack(web=script("exit 7")), {"rollout": {"soak": "1h"}}))
    host.await_failure(name)
    assert host.cli("wait", host.name(name)).returncode == 4
    commit = host.commit(host.compose(name, stack(web=service()), {"rollout": {"soak": "1h"}}))
    eventually(lambda: host.status(name), lambda seen: seen["attemptedRevision"] == commit)
    assert host.cli("wait", host.name(name), "--timeout", "500ms").returncode == 3


def test_wait_goes_on_until_what_is_under_way_is_done(world: World) -> None:
    with world.daemon():
        commit = world.commit(release(world, "web", 1))
        eventually(lambda: world.status("web"))
        assert world.cli("wait", world.name("web")).returncode == 0
        assert world.is_ready_at("web", commit)
