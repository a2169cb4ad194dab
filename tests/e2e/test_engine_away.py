"""An engine that is down, or restarts in the middle: said as it is, nothing is lost, and its return is all it takes.

On an engine of its own: the machine's is never touched.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.models import Model, Service, checked, service, stack, version
from tests.e2e.second_engine import SecondEngine
from tests.e2e.world import World, eventually

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(os.getuid() != 0, reason="only root can start an engine"),
]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[SecondEngine]:
    made = SecondEngine(tmp_path)
    try:
        made.start()
        made.load("rig/busybox:1")
        yield made
    finally:
        made.clean()


@pytest.fixture
def world(engine: SecondEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """One whose every part speaks to the scenario's own engine."""
    monkeypatch.setenv("DOCKER_HOST", engine.address)
    home = tmp_path / "home"
    home.mkdir()
    made = World(home)
    try:
        yield made
    finally:
        engine.start()
        made.clean()
        print(made.logs())


def alone(made: Service) -> Service:
    return {**made, "network_mode": "none"}


def shop(number: int, **more: Any) -> Model:
    return stack(web=alone(checked(environment=version(number), **more)), db=alone(service(environment=version(1))))


def test_while_the_engine_is_down_that_is_what_is_said_and_its_return_mends_everything(
    world: World, engine: SecondEngine
) -> None:
    first = world.commit(world.compose("shop", shop(1)))
    with world.daemon():
        world.await_ready("shop", first)
        before = world.ids("shop")
        engine.stop()
        status = eventually(lambda: world.status("shop"), lambda seen: seen["reason"] == "EngineUnavailable")
        assert status["ready"] == "Unknown"
        assert engine.address.removeprefix("unix://") in status["message"]
        assert "see that dockerd runs there" in status["message"]
        assert status["appliedRevision"] == first
        engine.start()
        world.await_ready("shop", first)
        # What the engine's end stopped was started again: the same containers.
        eventually(lambda: world.running("shop").keys(), lambda seen: seen == before.keys())
        assert world.ids("shop") == before


def test_a_commit_made_while_the_engine_is_down_is_applied_when_it_is_back(world: World, engine: SecondEngine) -> None:
    first = world.commit(world.compose("shop", shop(1)))
    with world.daemon():
        world.await_ready("shop", first)
        engine.stop()
        second = world.commit(world.compose("shop", shop(2)))
        eventually(world.logs, lambda seen: second[:9] in seen)
        engine.start()
        world.await_ready("shop", second)
    assert "VERSION=2" in world.container("shop", "web")["Config"]["Env"]
    assert "VERSION=1" in world.container("shop", "db")["Config"]["Env"]


def test_an_engine_that_restarts_in_the_middle_of_a_swap_costs_no_release(world: World, engine: SecondEngine) -> None:
    gate = world.root / "data" / world.name("shop") / "gate"
    gate.mkdir(parents=True)
    (gate / "1").touch()

    def files(number: int) -> dict[str, str]:
        web = alone(checked(["test", "-e", f"/gate/{number}"], volumes=["./gate:/gate:ro"]))
        model = stack(web=web, db=alone(service(environment=version(number))))
        return world.compose("shop", model, {"rollout": {"soak": "0s", "timeout": "60s"}})

    first = world.commit(files(1))
    with world.daemon():
        world.await_ready("shop", first)
        second = world.commit(files(2))
        eventually(lambda: len(world.containers("shop", "web")) == 2)
        engine.stop()
        eventually(lambda: world.status("shop"), lambda seen: seen["reason"] == "EngineUnavailable")
        (gate / "2").touch()
        engine.start()
        world.await_ready("shop", second)
        assert [bool(release["quarantined"]) for release in world.releases("shop")] == [False, False]
    for name in ("web", "db"):
        assert world.container("shop", name)["State"]["Running"]


def test_a_daemon_that_starts_before_its_engine_waits_for_it(world: World, engine: SecondEngine) -> None:
    commit = world.commit(world.compose("shop", shop(1)))
    engine.stop()
    done = world.once()
    assert done.returncode == 1
    assert "the Docker engine does not answer" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    with world.daemon():
        eventually(lambda: "engine_away" in world.logs())
        engine.start()
        world.await_ready("shop", commit)
