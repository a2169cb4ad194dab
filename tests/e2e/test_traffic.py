"""Releases under load: whatever becomes of them, no request is lost, and Traefik is told the truth in the end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reconciler.planning.upstreams import file_of
from tests.e2e.served import (
    STACK,
    Load,
    Served,
    behind_traefik,
    keep_alive,
    new_connections,
    slow,
    stream,
    websocket,
)
from tests.e2e.world import World, eventually

pytestmark = pytest.mark.engine

DOMAIN = "app.example"
QUICK = {"rollout": {"soak": "300ms", "timeout": "20s", "drain": "10s"}}
HEALTH = {"test": ["CMD", "healthcheck"], "interval": "300ms", "timeout": "3s", "retries": 5, "start_period": "10s"}


def model(version: str, scale: int = 1, **labels: str) -> dict[str, Any]:
    found = behind_traefik(DOMAIN)
    app = found["services"]["app"]
    found["services"]["app"] = {
        **app,
        "image": f"rig/app:{version}",
        "scale": scale,
        "healthcheck": HEALTH,
        "labels": {**app["labels"], **labels},
    }
    return found


def told(world: World) -> list[str]:
    """Whom Traefik asks, as its file says."""
    name = world.name(STACK)
    content = json.loads((world.root / "state" / "traefik" / name / file_of(name, "app")).read_bytes())
    return [server["url"] for server in content["http"]["services"][f"{name}.app"]["loadBalancer"]["servers"]]


def by_name(world: World) -> list[str]:
    return [f"http://app.{world.name(STACK)}.internal:3000"]


def test_no_request_is_lost_over_releases_a_failing_one_a_growing_one_and_a_killed_daemon(world: World) -> None:
    made = Served(world)
    load = Load(made.port, DOMAIN)

    def commit(version: str, scale: int = 1, **labels: str) -> str:
        return world.commit(world.compose(STACK, model(version, scale, **labels), QUICK))

    world.write_environment(STACK, f"TRAEFIK_IMAGE=rig/traefik:3\nHTTPS_PORT={made.port}\n")
    first = commit("1")
    with world.daemon() as daemon:
        world.await_ready(STACK, first)
        with load.running([keep_alive, new_connections, slow, stream, websocket]):
            world.await_ready(STACK, commit("2"))
            header = {
                "traefik.http.routers.app.middlewares": "x",
                "traefik.http.middlewares.x.headers.frameDeny": "true",
            }
            world.await_ready(STACK, commit("3", **header))
            patient = {**QUICK, "rollout": {**QUICK["rollout"], "timeout": "3s"}}
            world.commit(world.compose(STACK, model("unhealthy"), patient))
            world.await_failure(STACK, "HealthCheckFailed")
            eventually(lambda: told(world), lambda found: found == by_name(world))
            world.await_ready(STACK, commit("1", scale=2))
            last = commit("2", scale=2)
            eventually(lambda: said(world), lambda steps: "send what is for app to app's new container" in steps[-1])
            daemon.kill()
            assert told(world) != by_name(world)
            with world.daemon():
                world.await_ready(STACK, last)
                eventually(lambda: told(world), lambda found: found == by_name(world))
                put_wrong(world)
                eventually(lambda: told(world), lambda found: found == by_name(world))
    assert load.failures == []
    assert all(load.answered[kind] > 1 for kind in ("keep-alive", "new connection", "slow", "stream", "WebSocket"))


def put_wrong(world: World) -> None:
    """Somebody edits the file, as an editor does it."""
    name = world.name(STACK)
    path = world.root / "state" / "traefik" / name / file_of(name, "app")
    beside = Path(f"{path}.new")
    beside.write_text(path.read_text().replace(f"app.{name}.internal", f"app.{name}.internal."))
    beside.replace(path)


def said(world: World) -> list[str]:
    """The texts of the newest pass's steps, begun or ended."""
    with world.journal() as journal:
        assert journal is not None
        newest = journal.passes(world.name(STACK), 1)[0]
        return [step.text for step in journal.steps(newest.id)] or [""]
