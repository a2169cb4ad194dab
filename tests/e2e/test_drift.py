"""Drift: what somebody does to a container behind our back is found through the engine's events, and mended by the least
that mends it. The daemon's source is looked at once an hour, and its full look comes after five minutes: neither helps here.
"""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.models import Service, script, service, stack
from tests.e2e.timeline import Timeline
from tests.e2e.world import World, eventually

pytestmark = pytest.mark.engine

LIMITED: Service = service(mem_limit="64m", memswap_limit="128m", cpus=0.5, restart="on-failure:3")
WHILE_ALLOWED = "trap 'exit 0' TERM; while [ -e /data/allowed ]; do sleep 0.1; done; echo may not run; exit 3"


@pytest.fixture
def name(host: World) -> str:
    """A stack's name that no other scenario uses."""
    return f"drift{uuid.uuid4().hex[:4]}"


def deploy(host: World, name: str, manifest: dict[str, Any] | None = None, **services: Service) -> dict[str, Any]:
    """The stack runs; ``docker inspect`` of its ``web``."""
    host.await_ready(name, host.commit(host.compose(name, stack(**services), manifest)))
    return host.container(name, "web")


def state(container: Mapping[str, Any]) -> tuple[str, str, str]:
    """Equal as long as nobody replaced, restarted or stopped it."""
    return container["Id"], container["State"]["StartedAt"], container["State"]["Status"]


def mended(host: World, name: str, cause: str, is_right: Callable[[Mapping[str, Any]], bool]) -> dict[str, Any]:
    """Once the only container of ``web`` is right, and an event told why it had not been."""
    eventually(lambda: [event.message for event in host.told(name, "DriftMended")], lambda told: cause in "".join(told))
    found = eventually(lambda: host.containers(name, "web"), lambda seen: len(seen) == 1 and is_right(seen[0]))
    assert host.status(name)["sync"] == "Synced"
    return found[0]


def runs(container: Mapping[str, Any]) -> bool:
    return bool(container["State"]["Status"] == "running")


@contextmanager
def made(host: World, kind: str, *words: str) -> Iterator[str]:
    """Something of the engine's that is not ours, for as long as a scenario needs it: its name."""
    thing = f"foreign-{uuid.uuid4().hex[:8]}"
    host.docker(*words, thing)
    try:
        yield thing
    finally:
        subprocess.run(["docker", kind, "rm", thing], capture_output=True, check=False)


# Stopped, removed, killed


@pytest.mark.parametrize("how", [("stop",), ("kill",), ("kill", "--signal", "TERM")], ids=" ".join)
def test_a_container_that_somebody_ended_is_started_again(host: World, name: str, how: tuple[str, ...]) -> None:
    before = deploy(host, name, web=service())
    host.docker(*how, before["Id"])
    assert mended(host, name, "was stopped", runs)["Id"] == before["Id"]


def test_a_container_that_somebody_removed_is_made_anew_under_its_name(host: World, name: str) -> None:
    before = deploy(host, name, web=service(container_name=f"web-{host.suffix}-{name}"))
    host.docker("rm", "--force", before["Id"])
    # A look between the kill and the removal finds it stopped, a later one gone: either way there is a new one.
    eventually(
        lambda: [(found["Name"], found["State"]["Running"]) for found in host.containers(name, "web")],
        lambda seen: seen == [(before["Name"], True)],
    )
    assert host.container(name, "web")["Id"] != before["Id"]


def test_a_paused_container_is_let_go_on_without_a_restart(host: World, name: str) -> None:
    before = deploy(host, name, web=service())
    host.docker("pause", before["Id"])
    assert state(mended(host, name, "was paused", runs)) == state(before)


# Changed in place


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (("--memory", "32m", "--memory-swap", "32m"), "Memory is 33554432 instead of 67108864"),
        (("--cpus", "0.25"), "NanoCpus is 250000000 instead of 500000000"),
        (("--restart", "always"), "RestartPolicy.Name is always instead of on-failure"),
    ],
    ids=["memory", "cpus", "restart"],
)
def test_a_limit_that_somebody_changed_is_set_back_in_place(
    host: World, name: str, change: tuple[str, ...], cause: str
) -> None:
    def limits(container: Mapping[str, Any]) -> list[Any]:
        keys = ("Memory", "MemorySwap", "NanoCpus", "RestartPolicy")
        return [container["HostConfig"][key] for key in keys]

    before = deploy(host, name, web=LIMITED)
    host.docker("update", *change, before["Id"])
    after = mended(host, name, cause, lambda seen: limits(seen) == limits(before))
    assert state(after) == state(before)


def test_a_container_that_somebody_renamed_has_its_name_again(host: World, name: str) -> None:
    before = deploy(host, name, web=service())
    host.docker("rename", before["Id"], f"mine-{name}")
    after = mended(host, name, f"its name is mine-{name}", lambda seen: seen["Name"] == before["Name"])
    assert state(after) == state(before)


