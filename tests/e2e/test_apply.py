"""Apply: images before anything stops, swaps by rule, scale one by one, fixed names, Compose's own recreate."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from reconciler.adapters.compose import find
from tests.e2e.models import PROMPT, Model, checked, script, service, stack, version
from tests.e2e.timeline import Timeline
from tests.e2e.world import World, eventually
from tests.free_ports import free_port

pytestmark = pytest.mark.engine

REGISTRY = Path(__file__).parent.parent / "rig" / "registry"


def push(world: World, tag: str) -> str:
    """A name to pull ``rig/busybox:<tag>`` by, which the engine does not hold."""
    own = f"rig/e2e-{world.suffix}:{tag}"
    world.docker("tag", f"rig/busybox:{tag}", own)
    done = subprocess.run([str(REGISTRY), "push", own], capture_output=True, text=True, check=True)
    name = done.stdout.split()[-1]
    world.docker("image", "rm", own, name)
    return name


def released(world: World, *models: Model) -> list[dict[str, str]]:
    """Apply one after another; what ran after each, by service."""
    found = []
    for model in models:
        world.commit(world.compose("shop", model))
        done = world.once()
        assert done.returncode == 0, done.stdout + done.stderr
        found.append(
            {entry["Config"]["Labels"]["com.docker.compose.service"]: entry["Id"] for entry in world.containers("shop")}
        )
    return found


def test_an_image_is_pulled_with_progress_before_anything_stops(world: World) -> None:
    image = push(world, "2")
    with Timeline(world, "shop") as timeline:
        released(world, stack(web=checked(), db=checked()))
        world.commit(world.compose("shop", stack(web=checked(environment=version(2)), db=checked(image=image))))
        planned = [step["text"] for step in json.loads(world.cli("diff", "-o", "json").stdout)[0]["steps"]]
        done = world.once()
        assert done.returncode == 0, done.stdout
        assert 0 not in timeline.serving("web") + timeline.serving("db")
    assert world.steps("shop") == planned
    assert planned[0] == f"pull image {image}"
    assert f"pulling {image}" in done.stdout
    assert world.container("shop", "db")["Image"] == world.engine.api.inspect_image("rig/busybox:2")["Id"]
    world.docker("image", "rm", "--force", image)


def test_a_missing_image_leaves_everything_untouched_and_once_pushed_the_stack_goes_on_by_itself(world: World) -> None:
    image = f"127.0.0.1:5000/e2e-{world.suffix}:2"
    subprocess.run([str(REGISTRY), "ensure"], check=True, capture_output=True)
    first = world.commit(world.compose("shop", stack(web=service(), db=service())))
    with world.daemon():
        world.await_ready("shop", first)
        before = world.running("shop")
        model = stack(web=service(environment=version(2)), db=service(image=image))
        second = world.commit(world.compose("shop", model))
        status = world.await_failure("shop", "ImagePullFailed")
        assert image in status["message"]
        assert world.running("shop") == before
        assert not world.releases("shop")[0]["quarantined"]
        assert push(world, "2") == image
        world.await_ready("shop", second)
    assert not before.keys() & world.running("shop").keys()
    world.docker("image", "rm", "--force", image)


def test_a_start_first_service_never_stops_serving_over_a_release(world: World) -> None:
    with Timeline(world, "shop") as timeline:
        first, second = released(world, stack(web=checked()), stack(web=checked(environment=version(2))))
        assert first["web"] != second["web"]
        assert timeline.serving("web") == [1, 2, 1]


def test_a_service_with_a_host_port_stops_before_its_successor_starts(world: World) -> None:
    port = free_port()

    def model(number: int) -> Model:
        serve = f"mkdir -p /www; echo version {number} >/www/index.html; exec httpd -f -p 80 -h /www"
        return stack(web=script(serve, ports=[f"127.0.0.1:{port}:80"], stop_signal="SIGKILL"))

    with Timeline(world, "shop") as timeline:
        released(world, model(1), model(2))
        assert max(timeline.alive("web")) == 1
        order = timeline.order("start", "die", "destroy")
    assert [action for action, _ in order] == ["start", "die", "start", "destroy"]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
        assert answer.read() == b"version 2\n"


def test_a_database_has_one_writer_at_a_time_and_keeps_its_rows(world: World) -> None:
    def model(number: int) -> Model:
        db = {
            "image": "rig/postgres:15",
            "environment": {"POSTGRES_PASSWORD": "secret-of-test", "VERSION": str(number)},
            "volumes": ["rows:/var/lib/postgresql/data"],
            "healthcheck": {
                "test": ["CMD-SHELL", "pg_isready -h 127.0.0.1 -U postgres"],
                "interval": "1m",
                **PROMPT,
            },
        }
        return {**stack(db=db), "volumes": {"rows": {}}}

    def sql(text: str) -> str:
        return world.execute(world.container("shop", "db")["Id"], "psql", "-U", "postgres", "-Atc", text)

    with Timeline(world, "shop") as timeline:
        released(world, model(1))
        sql("create table visits (n int); insert into visits values (42)")
        released(world, model(2))
        assert max(timeline.alive("db")) == 1
    assert sql("select n from visits") == "42"
    assert "VERSION=2" in world.container("shop", "db")["Config"]["Env"]


def test_three_containers_of_a_service_are_rolled_one_by_one(world: World) -> None:
    with Timeline(world, "shop") as timeline:
        released(world, stack(web=checked(scale=3)), stack(web=checked(scale=3, environment=version(2))))
        serving, alive = timeline.serving("web"), timeline.alive("web")
    assert serving[:3] == [1, 2, 3]
    assert set(serving[3:]) == {3, 4}
    assert max(alive) == 4
    assert len(world.containers("shop", "web")) == 3
    assert all("VERSION=2" in found["Config"]["Env"] for found in world.containers("shop", "web"))


def test_a_scale_up_and_down_leaves_those_that_stay_alone(world: World) -> None:
    released(world, stack(web=service(scale=2)))
    two = world.running("shop")
    released(world, stack(web=service(scale=4)))
    four = world.running("shop")
    assert two.items() <= four.items()
    assert len(four) == 4
    released(world, stack(web=service(scale=1)))
    assert len(world.containers("shop")) == 1
    assert world.running("shop").items() <= four.items()


def test_a_fixed_container_name_goes_from_the_old_container_to_the_new_one(world: World) -> None:
    name = world.name("the-web")
    with Timeline(world, "shop") as timeline:
        first, second = released(
            world,
            stack(web=checked(container_name=name)),
            stack(web=checked(container_name=name, environment=version(2))),
        )
        assert 0 not in timeline.serving("web")
    assert world.ids("shop") == {name: second["web"]}
    assert first["web"] != second["web"]


def test_the_content_of_anonymous_volumes_is_carried_over(world: World) -> None:
    released(world, stack(web=service(volumes=["/content"]), other=service()))
    other = world.container("shop", "other")["Id"]
    world.execute(world.container("shop", "web")["Id"], "sh", "-c", "echo kept >/content/file")
    world.commit(
        world.compose("shop", stack(web=service(volumes=["/content"], environment=version(2)), other=service()))
    )
    told = world.cli("diff").stdout
    assert "recreate (its anonymous volumes must carry over to the new container)" in told
    assert world.once().returncode == 0
    web = world.container("shop", "web")
    assert "VERSION=2" in web["Config"]["Env"]
    assert world.execute(web["Id"], "cat", "/content/file") == "kept"
    assert world.container("shop", "other")["Id"] == other


def test_a_service_that_lives_in_the_network_of_another_goes_with_it(world: World) -> None:
    def model(web: int, sidecar: int) -> Model:
        return stack(
            web=service(environment=version(web)),
            sidecar=service(environment=version(sidecar), network_mode="service:web"),
            other=service(),
        )

    first, second, third = released(world, model(1, 1), model(2, 1), model(2, 2))
    assert {name for name in first if first[name] != second[name]} == {"web", "sidecar"}
    assert {name for name in first if second[name] != third[name]} == {"sidecar"}
    sidecar = world.container("shop", "sidecar")
    assert sidecar["HostConfig"]["NetworkMode"] == f"container:{third['web']}"
    assert sidecar["State"]["Running"]

    # The same container, and yet another network: what lived in the one before is alone.
    world.docker("restart", "--time", "0", third["web"])
    assert "eth0" not in world.execute(third["sidecar"], "ls", "/sys/class/net")
    assert world.once().returncode == 0
    assert set(world.ids("shop").values()) == set(third.values())
    assert world.steps("shop")[0].startswith("restart ")
    card = ("cat", "/sys/class/net/eth0/address")
    assert world.execute(third["sidecar"], *card) == world.execute(third["web"], *card)


def test_a_changed_network_is_made_anew_with_its_services_on_it(world: World) -> None:
    def model(subnet: str) -> Model:
        number = int(world.suffix[:2], 16)
        inner: dict[str, Any] = {"ipam": {"config": [{"subnet": f"10.99.{number}.{subnet}"}]}}
        return {
            **stack(web=service(networks=["inner"]), db=service(networks=["inner"]), apart=service()),
            "networks": {"inner": inner},
        }

    first, second = released(world, model("0/26"), model("64/26"))
    assert {name for name in first if first[name] != second[name]} == {"web", "db"}
    for name in ("web", "db"):
        address = world.container("shop", name)["NetworkSettings"]["Networks"][f"{world.name('shop')}_inner"][
            "IPAddress"
        ]
        assert int(address.rsplit(".", 1)[1]) > 64
    assert world.execute(second["web"], "nslookup", "db", "127.0.0.11")


def test_compose_itself_finds_nothing_to_do_after_every_kind_of_swap(world: World) -> None:
    def model(number: int) -> Model:
        env = version(number)
        return stack(
            web=checked(environment=env, scale=2),
            db=service(environment=env, container_name=world.name("the-db")),
            kept=service(environment=env, volumes=["/content"]),
            sidecar=service(environment=env, network_mode="service:kept"),
        )

    released(world, model(1), model(2))
    before = world.running("shop")
    model_file = world.root / "state" / "releases" / world.name("shop") / "2" / "compose.json"
    command = [*find.usable(os.environ)[0].command, "--file", str(model_file), "up", "--detach"]
    subprocess.run(command, check=True, capture_output=True)
    assert world.running("shop") == before


def test_a_service_that_listens_late_is_not_served_before_it_is_healthy(world: World) -> None:
    """The old one goes on for as long as the new one is not healthy, however long that takes within its time."""
    gate = world.root / "data" / world.name("shop") / "gate"
    gate.mkdir(parents=True)
    (gate / "1").touch()

    def files(number: int) -> dict[str, str]:
        web = checked(["test", "-e", f"/gate/{number}"], volumes=["./gate:/gate:ro"])
        return world.compose("shop", stack(web=web), {"rollout": {"soak": "0s", "timeout": "60s"}})

    first = world.commit(files(1))
    with world.daemon(), Timeline(world, "shop") as timeline:
        world.await_ready("shop", first)
        old = world.container("shop", "web")["Id"]
        second = world.commit(files(2))
        eventually(lambda: len(world.running("shop")) == 2)
        status = world.status("shop")
        assert (status["ready"], status["reason"], status["release"]) == ("Unknown", "Progressing", 1)
        (gate / "2").touch()
        world.await_ready("shop", second)
        order = [(moment.action, moment.container == old) for moment in timeline.moments()]
        assert order.index(("health_status: healthy", False)) < order.index(("kill", True))
