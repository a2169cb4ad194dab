"""Abort: whatever step of a release fails, what served before serves again, and the release is quarantined."""

from __future__ import annotations

import socket
import urllib.request
from contextlib import ExitStack, suppress
from typing import Any

import pytest

from tests.e2e.models import LIVE, Model, Service, checked, script, service, stack, version
from tests.e2e.timeline import Timeline
from tests.e2e.world import World, eventually
from tests.free_ports import free_port

pytestmark = pytest.mark.engine

NAMES = ("first", "second", "third")

# How the one that fails is made, which step says so, and what of it.
FAILURES: dict[str, tuple[Service, str, str, str]] = {
    "unhealthy": (
        checked(["false"], command=["sh", "-c", f"echo cannot reach the moon; {LIVE}"]),
        "HealthCheckFailed",
        "is unhealthy",
        "cannot reach the moon",
    ),
    "crash": (
        script("echo out of luck; exit 3"),
        "HealthCheckFailed",
        "ended with exit status 3",
        "out of luck",
    ),
    "bad-command": (service(command=["no-such-program"]), "StartFailed", "no-such-program", ""),
}


def chain(changed: dict[str, Service] | None = None, number: int = 1) -> Model:
    """Three services, each started when the one before it is healthy."""
    found = {}
    before = ""
    for name in NAMES:
        found[name] = {**(changed or {}).get(name, checked()), "environment": version(number)}
        if before:
            found[name]["depends_on"] = {before: {"condition": "service_healthy"}}
        before = name
    return stack(**found)


def run(world: World, model: Model, expect: int) -> str:
    world.commit(world.compose("shop", model))
    done = world.once()
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("place", "failure"),
    [
        ("first", "unhealthy"),
        ("second", "bad-command"),
        ("third", "unhealthy"),
        ("third", "crash"),
        ("third", "bad-command"),
    ],
)
def test_a_step_that_fails_leaves_every_old_container_serving(world: World, place: str, failure: str) -> None:
    run(world, chain(), 0)
    before, names = world.running("shop"), world.ids("shop")
    failing, reason, why, last_words = FAILURES[failure]
    with Timeline(world, "shop") as timeline:
        run(world, chain({place: failing}, number=2), 1)
        died = {moment.container for moment in timeline.moments() if moment.action == "die"}
    assert world.ids("shop") == names
    assert {name: found.split()[0] for name, found in world.running("shop").items()} == {
        name: found.split()[0] for name, found in before.items()
    }
    # Those that come after the failing one were not even touched.
    untouched = NAMES[NAMES.index(place) :]
    for name in untouched:
        assert world.container("shop", name)["Id"] not in died
    status = world.status("shop")
    failed = next(step for found in world.passes("shop") for step in found["steps"] if step["state"] == "failed")
    assert (status["ready"], status["sync"], status["health"]) == ("False", "OutOfSync", "Healthy")
    assert (status["reason"], status["release"]) == (reason, 1)
    assert f"failed at step {failed['number']}, {failed['text']}" in status["message"]
    assert why in status["message"]
    assert last_words in status["message"]
    assert "Release 1 serves as before" in status["message"]
    assert world.releases("shop")[0]["quarantined"]
    assert not world.releases("shop")[1]["quarantined"]


def test_a_release_that_fails_while_it_soaks_is_undone(world: World) -> None:
    run(world, stack(web=service(), db=service()), 0)
    before = world.running("shop")
    model = stack(web=script("sleep 0.6; echo too late; exit 4"), db=service(environment=version(2)))
    world.commit(world.compose("shop", model, {"rollout": {"soak": "3s", "timeout": "20s"}}))
    assert world.once().returncode == 1
    assert world.running("shop").keys() == before.keys()
    assert {name: found.split()[0] for name, found in world.running("shop").items()} == {
        name: found.split()[0] for name, found in before.items()
    }
    assert "ended with exit status 4" in world.message("shop")
    assert "too late" in world.message("shop")