def test_a_container_cut_off_from_a_network_is_back_on_it_under_all_its_aliases(host: World, name: str) -> None:
    before = deploy(host, name, web=service(networks={"default": {"aliases": ["www"]}}), other=service())
    network = f"{host.name(name)}_default"
    host.docker("network", "disconnect", network, before["Id"])
    after = mended(host, name, f"disconnected from network {network}", lambda seen: _is_on(seen, network))
    assert state(after) == state(before)
    other = host.container(name, "other")["Id"]
    for alias in ("www", "web"):
        assert "64 bytes from" in host.execute(other, "ping", "-c1", "-W5", alias)


def test_a_container_that_somebody_connected_to_another_network_is_taken_off_it(host: World, name: str) -> None:
    before = deploy(host, name, web=service())
    with made(host, "network", "network", "create") as network:
        host.docker("network", "connect", network, before["Id"])
        after = mended(host, name, f"connected to network {network}", lambda seen: not _is_on(seen, network))
    assert state(after) == state(before)


def test_a_stopped_container_whose_network_was_made_anew_runs_on_the_new_one(host: World, name: str) -> None:
    with made(host, "network", "network", "create") as network:
        outside = {"networks": {"edge": {"name": network, "external": True}}}
        web = service(networks={"edge": {"aliases": ["www"]}})
        host.await_ready(name, host.commit(host.compose(name, {**stack(web=web), **outside})))
        before = host.container(name, "web")
        host.cli("suspend", host.name(name), "--reason", "the network is made anew")
        host.docker("stop", "--time", "0", before["Id"])
        host.docker("network", "rm", network)
        host.docker("network", "create", network)
        host.cli("resume", host.name(name))
        after = mended(host, name, f"disconnected from network {network}", runs)
        assert after["Id"] == before["Id"]
        assert {"www", "web"} <= set(after["NetworkSettings"]["Networks"][network]["Aliases"])
        host.cli("suspend", host.name(name), "--reason", "the network goes")
        host.docker("rm", "--force", before["Id"])


def _is_on(container: Mapping[str, Any], network: str) -> bool:
    return network in container["NetworkSettings"]["Networks"]


# Images


@pytest.mark.parametrize(
    ("change", "cause"),
    [(("tag", "rig/busybox:2"), "the release runs"), (("rmi",), "was untagged")],
    ids=["retagged", "untagged"],
)
def test_the_name_of_an_image_leads_to_the_image_of_the_release_again(
    host: World, name: str, change: tuple[str, ...], cause: str
) -> None:
    with made(host, "image", "tag", "rig/busybox:1") as image:
        before = deploy(host, name, web=service(image=image))
        host.docker(*change, image)
        after = mended(host, name, cause, lambda _: image_id(host, image) == before["Image"])
        assert state(after) == state(before)


