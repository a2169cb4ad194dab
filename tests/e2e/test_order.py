"""Order: ``depends_on`` and its conditions, one-shot services, and what waits for what."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.models import Service, checked, script, service, stack, version
from tests.e2e.timeline import Timeline
from tests.e2e.world import World

pytestmark = pytest.mark.engine


def after(condition: str, *names: str, **more: Any) -> dict[str, Any]:
    return {name: {"condition": f"service_{condition}", **more} for name in names}


def migration(number: int, text: str = "") -> Service:
    """Writes its number down each time it runs."""
    run = text or f"echo migrating to {number}; echo {number} >>/log/migrations"
    return script(run, volumes=["./log:/log"], environment=version(number))


def migrated(world: World, number: int, text: str = "") -> dict[str, str]:
    """Files of a release whose app waits for its own migration."""
    app = checked(environment=version(number), depends_on=after("completed_successfully", "migrate"))
    return world.compose("shop", stack(migrate=migration(number, text), app=app, other=service()))


def test_each_service_starts_only_when_what_it_depends_on_is_healthy(world: World) -> None:
    def release(number: int) -> dict[str, str]:
        env = version(number)
        return world.compose(
            "shop",
            stack(
                app=checked(environment=env, depends_on=after("healthy", "api")),
                api=checked(environment=env, depends_on=after("healthy", "db")),
                db=checked(environment=env),
            ),
        )

    with Timeline(world, "shop") as timeline:
        world.commit(release(1))
        assert world.once().returncode == 0
        first = timeline.order("start", "health_status: healthy")
        world.commit(release(2))
        assert world.once().returncode == 0
        both = timeline.order("start", "health_status: healthy")
    # Later checks say healthy again only after they said otherwise, so each appears once a container.
    wanted = [(action, name) for name in ("db", "api", "app") for action in ("start", "health_status: healthy")]
    assert first == wanted
    assert both == wanted * 2


def test_a_migration_runs_once_for_each_release_before_anything_that_waits_for_it(world: World) -> None:
    log = world.root / "data" / world.name("shop") / "log" / "migrations"
    with Timeline(world, "shop") as timeline:
        world.commit(migrated(world, 1))
        assert world.once().returncode == 0
        assert log.read_text() == "1\n"
        world.commit(migrated(world, 2))
        assert world.once().returncode == 0
        order = [found for found in timeline.order("start", "die", "destroy") if found[1] in ("app", "migrate")]
    assert log.read_text() == "1\n2\n"
    second = order[3:]  # of the first: the migration starts and ends, the app starts
    assert order[:3] == [("start", "migrate"), ("die", "migrate"), ("start", "app")]
    assert second[:4] == [("start", "migrate"), ("die", "migrate"), ("start", "app"), ("die", "app")]
    world.commit({"README.md": "nothing"})
    assert world.once().returncode == 0
    assert log.read_text() == "1\n2\n"


def test_a_commit_that_leaves_the_migration_as_it_is_does_not_run_it_again(world: World) -> None:
    log = world.root / "data" / world.name("shop") / "log" / "migrations"
    world.commit(migrated(world, 1))
    assert world.once().returncode == 0
    job = world.container("shop", "migrate")["Id"]
    app = checked(environment=version(2), depends_on=after("completed_successfully", "migrate"))
    world.commit(world.compose("shop", stack(migrate=migration(1), app=app, other=service())))
    assert world.once().returncode == 0
    assert log.read_text() == "1\n"
    assert world.container("shop", "migrate")["Id"] == job
    assert world.status("shop")["release"] == 2


def test_a_migration_that_fails_leaves_the_old_app_serving_and_is_not_tried_again(world: World) -> None:
    world.commit(migrated(world, 1))
    assert world.once().returncode == 0
    before = world.running("shop")
    world.commit(migrated(world, 2, "echo 2 >>/log/migrations; echo no such table; exit 7"))
    assert world.once().returncode == 1
    assert world.running("shop") == before
    status = world.status("shop")
    assert status["reason"] == "JobFailed"
    assert "wait until migrate has ended with exit status 0" in status["message"]
    assert "ended with exit status 7" in status["message"]
    assert "no such table" in status["message"]
    assert "Release 1 serves as before" in status["message"]
    world.commit({"README.md": "nothing"})
    assert world.once().returncode == 1
    log = world.root / "data" / world.name("shop") / "log" / "migrations"
    assert log.read_text() == "1\n2\n"
    assert world.running("shop") == before


def test_a_service_restarts_with_what_it_depends_on_where_it_says_so(world: World) -> None:
    def release(number: int) -> dict[str, str]:
        app = service(depends_on=after("started", "cache", restart=True))
        aside = service(depends_on=after("started", "cache"))
        return world.compose("shop", stack(cache=service(environment=version(number)), app=app, aside=aside))

    world.commit(release(1))
    assert world.once().returncode == 0
    before = {name: world.container("shop", name) for name in ("app", "aside")}
    world.commit(release(2))
    assert world.once().returncode == 0
    after_it = {name: world.container("shop", name) for name in ("app", "aside")}
    assert {name: found["Id"] for name, found in after_it.items()} == {
        name: found["Id"] for name, found in before.items()
    }
    assert after_it["app"]["State"]["StartedAt"] > before["app"]["State"]["StartedAt"]
    assert after_it["aside"]["State"]["StartedAt"] == before["aside"]["State"]["StartedAt"]
