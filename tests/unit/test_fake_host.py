"""The host in memory keeps time, counts what was served, and makes trouble when it is told to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reconciler.model.desired import LABEL_DEFINITION
from reconciler.model.errors import EngineUnavailableError, StalledError, WaitingError
from reconciler.model.observed import Probe, State
from tests.fakes.compose import FakeCompose
from tests.fakes.engine import FakeEngine, FakePorts
from tests.fakes.host import Behaviour, FakeHost


@pytest.fixture
def host() -> FakeHost:
    made = FakeHost()
    made.behaviours = {
        "slow:1": Behaviour(healthcheck=True, healthy_after_s=5),
        "fading:1": Behaviour(healthcheck=True, healthy_after_s=1, fails_after_s=20),
        "looping:1": Behaviour(exits_after_s=2, crash_loop=True),
    }
    for image in ("plain:1", *made.behaviours):
        made.add_image(image)
    return made


def up(host: FakeHost, folder: Path, image: str, service: str = "web", **more: Any) -> str:
    """The id of a started container of a stack ``shop``."""
    model = folder / f"{service}.json"
    model.write_text(json.dumps({"services": {service: {"image": image, **more}}}))
    FakeCompose(host).create("shop", model, [service], {service: 1}, {})
    identity = host.named(f"shop-{service}-1").id
    FakeEngine(host).start(identity)
    return identity


def test_health_comes_and_goes_with_the_clock(host: FakeHost, tmp_path: Path) -> None:
    engine, identity = FakeEngine(host), up(host, tmp_path, "fading:1")
    seen = []
    for _ in range(3):
        found = engine.inspect(identity)
        assert found is not None
        seen.append(found.probe)
        host.clock.advance(10.5)
    assert seen == [Probe.STARTING, Probe.HEALTHY, Probe.UNHEALTHY]


def test_what_was_not_served_is_told_to_the_second_though_nobody_looked(host: FakeHost, tmp_path: Path) -> None:
    began = host.clock.monotonic()
    up(host, tmp_path, "fading:1")
    host.clock.advance(100)
    assert host.gaps("shop", "web") == ((began + 20, None),)
    assert [entry.at - began for entry in host.served()] == [0, 1, 20]


def test_a_crash_loop_restarts_and_is_counted(host: FakeHost, tmp_path: Path) -> None:
    identity = up(host, tmp_path, "looping:1")
    host.clock.advance(10)
    found = FakeEngine(host).inspect(identity)
    assert found is not None
    assert (found.restart_count, found.state) == (3, State.RUNNING)
    assert len(host.gaps("shop", "web")) == 3


def test_a_second_container_covers_the_end_of_the_first(host: FakeHost, tmp_path: Path) -> None:
    engine, compose = FakeEngine(host), FakeCompose(host)
    first = up(host, tmp_path, "slow:1")
    host.clock.advance(6)
    compose.create("shop", tmp_path / "web.json", ["web"], {"web": 2}, {})
    engine.start(host.named("shop-web-2").id)
    host.clock.advance(6)
    engine.stop(first, None)
    assert host.gaps("shop", "web") == ()
    engine.stop(host.named("shop-web-2").id, None)
    assert len(host.gaps("shop", "web")) == 1


def test_faults_hit_once_before_or_after_the_deed(host: FakeHost, tmp_path: Path) -> None:
    engine, identity = FakeEngine(host), up(host, tmp_path, "plain:1")
    host.fail_next("stop", StalledError("no"))
    with pytest.raises(StalledError):
        engine.stop(identity, None)
    assert host.boxes[identity].alive
    host.fail_next("stop", StalledError("lost the answer"), after=True)
    with pytest.raises(StalledError):
        engine.stop(identity, None)
    assert not host.boxes[identity].alive
    engine.stop(identity, None)


def test_an_engine_that_is_down_answers_nothing_and_ends_its_streams(host: FakeHost) -> None:
    engine = FakeEngine(host)
    heard = engine.events()
    next(heard)
    host.down = True
    with pytest.raises(EngineUnavailableError):
        engine.containers()
    with pytest.raises(EngineUnavailableError):
        next(heard)
    host.down = False
    assert engine.containers() == ()


def test_a_changed_network_stops_what_compose_was_asked_about(host: FakeHost, tmp_path: Path) -> None:
    """As Compose 2.40 does. Whoever lets it come to this has taken a service down."""
    up(host, tmp_path, "plain:1")
    model = json.loads((tmp_path / "web.json").read_text())
    model["networks"] = {"default": {"name": "shop_default", "labels": {LABEL_DEFINITION: "changed"}}}
    (tmp_path / "web.json").write_text(json.dumps(model))
    FakeCompose(host).create("shop", tmp_path / "web.json", ["web"], {"web": 2}, {})
    assert len(host.gaps("shop", "web")) == 1


def test_ports_are_held_by_what_runs_and_by_other_programs(host: FakeHost, tmp_path: Path) -> None:
    host.taken_ports.add("0.0.0.0:25/tcp")
    up(host, tmp_path, "plain:1", ports=[{"target": 80, "published": "80"}])
    taken = FakePorts(host).taken
    assert taken(["0.0.0.0:80/tcp", "127.0.0.1:25/tcp", "0.0.0.0:81/tcp"]) == ("0.0.0.0:80/tcp", "127.0.0.1:25/tcp")
    with pytest.raises(WaitingError) as raised:
        up(host, tmp_path, "plain:1", "mail", ports=[{"target": 25, "published": "25"}])
    assert raised.value.reason == "PortTaken"


def test_what_is_not_ours_is_seen_and_everything_touched_is_told(host: FakeHost, tmp_path: Path) -> None:
    foreign = host.add_foreign("shop", "other")
    mine = up(host, tmp_path, "plain:1")
    assert {found.id for found in FakeEngine(host).containers()} == {foreign.id, mine}
    assert host.touched == [("compose create", mine), ("start", mine)]
