"""What releases cost the people who use what is released: requests lost under load, and the longest time without an answer.

Peers, each with a load of its own: ``docker compose up -d``, and what people do against its gap: a second container beside the
first, which is stopped once the new one is healthy. All of them of the sample's proxy and of one app behind it.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.bench.certs import Loss
from tests.bench.stacks import newest_compose
from tests.e2e.served import STACK, Load, Served, ask_version, keep_alive, new_connections, slow
from tests.e2e.test_traffic import DOMAIN, QUICK, model
from tests.e2e.world import World, eventually

_VERSIONS = ("1", "2", "3")
_AT_REST_S = 0.5

Release = Callable[[str], object]


@dataclass(frozen=True)
class Losses:
    ours: Loss
    compose: Loss
    second: Loss


def releases_under_load(releases: int) -> Losses:
    with tempfile.TemporaryDirectory() as home:
        world = World(Path(home))
        try:
            with _reconciled(world) as (port, release):
                ours = _loss(port, release, releases)
            peer = _Peer(world)
            peer.up("1")
            compose, second = (_loss(peer.port, way, releases) for way in (peer.up, peer.beside))
            return Losses(ours, compose, second)
        finally:
            world.clean()


def _loss(port: int, release: Release, releases: int) -> Loss:
    eventually(lambda: ask_version(port, DOMAIN))
    with Load(port, DOMAIN).running([keep_alive, new_connections, slow]) as load:
        for number in range(1, releases + 1):
            version = _VERSIONS[number % len(_VERSIONS)]
            release(version)
            eventually(partial(_answers, port, version))
            time.sleep(_AT_REST_S)
    return Loss(len(load.failures), sum(load.answered.values()), load.gap_s)


def _answers(port: int, version: str) -> bool:
    return ask_version(port, DOMAIN) == version


@contextmanager
def _reconciled(world: World) -> Iterator[tuple[int, Release]]:
    made = Served(world)
    world.write_environment(STACK, f"TRAEFIK_IMAGE=rig/traefik:3\nHTTPS_PORT={made.port}\n")

    def commit(version: str) -> str:
        return world.commit(world.compose(STACK, model(version), QUICK))

    first = commit("1")
    with world.daemon():
        world.await_ready(STACK, first)
        yield made.port, lambda version: world.await_ready(STACK, commit(version))


class _Peer:
    """The same Compose file in the hands of Compose alone."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._project = world.name("peer")
        self._folder = world.home / "peer"
        self._folder.mkdir()
        (self._folder / "dynamic").mkdir()
        self.port = Served(world).port

    def up(self, version: str) -> None:
        self._compose(version, "up", "--detach")

    def beside(self, version: str) -> None:
        (old,) = self._apps()
        self._compose(version, "up", "--detach", "--no-recreate", "--scale", "app=2", "app")
        eventually(lambda: [self._is_healthy(found) for found in self._apps()] == [True, True])
        self._world.docker("stop", old)
        self._world.docker("rm", old)

    def _apps(self) -> list[str]:
        return [found["Id"] for found in self._world.containers("peer", "app")]

    def _is_healthy(self, container: str) -> bool:
        return self._world.docker("inspect", "--format", "{{.State.Health.Status}}", container) == "healthy"

    def _compose(self, version: str, *words: str) -> None:
        (self._folder / "compose.yaml").write_text(json.dumps(model(version)))
        given = {
            "TRAEFIK_IMAGE": "rig/traefik:3",
            "HTTPS_PORT": str(self.port),
            "RECONCILER_TRAEFIK_DIR": str(self._folder / "dynamic"),
        }
        command = [*newest_compose(), "--project-name", self._project, *words]
        subprocess.run(command, cwd=self._folder, check=True, capture_output=True, env={**os.environ, **given})
