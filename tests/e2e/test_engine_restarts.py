"""The engine restarts in the middle of a swap under load: what serves goes on serving, and nobody is sent to an address that
another container has got meanwhile.

On an engine of its own, with networks of its own: the load and the daemon are where these are.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.second_engine import SecondEngine
from tests.e2e.served import STACK, Load, Served, ask_version, keep_alive, new_connections, slow
from tests.e2e.test_traffic import DOMAIN, address_of, by_name, model, said, told
from tests.e2e.world import RECONCILER, World, eventually

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(os.getuid() != 0, reason="only root can start an engine"),
]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[SecondEngine]:
    made = SecondEngine(tmp_path, networked=True)
    try:
        made.start("--live-restore")
        made.load("rig/app:1", "rig/app:2", "rig/app:3", "rig/traefik:3")
        yield made
    finally:
        made.clean()


@pytest.fixture
def world(engine: SecondEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
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


def test_what_serves_goes_on_over_restarts_of_the_engine_in_the_middle_of_swaps(
    world: World, engine: SecondEngine
) -> None:
    made = Served(world)
    gate = world.root / "data" / world.name(STACK) / "gate"
    gate.mkdir(parents=True)

    def commit(version: str) -> str:
        """A release that is healthy when ``open`` says so."""
        found = model(version)
        app = found["services"]["app"]
        app |= {"restart": "always", "volumes": ["./gate:/gate:ro"], "healthcheck": healthy_when(version)}
        return world.commit(
            world.compose(STACK, found, {"rollout": {"soak": "300ms", "timeout": "60s", "drain": "5s"}})
        )

    def waiting() -> None:
        """Traffic is pinned, and the new one not proven."""
        eventually(lambda: said(world), lambda steps: steps[-1].startswith("wait until app is healthy"))
        assert told(world) != by_name(world)

    def settled(commit: str, version: str) -> None:
        (gate / version).touch()
        world.await_ready(STACK, commit)
        eventually(lambda: told(world), lambda found: found == by_name(world))
        eventually(lambda: asked(made.port), lambda found: found == version)

    def asked(port: int) -> str:
        with engine.thread_inside():
            return ask_version(port, DOMAIN)

    world.write_environment(STACK, f"TRAEFIK_IMAGE=rig/traefik:3\nHTTPS_PORT={made.port}\n")
    (gate / "1").touch()
    first = commit("1")
    with world.daemon([*engine.inside, RECONCILER]):
        world.await_ready(STACK, first)
        # Not by the published port, which the engine itself opens anew.
        load = Load(443, DOMAIN, address_of(world, STACK, "traefik"))
        with load.running([from_inside(engine, client) for client in (keep_alive, new_connections, slow)]):
            second = commit("2")
            waiting()
            engine.stop()
            eventually(lambda: world.status(STACK), lambda seen: seen["reason"] == "EngineUnavailable")
            engine.start("--live-restore")
            settled(second, "2")
        assert load.failures == []
        assert load.answered.keys() == {"keep-alive", "new connection", "slow"}

        # One that takes its containers along, which have other addresses when they are back.
        third = commit("3")
        waiting()
        engine.stop()
        engine.start()
        eventually(lambda: asked(made.port), lambda found: found == "2")
        settled(third, "3")


def healthy_when(version: str) -> dict[str, Any]:
    return {
        "test": ["CMD", "test", "-e", f"/gate/{version}"],
        "interval": "5s",
        "timeout": "3s",
        "start_period": "90s",
        "start_interval": "300ms",
    }


def from_inside(
    engine: SecondEngine, client: Callable[[Load, threading.Event], None]
) -> Callable[[Load, threading.Event], None]:
    def moved(load: Load, over: threading.Event) -> None:
        with engine.thread_inside():
            client(load, over)

    return moved
