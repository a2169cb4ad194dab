"""Releases under load: whatever becomes of them, no request is lost, and Traefik is told the truth in the end."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from reconciler.planning.upstreams import file_of
from tests.e2e.served import (
    STACK,
    Load,
    Served,
    ask_version,
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
HEALTH = {
    "test": ["CMD", "healthcheck"],
    "interval": "1s",
    "timeout": "3s",
    "retries": 2,
    "start_period": "10s",
    "start_interval": "300ms",
}


def model(version: str, scale: int = 1, labels: Mapping[str, str] = {}) -> dict[str, Any]:
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

    def commit(version: str, scale: int = 1, labels: Mapping[str, str] = {}) -> str:
        return world.commit(world.compose(STACK, model(version, scale, labels), QUICK))

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
            world.await_ready(STACK, commit("3", labels=header))
            patient = {**QUICK, "rollout": {**QUICK["rollout"], "timeout": "3s"}}
            world.commit(world.compose(STACK, model("unhealthy"), patient))
            world.await_failure(STACK, "HealthCheckFailed")
            watchful = {**QUICK, "rollout": {**QUICK["rollout"], "soak": "15s"}}
            late = model("fails-late")
            late["services"]["app"]["environment"] = {"FAIL_AFTER_S": "2"}
            world.commit(world.compose(STACK, late, watchful))
            eventually(lambda: len(world.releases(STACK)) == 5 and world.releases(STACK)[0]["outcome"] == "failed")
            assert "unhealthy" in world.releases(STACK)[0]["quarantined"]
            eventually(lambda: told(world), lambda found: found == by_name(world))
            world.await_ready(STACK, commit("1", scale=2))
            last = commit("2", scale=2)
            # Traffic is pinned then, and stays so for as long as the new ones are waited for.
            eventually(lambda: said(world), lambda steps: steps[-1].startswith("wait until app is healthy"))
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


def test_the_traefik_of_another_stack_leads_without_a_loss_and_stops_nobody_while_it_reads_nothing(
    world: World,
) -> None:
    """By http and by plain TCP. While it is down there is nobody to ask; then it reads when it starts."""
    made = Served(world)
    network = f"edge-{world.suffix}"
    world.docker("network", "create", network)
    try:
        world.write_environment("edge", f"TRAEFIK_IMAGE=rig/traefik:3\nHTTPS_PORT={made.port}\n")
        first = world.commit(
            {
                **world.compose("edge", edge(network, made.port), QUICK),
                **world.compose("shop", shop(network, "1"), QUICK),
            }
        )
        with world.daemon():
            world.await_ready("edge", first)
            world.await_ready("shop", first)
            eventually(lambda: ask_version(made.port, DOMAIN) == "1")
            load = Load(made.port, DOMAIN)
            with load.running([keep_alive, new_connections, plain(address_of(world, "edge", "traefik"))]):
                world.await_ready("shop", world.commit(world.compose("shop", shop(network, "2"), QUICK)))
            assert load.failures == []
            assert load.answered.keys() == {"keep-alive", "new connection", "plain TCP"}

            stranger = world.root / "state" / "traefik" / world.name("edge") / "stranger.yml"
            stranger.write_text("nobody: [can read this")
            last = world.commit(world.compose("shop", shop(network, "3"), QUICK))
            world.await_failure("shop", "TrafficNotShifted")
            assert ask_version(made.port, DOMAIN) == "2"

            assert world.cli("suspend", world.name("edge")).returncode == 0
            proxy = world.container("edge", "traefik")["Id"]
            world.docker("stop", "--time", "1", proxy)
            stranger.unlink()
            assert world.cli("reconcile", world.name("shop"), "--force", "--wait").returncode == 0
            world.await_ready("shop", last)
            world.docker("start", proxy)
            eventually(lambda: ask_version(made.port, DOMAIN) == "3")
    finally:
        world.clean()
        world.docker("network", "rm", network)


def edge(network: str, port: int) -> dict[str, Any]:
    """A Traefik that serves whoever is on its network."""
    proxy = behind_traefik(DOMAIN)["services"]["traefik"]
    command = [
        "--ping=true",
        "--providers.docker=true",
        "--providers.docker.exposedByDefault=false",
        f"--providers.docker.network={network}",
        "--providers.file.directory=/etc/traefik/dynamic",
        "--providers.providersThrottleDuration=200ms",
        "--entryPoints.websecure.address=:443",
        "--entryPoints.websecure.http.tls=true",
        "--entryPoints.plain.address=:9000",
    ]
    own = {"command": command, "ports": [f"{port}:443"], "networks": ["edge"]}
    return {"services": {"traefik": {**proxy, **own}}, "networks": outside(network)}


def shop(network: str, version: str) -> dict[str, Any]:
    app = model(version)["services"]["app"]
    labels = {
        **app["labels"],
        "traefik.tcp.routers.app.rule": "HostSNI(`*`)",
        "traefik.tcp.routers.app.entryPoints": "plain",
        "traefik.tcp.services.app.loadBalancer.server.port": "3000",
    }
    app |= {"labels": labels, "networks": ["edge", "inside"]}
    return {"services": {"app": app}, "networks": {**outside(network), "inside": {}}}


def outside(network: str) -> dict[str, Any]:
    return {"edge": {"name": network, "external": True}}


def address_of(world: World, stack: str, service: str) -> str:
    networks = world.container(stack, service)["NetworkSettings"]["Networks"]
    return next(str(place["IPAddress"]) for place in networks.values())


def plain(address: str) -> Callable[[Load, threading.Event], None]:
    def client(load: Load, over: threading.Event) -> None:
        while not over.is_set():
            connection = http.client.HTTPConnection(address, 9000, timeout=10)
            try:
                connection.request("GET", "/version", headers={"Connection": "close"})
                answer = connection.getresponse()
                answer.read()
                load.count("plain TCP", answer.status)
            except (OSError, http.client.HTTPException) as error:
                load.fail("plain TCP", error)
            finally:
                connection.close()

    return client
