"""Plan: what ``diff`` prints, that it touches nothing, and that ``reconcile`` then does just that."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.e2e.models import checked, service, stack, version
from tests.e2e.world import World
from tests.free_ports import free_port

pytestmark = pytest.mark.engine


def everything(world: World, name: str) -> dict[str, Any]:
    """All that the engine holds of a stack, but what its healthchecks do there."""
    label = {"label": f"com.docker.compose.project={world.name(name)}"}
    containers = world.containers(name)
    for found in containers:
        found["State"].pop("Health", None)
        found.pop("ExecIDs", None)
    return {
        "containers": containers,
        "networks": sorted(found["Id"] for found in world.engine.api.networks(filters=label)),
        "volumes": sorted(found["Name"] for found in world.engine.api.volumes(filters=label)["Volumes"] or ()),
    }


def steps_told(text: str) -> list[str]:
    """The numbered steps of a printed diff, without their causes."""
    return [re.sub(r"\s+\[.*\]$", "", found) for found in re.findall(r"^ *\d+\. (.*)$", text, re.MULTILINE)]


def test_diff_tells_for_each_service_what_how_in_which_order_and_why(world: World) -> None:
    port = free_port()
    model = stack(
        web=checked(environment={"GREETING": "hello"}, depends_on=["db"]),
        db=service(ports=[f"127.0.0.1:{port}:80"], environment=version(1)),
        same=service(),
        old=service(),
    )
    world.commit(world.compose("shop", model))
    assert world.once().returncode == 0
    changed = stack(
        web=checked(environment={"GREETING": "good day"}, depends_on=["db"]),
        db=service(ports=[f"127.0.0.1:{port}:80"], environment=version(2)),
        same=service(),
        new=service(),
    )
    world.commit(world.compose("shop", changed))
    done = world.cli("diff", world.name("shop"))
    told = done.stdout
    assert done.returncode == 1
    assert re.search(r"^web +replace, start-first \(.+\) because its definition changed$", told, re.MULTILINE)
    assert "environment.GREETING: 'hello' -> 'good day'" in told
    reason = rf"host port 127\.0\.0\.1:{port} can be held by one container only"
    assert re.search(rf"^db +replace, stop-first \({reason}\) because its definition changed$", told, re.MULTILINE)
    assert "environment.VERSION: '1' -> '2'" in told
    assert re.search(r"^new +create because it is new$", told, re.MULTILINE)
    assert re.search(r"^old +remove because it is no longer in the release$", told, re.MULTILINE)
    assert "no change: same" in told
    steps = steps_told(told)
    name = world.name("shop")
    order = [
        f"stop {name}-db-1",
        "start db's new container",
        "start web's new container",
        f"stop {name}-web-1",
        f"remove {name}-db-1, its volumes stay",
        f"stop {name}-old-1",
    ]
    assert [step for step in steps if step in order] == order


def test_what_diff_told_is_what_reconcile_journals(world: World) -> None:
    world.commit(world.compose("shop", stack(web=checked(scale=2), db=service(container_name=world.name("db")))))
    first = world.cli("diff", world.name("shop"))
    assert first.returncode == 1, first.stderr
    assert world.once().returncode == 0
    assert world.steps("shop") == steps_told(first.stdout)
    changed = stack(web=checked(scale=2, environment=version(2)), db=service(container_name=world.name("base")))
    world.commit(world.compose("shop", changed))
    second = world.cli("diff", world.name("shop"))
    assert second.returncode == 1, second.stderr
    assert world.once().returncode == 0
    assert world.steps("shop") == steps_told(second.stdout)
    assert world.cli("diff", world.name("shop")).returncode == 0


def test_diff_changes_nothing_on_the_host(world: World) -> None:
    world.commit(
        world.compose(
            "shop", stack(web=checked(), db=service(volumes=["content:/content"])) | {"volumes": {"content": {}}}
        )
    )
    assert world.once().returncode == 0
    engine, passes, releases = everything(world, "shop"), world.passes("shop"), world.releases("shop")
    status = world.status("shop")
    model = stack(web=checked(environment=version(2)), new=service(volumes=["more:/more", "./data:/data"]))
    world.commit(world.compose("shop", model | {"volumes": {"more": {}}, "networks": {"default": {"internal": True}}}))
    assert world.cli("diff").returncode == 1
    assert everything(world, "shop") == engine
    assert (world.passes("shop"), world.releases("shop"), world.status("shop")) == (passes, releases, status)
    assert not (world.root / "data" / world.name("shop")).exists()


def test_diff_needs_no_daemon_and_no_pass_before_it(world: World) -> None:
    world.commit(world.compose("shop", stack(web=service())))
    done = world.cli("diff")
    assert done.returncode == 1, done.stderr
    assert "create because it is new" in done.stdout
    assert world.containers("shop") == []


def test_no_value_of_a_secret_is_ever_printed(world: World) -> None:
    """Neither in a diff nor in what is journalled, logged or told of its failing; wherever the value is put."""
    secrets = {"first": "correct-horse-1", "second": "battery-staple-2", "tracked": "tracked-token-3"}

    def release(text: str) -> dict[str, str]:
        web = service(
            environment={"DATABASE_URL": "postgres://app:${DB_PASSWORD}@db/app", "API_TOKEN": secrets["tracked"]},
            labels={"note": "${DB_PASSWORD}"},
            secrets=["password"],
            command=["sh", "-c", text],
        )
        return world.compose("shop", {**stack(web=web), "secrets": {"password": {"environment": "DB_PASSWORD"}}})

    world.write_environment("shop", f"DB_PASSWORD={secrets['first']}\n")
    world.commit(release("trap 'exit 0' TERM; sleep 1d & wait"))
    told = [world.once()]
    assert told[0].returncode == 0
    world.write_environment("shop", f"DB_PASSWORD={secrets['second']}\n")
    world.commit(release("cat /run/secrets/password; echo $$DATABASE_URL; exit 3"))
    diff = world.cli("diff")
    assert "environment.DATABASE_URL: changed (secret, not shown)" in diff.stdout
    told += [diff, world.cli("diff", "-o", "json"), world.once()]
    assert "ended with exit status 3" in told[-1].stdout
    name = world.name("shop")
    for words in (("get", "-o", "json"), ("get", name), ("history", name), ("history", name, "--steps"), ("events",)):
        told.append(world.cli(*words))
    for done in told:
        for secret in secrets.values():
            assert secret not in done.stdout + done.stderr, done.args


def test_diff_ends_with_2_where_a_stack_cannot_be_looked_at(world: World) -> None:
    world.commit(world.compose("shop", stack(web=service())))
    assert world.once().returncode == 0
    assert world.cli("diff").returncode == 0
    world.commit({**world.compose("broken", "services: [1]"), **world.compose("fine", stack(web=service()))})
    done = world.cli("diff")
    assert done.returncode == 2
    assert "broken" in done.stdout + done.stderr
    assert "create because it is new" in done.stdout


def test_diff_of_another_revision_tells_of_that_one(world: World) -> None:
    world.commit(world.compose("shop", stack(web=service(environment=version(1)))))
    assert world.once().returncode == 0
    world.git("switch", "--quiet", "--create", "feature")
    world.commit(world.compose("shop", stack(web=service(environment=version(7)))))
    world.git("switch", "--quiet", "main")
    done = world.cli("diff", world.name("shop"), "--revision", "feature")
    assert done.returncode == 1
    assert "environment.VERSION: '1' -> '7'" in done.stdout
    assert world.cli("diff", world.name("shop")).returncode == 0


def test_diff_as_json_has_the_same_steps_and_changes(world: World) -> None:
    world.commit(world.compose("shop", stack(web=service(environment=version(1)))))
    assert world.once().returncode == 0
    world.commit(world.compose("shop", stack(web=service(environment=version(2)))))
    found = json.loads(world.cli("diff", "-o", "json").stdout)[0]
    assert [step["text"] for step in found["steps"]] == steps_told(world.cli("diff").stdout)
    web = found["services"][0]
    assert (web["service"], web["verb"], web["strategy"]) == ("web", "replace", "start-first")
    assert web["changes"] == [{"key": "environment.VERSION", "old": "1", "new": "2", "secret": False}]
