"""Prune: what is no longer in the release goes last, volumes and host data never, and not too much at once."""

from __future__ import annotations

import pytest

from tests.e2e.models import Model, checked, service, stack, version
from tests.e2e.timeline import Timeline
from tests.e2e.world import World

pytestmark = pytest.mark.engine


def run(world: World, model: Model, expect: int = 0, **manifest: object) -> str:
    world.commit(world.compose("shop", model, dict(manifest)))
    done = world.once()
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout


def networks(world: World) -> set[str]:
    label = {"label": f"com.docker.compose.project={world.name('shop')}"}
    return {found["Name"].removeprefix(f"{world.name('shop')}_") for found in world.engine.api.networks(filters=label)}


def with_cache(number: int) -> Model:
    return {
        **stack(
            web=checked(environment=version(number)),
            cache=service(networks=["inner"], volumes=["content:/content", "./files:/files"]),
        ),
        "networks": {"default": {}, "inner": {}},
        "volumes": {"content": {}},
    }


def test_a_removed_service_and_its_network_go_last_and_its_volume_never(world: World) -> None:
    with Timeline(world, "shop") as timeline:
        run(world, with_cache(1))
        cache = world.container("shop", "cache")["Id"]
        world.execute(cache, "sh", "-c", "echo kept >/content/file; echo kept >/files/file")
        assert networks(world) == {"default", "inner"}
        run(world, stack(web=checked(environment=version(2))))
        moments = timeline.moments()
    ends = [moment.service for moment in moments if moment.action == "destroy"]
    assert ends == ["web", "cache"]
    assert world.containers("shop", "cache") == []
    assert networks(world) == {"default"}
    assert world.steps("shop")[-1] == f"remove network {world.name('shop')}_inner"
    run(world, with_cache(3))
    cache = world.container("shop", "cache")["Id"]
    assert world.execute(cache, "cat", "/content/file", "/files/file") == "kept\nkept"


def test_a_release_that_fails_has_removed_nothing(world: World) -> None:
    run(world, with_cache(1))
    before = world.running("shop")
    run(world, stack(web=checked(["false"])), expect=1)
    assert world.running("shop") == before
    assert networks(world) == {"default", "inner"}


def test_a_commit_that_would_remove_most_services_removes_none_and_says_so(world: World) -> None:
    run(world, stack(web=service(), db=service(), cache=service()))
    before = world.running("shop")
    world.commit(world.compose("shop", stack(web=service())))
    told = world.cli("diff", world.name("shop"))
    assert "cache, db: left running" in told.stdout
    assert "prune.maxRemovePercent" in told.stdout
    assert world.once().returncode == 0
    assert world.running("shop") == before
    assert "release 2 is healthy; cache, db: left running" in world.message("shop")
    run(world, stack(web=service()), prune={"maxRemovePercent": 100})
    assert world.running("shop").keys() == {f"{world.name('shop')}-web-1"}


def test_where_prune_is_disabled_what_was_removed_runs_on(world: World) -> None:
    run(world, stack(web=service(), db=service()))
    before = world.running("shop")
    run(world, stack(web=service()), prune={"enabled": False})
    assert world.running("shop") == before


def test_a_volume_whose_definition_changed_keeps_its_content(world: World) -> None:
    """Compose would offer to make it anew, without its data."""

    def model(number: int) -> Model:
        web = service(volumes=["content:/content"], environment=version(number))
        return {**stack(web=web), "volumes": {"content": {"labels": {"number": str(number)}}}}

    run(world, model(1))
    world.execute(world.container("shop", "web")["Id"], "sh", "-c", "echo kept >/content/file")
    run(world, model(2))
    web = world.container("shop", "web")
    assert "VERSION=2" in web["Config"]["Env"]
    assert world.execute(web["Id"], "cat", "/content/file") == "kept"


def test_what_people_run_on_the_network_of_a_stack_is_left_alone(world: World) -> None:
    """A container of theirs on the stack's own network."""
    run(world, stack(web=service(), db=service()))
    name = world.name("shop")
    theirs = world.docker(
        "run", "-d", "--label", f"com.docker.compose.project={world.name('theirs')}", "--network", f"{name}_default",
        "rig/busybox:1", "sleep", "1d",
    )  # fmt: skip
    run(world, stack(web=service(environment=version(2))))
    assert world.engine.api.inspect_container(theirs)["State"]["Running"]
    assert networks(world) == {"default"}


def test_a_compose_project_of_the_same_name_that_is_not_ours_is_never_touched(world: World) -> None:
    name = world.name("shop")
    theirs = world.docker(
        "run", "-d", "--name", f"{name}-web-1", "--label", f"com.docker.compose.project={name}",
        "--label", "com.docker.compose.service=web", "rig/busybox:1", "sleep", "1d",
    )  # fmt: skip
    world.commit({**world.compose("shop", stack(web=service())), **world.compose("other", stack(web=service()))})
    assert world.once().returncode == 1
    status = world.status("shop")
    assert (status["ready"], status["reason"]) == ("False", "NotOurs")
    assert f"{name}-web-1" in status["message"]
    assert world.ids("shop") == {f"{name}-web-1": theirs}
    assert world.status("other")["ready"] == "True"
    world.docker("rm", "--force", theirs)
    assert world.once().returncode == 0
    assert world.container("shop", "web")["Id"] != theirs
