"""The loop: what starts a pass, what is gathered into one, which stacks wait for which, and what a suspended one is spared.

The daemon's source is looked at once an hour: whatever is seen in time was seen at once.
"""

from __future__ import annotations

import json
import os
import pty
import subprocess
import uuid
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

import pytest

from tests.e2e.models import PROMPT, checked, script, service, stack, version
from tests.e2e.world import RECONCILER, World, eventually

pytestmark = pytest.mark.engine

# Healthy once somebody allows it, and for as long.
ALLOWED = {"test": ["CMD", "test", "-e", "/data/allowed"], "interval": "200ms", "timeout": "2s", "retries": 100}


@pytest.fixture
def name(host: World) -> str:
    """A stack's name that no other scenario uses."""
    return f"loop{uuid.uuid4().hex[:4]}"


def release(host: World, name: str, number: int, **manifest: Any) -> dict[str, str]:
    """Files of a stack whose only service differs from release to release."""
    return host.compose(name, stack(web=service(environment=version(number))), manifest)


def number(container: Mapping[str, Any]) -> str:
    """Which release it is of."""
    environment: list[str] = container["Config"]["Env"]
    return next(value for value in environment if value.startswith("VERSION=")).partition("=")[2]


def began(entry: Mapping[str, Any]) -> float:
    """Of an entry of ``passes``, seconds since the epoch."""
    return datetime.fromisoformat(entry["beganAt"]).timestamp()


def ended(entry: Mapping[str, Any]) -> float:
    return datetime.fromisoformat(entry["endedAt"]).timestamp()


# What starts a pass


def test_a_commit_to_a_repository_on_this_host_starts_a_pass_at_once(host: World, name: str) -> None:
    host.await_ready(name, host.commit(release(host, name, 1)))
    commit = host.commit(release(host, name, 2))
    moved = (host.repository / ".git" / "refs" / "heads" / "main").stat().st_mtime
    host.await_ready(name, commit)
    entries = [json.loads(line) for line in host.logs().splitlines() if line.startswith("{")]
    fetched = next(entry["timestamp"] for entry in entries if entry.get("revision") == commit[:9])
    passing_ms = 1000 * (datetime.fromisoformat(fetched).timestamp() - moved)
    acting_ms = 1000 * (began(host.passes(name)[0]) - moved)
    print(f"\nafter the ref moved: {passing_ms:.0f} ms to the pass, {acting_ms:.0f} ms to its first step")


def test_a_push_to_a_bare_repository_starts_a_pass(world: World) -> None:
    bare = world.home / "bare.git"
    world.git("init", "--quiet", "--bare", "--initial-branch=main", str(bare))
    world.write_settings(url=f"file://{bare}", interval="1h")
    first = world.commit(release(world, "web", 1))
    world.git("push", "--quiet", str(bare), "main")
    with world.daemon():
        world.await_ready("web", first)
        second = world.commit(release(world, "web", 2))
        world.git("push", "--quiet", str(bare), "main")
        world.await_ready("web", second)


def test_a_changed_variable_of_the_host_replaces_exactly_the_services_that_use_it(host: World, name: str) -> None:
    host.write_environment(name, "GREETING=hello\n")
    web = service(environment={"GREETING": "${GREETING}"})
    host.await_ready(name, host.commit(host.compose(name, stack(web=web, other=service()))))
    before = host.running(name)
    host.write_environment(name, "GREETING=goodbye\n")
    eventually(lambda: host.releases(name), lambda seen: seen[0]["number"] == 2 and seen[0]["outcome"] == "applied")
    after, (web_name, other_name) = host.running(name), (f"{host.name(name)}-web-2", f"{host.name(name)}-other-1")
    assert "GREETING=goodbye" in host.container(name, "web")["Config"]["Env"]
    assert after.keys() == {web_name, other_name}
    assert after[other_name] == before[other_name]


def test_a_change_of_one_stack_leaves_the_others_alone(host: World, name: str) -> None:
    other = f"{name}b"
    host.await_ready(name, host.commit({**release(host, name, 1), **release(host, other, 1)}))
    before, passes = host.running(name), len(host.passes(name))
    commit = host.commit(release(host, other, 2))
    host.await_ready(other, commit)
    host.await_ready(name, commit)  # it is what the new commit says, too
    assert (host.running(name), len(host.passes(name))) == (before, passes)


def test_what_a_burst_of_commits_leaves_is_applied_without_all_that_lay_in_between(host: World, name: str) -> None:
    host.await_ready(name, host.commit(release(host, name, 0)))
    for count in range(1, 21):
        last = host.commit(release(host, name, count))
    host.await_ready(name, last)
    assert number(host.container(name, "web")) == "20"
    assert len(host.releases(name)) <= 8


# Several stacks