def test_a_release_whose_container_does_not_answer_as_it_should_is_undone(world: World) -> None:
    """It has no healthcheck, and runs."""
    declared = {
        "rollout": {"soak": "300ms", "timeout": "3s", "services": {"web": {"probe": {"port": 80, "path": "/page"}}}}
    }

    def serving(page: str) -> Service:
        return script(f"mkdir /www; echo hello > /www/{page}; exec busybox httpd -f -h /www", init=True)

    world.commit(world.compose("shop", stack(web=serving("page")), declared))
    assert world.once().returncode == 0
    assert "wait until web is healthy and answers GET :80/page (within 3s), and for 0.3s more" in world.steps("shop")
    before = world.running("shop")
    world.commit(world.compose("shop", stack(web=serving("another")), declared))
    assert world.once().returncode == 1
    assert "GET :80/page answered 404" in world.message("shop")
    assert world.running("shop") == before


def test_a_service_with_a_host_port_is_started_again_as_it_was(world: World) -> None:
    port = free_port()

    def serving(text: str, number: int) -> Service:
        return script(text, ports=[f"127.0.0.1:{port}:80"], stop_signal="SIGKILL", environment=version(number))

    serve = "mkdir -p /www; echo as before >/www/index.html; exec httpd -f -p 80 -h /www"
    run(world, stack(web=serving(serve, 1)), 0)
    before = world.ids("shop")
    run(world, stack(web=serving("sleep 0.2; exit 1", 2)), 1)
    assert world.ids("shop") == before
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
        assert answer.read() == b"as before\n"


def test_a_fixed_container_name_stays_with_the_old_container(world: World) -> None:
    name = world.name("the-web")
    run(world, stack(web=checked(container_name=name)), 0)
    before = world.running("shop")
    assert before.keys() == {name}
    run(world, stack(web=checked(["false"], container_name=name)), 1)
    assert world.running("shop") == before


def test_the_content_of_anonymous_volumes_survives_a_failed_recreate(world: World) -> None:
    run(world, stack(web=service(volumes=["/content"])), 0)
    world.execute(world.container("shop", "web")["Id"], "sh", "-c", "echo kept >/content/file")
    run(world, stack(web=checked(["false"], volumes=["/content"])), 1)
    web = world.container("shop", "web")
    assert web["State"]["Running"]
    assert "Healthcheck" not in web["Config"]
    assert world.execute(web["Id"], "cat", "/content/file") == "kept"
    assert world.status("shop")["health"] == "Healthy"


def test_a_changed_network_comes_back_with_the_old_release(world: World) -> None:
    def model(web: Service, inner: dict[str, Any]) -> Model:
        return {**stack(web={**web, "networks": ["inner"]}), "networks": {"inner": inner}}

    run(world, model(service(), {}), 0)
    run(world, model(checked(["false"]), {"internal": True}), 1)
    web = world.container("shop", "web")
    assert web["State"]["Running"]
    assert "Healthcheck" not in web["Config"]
    network = world.engine.api.inspect_network(f"{world.name('shop')}_inner")
    assert not network["Internal"]
    assert web["Id"] in network["Containers"]
    assert world.status("shop")["health"] == "Healthy"


def test_nothing_is_left_of_a_first_release_that_fails_but_its_data(world: World) -> None:
    model = {**stack(web=checked(["false"], volumes=["content:/content"]), db=checked()), "volumes": {"content": {}}}
    run(world, model, 1)
    assert world.containers("shop") == []
    status = world.status("shop")
    assert (status["health"], status["release"], status["appliedRevision"]) == ("Missing", None, "")
    assert "There was no release before it" in status["message"]
    label = {"label": f"com.docker.compose.project={world.name('shop')}"}
    assert world.engine.api.networks(filters=label) == []
    assert len(world.engine.api.volumes(filters=label)["Volumes"]) == 1


