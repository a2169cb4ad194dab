"""A service is found by the names that its Compose file gives it, whichever of its containers serves just now."""

from __future__ import annotations

from subprocess import CompletedProcess

import pytest

from tests.e2e.world import World

pytestmark = pytest.mark.engine

COMMON = {"image": "rig/busybox:1", "command": ["sleep", "3600"], "stop_grace_period": "0s"}


def test_a_service_is_found_by_its_fixed_name_while_it_is_replaced(world: World) -> None:
    """The old container keeps the name until the whole release is proven, and stops before: a release could not be
    proven whose services find each other by their fixed names."""
    name = f"{world.name('shop')}-the-database"
    assert deploy(world, name, "1").returncode == 0
    done = deploy(world, name, "2")
    assert done.returncode == 0, done.stdout
    assert world.container("shop", "db")["Name"] == f"/{name}"
    assert world.container("shop", "db")["Config"]["Env"][0] == "VERSION=2"


def test_a_link_leads_to_the_container_that_replaced_the_one_it_was_made_for(world: World) -> None:
    for version in ("1", "2"):
        services = {
            "db": {**COMMON, "environment": {"VERSION": version}},
            "app": {**COMMON, "links": ["db:the-database"]},
        }
        world.commit(world.compose("shop", {"services": services}))
        assert world.once().returncode == 0
        assert "Address" in world.execute(world.container("shop", "app")["Id"], "nslookup", "the-database")


def deploy(world: World, name: str, version: str) -> CompletedProcess[str]:
    look = {"test": ["CMD", "nslookup", name], "interval": "200ms", "retries": 3, "timeout": "2s"}
    services = {
        "db": {**COMMON, "container_name": name, "environment": {"VERSION": version}},
        "app": {**COMMON, "environment": {"VERSION": version}, "depends_on": ["db"], "healthcheck": look},
    }
    world.commit(world.compose("shop", {"services": services}))
    return world.once()