def test_slow_stacks_are_worked_on_side_by_side(host: World, name: str) -> None:
    names = [f"{name}{letter}" for letter in "abc"]
    files = [host.compose(one, stack(web=_slow())) for one in names]
    commit = host.commit({path: text for entry in files for path, text in entry.items()})
    for one in names:
        host.await_ready(one, commit)
    passes = [host.passes(one)[-1] for one in names]
    assert max(map(began, passes)) < min(map(ended, passes))


def _slow() -> dict[str, Any]:
    """Takes a second until it is healthy."""
    return service(healthcheck={"test": ["CMD", "true"], "interval": "1m", **PROMPT, "start_interval": "1s"})


def test_a_stack_waits_for_the_one_it_depends_on_and_goes_on_by_itself(host: World, name: str) -> None:
    base, app = f"{name}base", f"{name}app"
    allowed = host.root / "data" / host.name(base) / "data" / "allowed"
    db = service(volumes=["./data:/data"], healthcheck=ALLOWED)
    commit = host.commit(
        {
            **host.compose(app, stack(web=service()), {"dependsOn": [host.name(base)]}),
            **host.compose(base, stack(db=db), {"rollout": {"timeout": "60s", "soak": "100ms"}}),
        }
    )
    status = host.await_failure(app, "DependencyNotReady")
    assert host.name(base) in status["message"]
    eventually(lambda: host.running(base))
    assert host.containers(app) == []
    allowed.touch()
    host.await_ready(app, commit)
    assert ended(host.passes(base)[-1]) <= began(host.passes(app)[-1])


def test_a_stack_goes_on_when_the_one_it_depends_on_is_mended_by_a_commit(host: World, name: str) -> None:
    base, app = f"{name}base", f"{name}app"
    dependent = host.compose(app, stack(web=service()), {"dependsOn": [host.name(base)]})
    host.commit({**dependent, **host.compose(base, stack(db=script("echo no database here; exit 1")))})
    host.await_failure(base, "HealthCheckFailed")
    host.await_failure(app, "DependencyNotReady")
    mended = host.commit(host.compose(base, stack(db=service())))
    host.await_ready(app, mended)


# Suspended


def test_a_suspended_stack_is_left_alone_until_it_is_resumed(host: World, name: str) -> None:
    host.await_ready(name, host.commit(release(host, name, 1)))
    before = host.container(name, "web")
    assert host.cli("suspend", host.name(name), "--reason", "maintenance").returncode == 0
    host.docker("kill", before["Id"])
    host.commit(release(host, name, 2))
    commit = _await_a_later_turn(host)
    left = host.container(name, "web")
    assert (left["Id"], left["State"]["Status"]) == (before["Id"], "exited")
    status = eventually(lambda: host.status(name), lambda seen: seen["health"] == "Suspended")
    assert (status["suspended"], status["appliedRevision"] != commit) == (True, True)
    assert host.cli("resume", host.name(name)).returncode == 0
    host.await_ready(name, commit)
    assert number(host.container(name, "web")) == "2"
    assert [event.reason for event in host.told(name, "Suspended", "Resumed")] == ["Suspended", "Resumed"]


def test_a_suspension_ends_by_itself_when_its_time_is_over(host: World, name: str) -> None:
    host.await_ready(name, host.commit(release(host, name, 1)))
    assert host.cli("suspend", host.name(name), "--until", "3s").returncode == 0
    commit = host.commit(release(host, name, 2))
    eventually(lambda: commit[:9] in host.logs() and host.status(name)["health"] == "Suspended")
    host.await_ready(name, commit)
    suspended, resumed = host.told(name, "Suspended", "Resumed")
    assert resumed.at - suspended.at >= 2.0  # it counts from when it was typed, which is a little before it is told
    assert not host.status(name)["suspended"]


def _await_a_later_turn(host: World) -> str:
    """Until another stack is what a later commit says: that commit."""
    canary = f"canary{uuid.uuid4().hex[:4]}"
    commit = host.commit(release(host, canary, 1))
    host.await_ready(canary, commit)
    return commit


# Asking for a pass


def test_reconcile_wait_ends_well_when_what_was_committed_before_is_applied(host: World, name: str) -> None:
    host.await_ready(name, host.commit(release(host, name, 1)))
    commit = host.commit(release(host, name, 2))
    done = host.cli("reconcile", host.name(name), "--wait")
    assert (done.returncode, host.is_ready_at(name, commit)) == (0, True), done.stderr


def test_reconcile_wait_says_what_went_wrong(host: World, name: str) -> None:
    host.await_ready(name, host.commit(release(host, name, 1)))
    host.commit(host.compose(name, stack(web=script("echo nothing works; exit 7"))))
    done = host.cli("reconcile", host.name(name), "--wait")
    assert done.returncode == 4
    assert "exit status 7" in done.stderr
    assert "nothing works" in done.stderr