def test_a_quarantined_release_is_not_tried_again_for_a_commit_that_changes_nothing(world: World) -> None:
    run(world, stack(web=checked()), 0)
    before = world.running("shop")
    run(world, stack(web=checked(["false"])), 1)
    message, passes = world.message("shop"), world.passes("shop")
    world.commit({"README.md": "nothing of the shop"})
    assert world.once().returncode == 1
    assert world.passes("shop") == passes
    assert world.running("shop") == before
    status = world.status("shop")
    assert (status["ready"], status["message"]) == ("False", message)
    assert "is unhealthy" in message


def test_a_new_commit_heals_and_what_failed_stays_in_quarantine(world: World) -> None:
    run(world, stack(web=checked()), 0)
    run(world, stack(web=checked(["false"])), 1)
    with world.daemon():
        commit = world.commit(world.compose("shop", stack(web=checked(environment=version(3)))))
        world.await_ready("shop", commit)
        assert [bool(release["quarantined"]) for release in world.releases("shop")] == [False, True, False]
        commit = world.commit(world.compose("shop", stack(web=checked(["false"]))))
        message = world.await_failure("shop")["message"]
    assert "release 2 is quarantined" in message
    assert "is unhealthy" in message
    assert [found["number"] for found in world.releases("shop")] == [3, 2, 1]
    assert "VERSION=3" in world.container("shop", "web")["Config"]["Env"]


def test_going_back_in_git_to_what_runs_makes_the_stack_ready_at_once(world: World) -> None:
    first = world.compose("shop", stack(web=checked()))
    world.commit(first)
    assert world.once().returncode == 0
    before = world.running("shop")
    run(world, stack(web=checked(["false"])), 1)
    commit = world.commit(first)
    assert world.once().returncode == 0
    assert world.is_ready_at("shop", commit)
    assert world.running("shop") == before


def test_force_tries_a_quarantined_release_again(world: World) -> None:
    """It failed for something outside of Git, which somebody mended."""
    gate = world.root / "data" / world.name("shop") / "gate"
    gate.mkdir(parents=True)
    first = world.commit(world.compose("shop", stack(web=checked())))
    with world.daemon():
        world.await_ready("shop", first)
        web = checked(["test", "-e", "/gate/open"], volumes=["./gate:/gate:ro"])
        second = world.commit(world.compose("shop", stack(web=web)))
        eventually(lambda: world.message("shop"), lambda seen: "Release 1 serves as before" in seen)
        (gate / "open").touch()
        passes = world.passes("shop")
        done = world.cli("reconcile", world.name("shop"), "--wait")
        assert done.returncode == 4
        assert world.passes("shop") == passes
        done = world.cli("reconcile", world.name("shop"), "--force", "--wait")
        assert done.returncode == 0, done.stdout + done.stderr
        assert world.is_ready_at("shop", second)


def test_a_port_that_is_taken_in_the_middle_of_a_release_is_no_reason_for_quarantine(world: World) -> None:
    """What served serves again, and the release is tried again by itself until the port is free."""
    first = world.commit(world.compose("shop", chain()))
    with world.daemon(), ExitStack() as holders:
        world.await_ready("shop", first)
        before = world.running("shop")
        # Only starting it tells which port of a range a container gets, so the release is well under way by then.
        low = two_ports_held(holders)
        model = chain({"third": checked(ports=[f"127.0.0.1:{low}-{low + 1}:80"])}, number=2)
        second = world.commit(world.compose("shop", model))
        status = world.await_failure("shop", "PortTaken")
        assert "start third's new container" in status["message"]
        eventually(lambda: world.running("shop"), lambda seen: seen.keys() == before.keys())
        assert not world.releases("shop")[0]["quarantined"]
        holders.close()
        world.await_ready("shop", second)
    assert not world.running("shop").keys() & before.keys()


def two_ports_held(holders: ExitStack) -> int:
    """The lower of two neighbours, both held until ``holders`` is closed."""
    while True:
        low = free_port()
        with ExitStack() as attempt, suppress(OSError, OverflowError):
            for port in (low, low + 1):
                attempt.enter_context(socket.create_server(("127.0.0.1", port)))
            holders.enter_context(attempt.pop_all())
            return low