def image_id(host: World, image: str) -> str:
    done = subprocess.run(
        ["docker", "image", "inspect", "-f", "{{.Id}}", image], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


# Mounted files


def _written(file: Path) -> None:
    file.chmod(0o644)
    file.write_text("somebody was here")


def _put_in_its_place(file: Path) -> None:
    other = file.with_name("other")
    other.write_text("somebody was here")
    other.rename(file)


def _deleted(file: Path) -> None:
    file.unlink()


@pytest.mark.parametrize("change", [_written, _put_in_its_place, _deleted])
@pytest.mark.parametrize("mounted", ["site", "site/index.html"], ids=["folder", "file"])
def test_a_mounted_tracked_file_holds_what_git_says_again(
    host: World, name: str, mounted: str, change: Callable[[Path], None]
) -> None:
    web = service(volumes=[f"./{mounted}:/{mounted}:ro"])
    content = f"hello from {name}"  # of its own: copies of the same content are shared by all stacks
    host.write(f"stacks/{host.name(name)}/site/index.html", content)
    before = deploy(host, name, web=web)
    file = Path(before["Mounts"][0]["Source"])
    file = file / "index.html" if mounted == "site" else file
    change(file)
    after = mended(
        host, name, "its content is not what Git holds", lambda _: file.is_file() and file.read_text() == content
    )
    assert state(after) == state(before)
    assert host.execute(before["Id"], "cat", "/site/index.html") == content


# Reported only


def test_drift_is_told_once_and_left_alone_where_the_stack_asks_for_that(host: World, name: str) -> None:
    before = deploy(host, name, {"drift": "warn"}, web=service(), other=service())
    host.docker("stop", before["Id"])
    status = host.await_failure(name, "DriftFound")
    assert "was stopped" in status["message"]
    assert status["sync"] == "OutOfSync"
    for _ in range(2):
        assert host.cli("reconcile", host.name(name), "--wait").returncode == 4
    assert len(host.told(name, "DriftFound")) == 1
    after = host.container(name, "web")
    assert (after["Id"], after["State"]["Status"]) == (before["Id"], "exited")
    host.docker("start", before["Id"])
    eventually(lambda: host.status(name), lambda seen: seen["ready"] == "True" and seen["sync"] == "Synced")


def test_a_commit_is_applied_although_drift_is_only_reported(host: World, name: str) -> None:
    before = deploy(host, name, {"drift": "warn"}, web=service())
    host.docker("stop", before["Id"])
    host.await_failure(name, "DriftFound")
    after = deploy(host, name, {"drift": "warn"}, web=service(environment={"VERSION": "2"}))
    assert (runs(after), after["Id"] != before["Id"]) == (True, True)


# What does not last


def test_a_container_that_ends_again_and_again_is_started_ever_more_slowly(host: World, name: str) -> None:
    allowed = _permission(host, name)
    deploy(host, name, web=script(WHILE_ALLOWED, volumes=["./data:/data"]))
    with Timeline(host, name) as timeline:
        allowed.unlink()
        newest_first = eventually(lambda: host.passes(name), lambda seen: len(seen) >= 5 and seen[0]["outcome"] != "")
        starts = timeline.times("start", "web")
    repairs = newest_first[-2::-1]  # the oldest installed it
    assert len(starts) <= len(repairs)
    pauses = [began(later) - ended(earlier) for earlier, later in pairwise(repairs)]
    least = [0.5, 1.0, 2.0]  # one second, two, four, of which half is certain
    assert [pause >= certain for pause, certain in zip(pauses, least, strict=False)] == [True] * 3
    status = host.status(name)
    assert (status["ready"], "exit status 3" in status["message"]) == ("False", True)
    allowed.touch()
    eventually(lambda: host.status(name), lambda seen: seen["ready"] == "True")  # by itself, when its wait is over


def began(entry: Mapping[str, Any]) -> float:
    """Of an entry of ``passes``, seconds since the epoch."""
    return datetime.fromisoformat(entry["beganAt"]).timestamp()


def ended(entry: Mapping[str, Any]) -> float:
    return datetime.fromisoformat(entry["endedAt"]).timestamp()


def test_a_crash_loop_of_the_engine_is_reported_and_left_to_the_engine(host: World, name: str) -> None:
    allowed = _permission(host, name)
    before = deploy(host, name, web=script(WHILE_ALLOWED, volumes=["./data:/data"], restart="always"))
    passes = len(host.passes(name))
    allowed.unlink()
    host.await_failure(name, "Degraded")
    eventually(lambda: host.container(name, "web")["RestartCount"], lambda count: count >= 4)
    assert len(host.passes(name)) == passes  # not one in which anything was done
    allowed.touch()
    eventually(lambda: host.status(name), lambda seen: seen["ready"] == "True")
    assert host.container(name, "web")["Id"] == before["Id"]


def _permission(host: World, name: str) -> Path:
    """The file without which WHILE_ALLOWED ends, in the stack's host data."""
    allowed = host.root / "data" / host.name(name) / "data" / "allowed"
    allowed.parent.mkdir(parents=True)
    allowed.touch()
    return allowed


# What is not ours


def test_containers_that_are_not_ours_are_never_touched(host: World, name: str) -> None:
    ours = deploy(host, name, web=service())
    project = f"other-{host.suffix}-{name}"
    labels = [f"--label=com.docker.compose.{key}" for key in (f"project={project}", "service=web", "oneoff=False")]
    with foreign(host, *labels) as composed, foreign(host) as plain:
        host.docker("stop", composed, plain)
        left = [host.engine.api.inspect_container(other) for other in (composed, plain)]
        host.docker("kill", ours["Id"])  # what is ours is mended, so both were seen by then
        mended(host, name, "was stopped", runs)
        assert [host.engine.api.inspect_container(other) for other in (composed, plain)] == left


@contextmanager
def foreign(host: World, *options: str) -> Iterator[str]:
    container = host.docker("run", "--detach", *options, "rig/busybox:1", *service()["command"])
    try:
        yield container
    finally:
        subprocess.run(["docker", "rm", "--force", container], capture_output=True, check=False)


def test_a_project_of_the_same_name_that_is_not_ours_is_refused_by_name_until_it_is_gone(
    host: World, name: str
) -> None:
    label = f"--label=com.docker.compose.project={host.name(name)}"
    with foreign(host, label, "--label=com.docker.compose.service=web", f"--name=squatter-{name}") as theirs:
        before = state(host.engine.api.inspect_container(theirs))
        commit = host.commit(host.compose(name, stack(web=service())))
        status = host.await_failure(name, "NotOurs")
        assert f"squatter-{name}" in status["message"]
        assert state(host.engine.api.inspect_container(theirs)) == before
        assert len(host.containers(name)) == 1
    host.await_ready(name, commit)