def test_a_release_that_does_not_get_healthy_gives_way_to_the_commit_that_mends_it(host: World, name: str) -> None:
    patient = {"rollout": {"timeout": "1h", "soak": "0s"}}
    never = {"test": ["CMD", "false"], "interval": "1h", "start_period": "2h"}
    host.await_ready(name, host.commit(host.compose(name, stack(web=service()), patient)))
    old = host.container(name, "web")["Id"]
    host.commit(host.compose(name, stack(web=service(healthcheck=never)), patient))
    eventually(lambda: len(host.containers(name, "web")) == 2)
    assert host.status(name)["ready"] != "False"
    mended = host.commit(host.compose(name, stack(web=checked(environment=version(3))), patient))
    host.await_ready(name, mended)
    (now,) = host.containers(name, "web")
    assert now["Id"] != old
    assert "VERSION=3" in now["Config"]["Env"]
    assert [found["outcome"] for found in host.releases(name)] == ["applied", "superseded", "applied"]


def test_force_tries_a_quarantined_release_again(host: World, name: str) -> None:
    allowed = host.root / "data" / host.name(name) / "data" / "allowed"
    host.await_ready(name, host.commit(release(host, name, 1)))
    web = script("test -e /data/allowed && exec sleep 1d; exit 7", volumes=["./data:/data"], stop_signal="KILL")
    commit = host.commit(host.compose(name, stack(web=web)))
    host.await_failure(name, "HealthCheckFailed")
    allowed.touch()
    assert host.cli("reconcile", host.name(name), "--wait").returncode == 4  # nothing but force lifts a quarantine
    assert host.cli("reconcile", host.name(name), "--force", "--wait").returncode == 0
    host.await_ready(name, commit)


def test_a_request_for_a_stack_that_does_not_exist_is_refused(host: World) -> None:
    done = host.cli("reconcile", "nosuch", "--wait", within_s=20)
    assert done.returncode == 2
    assert 'there is no stack "nosuch"' in done.stderr


# Starting and leaving


def test_a_second_daemon_for_the_same_root_refuses_and_names_the_first(world: World) -> None:
    world.commit(release(world, "web", 1))
    with world.daemon() as first:
        eventually(lambda: world.status("web"))
        second = world.cli("run", within_s=20)
        assert second.returncode != 0
        assert f"process {first.process.pid}" in second.stderr
        assert first.running


def test_a_daemon_that_is_told_to_leave_ends_between_two_steps_and_the_next_goes_on(world: World) -> None:
    with world.daemon() as first:
        world.await_ready("web", world.commit(release(world, "web", 1)))
        slow = checked(["test", "-e", "/tmp/healthy"], environment=version(2))
        commit = world.commit(world.compose("web", stack(web=slow), {"rollout": {"timeout": "10m", "soak": "100ms"}}))
        new = eventually(lambda: [found for found in world.containers("web") if number(found) == "2" and _runs(found)])
        assert first.terminate(within_s=10) == 0  # it does not wait until the new one is healthy
    assert len(world.running("web")) == 2  # the old one serves on
    with world.daemon():
        world.execute(new[0]["Id"], "touch", "/tmp/healthy")
        world.await_ready("web", commit)
    assert world.container("web", "web")["Id"] == new[0]["Id"]
    assert [event.reason for event in world.told("web") if event.severity == "error"] == []
    assert '"level": "error"' not in first.log.read_text()


def _runs(container: Mapping[str, Any]) -> bool:
    return bool(container["State"]["Status"] == "running")


def test_a_second_signal_ends_a_daemon_at_once(world: World) -> None:
    world.commit(world.compose("web", stack(web=script("sleep 1d")), {"rollout": {"soak": "1h"}}))
    with world.daemon() as daemon:
        eventually(lambda: world.running("web"))
        daemon.process.terminate()
        daemon.process.terminate()
        assert daemon.process.wait(5) in (0, 143)


# What it says


def test_a_daemon_logs_json_into_a_pipe_and_lines_for_people_on_a_terminal(world: World) -> None:
    world.commit(release(world, "web", 1))
    with world.daemon() as daemon:
        eventually(lambda: world.status("web").get("ready") == "True")
    entries = [json.loads(line) for line in daemon.log.read_text().splitlines()]
    assert {"daemon_started", "fetched", "progress", "daemon_left"} <= {entry["event"] for entry in entries}
    assert all({"level", "timestamp"} <= entry.keys() for entry in entries)
    text = _on_a_terminal(world)
    assert "daemon_started" in text
    assert "{" not in text


def _on_a_terminal(world: World) -> str:
    """What ``run`` prints on a terminal, until it is told to leave after it said that it started."""
    terminal, theirs = pty.openpty()
    process = subprocess.Popen([RECONCILER, "--root", str(world.root), "run"], stdout=theirs, stderr=theirs)
    os.close(theirs)
    text = b""
    with suppress(OSError):  # how reading ends when nobody holds the other side any more
        while chunk := os.read(terminal, 4096):
            text += chunk
            if b"daemon_started" in chunk:
                process.terminate()
    os.close(terminal)
    assert process.wait(20) == 0
    return text.decode()
