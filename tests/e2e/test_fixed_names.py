"""A service with a ``container_name`` is found by it, whichever of its containers holds the name just now."""

from __future__ import annotations

from subprocess import CompletedProcess

import pytest

from tests.e2e.world import World

pytestmark = pytest.mark.engine


def test_a_service_is_found_by_its_fixed_name_while_it_is_replaced(world: World) -> None:
    """The old container keeps the name until the whole release is proven, and stops before: a release could not be
    proven whose services find each other by their fixed names."""
    name = f"{world.name('shop')}-the-database"
    assert deploy(world, name, "1").returncode == 0
    done = deploy(world, name, "2")
    assert done.returncode == 0, done.stdout
    assert world.container("shop", "db")["Name"] == f"/{name}"
    assert world.container("shop", "db")["Config"]["Env"][0] == "VERSION=2"


def deploy(world: World, name: str, version: str) -> CompletedProcess[str]:
    common = {"image": "rig/busybox:1", "command": ["sleep", "3600"], "environment": {"VERSION": version}}
    look = {"test": ["CMD", "nslookup", name], "interval": "200ms", "retries": 3, "timeout": "2s"}
    services = {
        "db": {**common, "container_name": name, "stop_grace_period": "0s"},
        "app": {**common, "depends_on": ["db"], "healthcheck": look, "stop_grace_period": "0s"},
    }
    world.commit(world.compose("shop", {"services": services}))
    return world.once()
