"""Laws of traffic over whole passes, on a host in memory."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.model.record import Outcome, Truth
from tests.builders import STACK, healthy, led, traefik
from tests.unit.loop.world import World

WEB = (STACK, "web")


@pytest.fixture(autouse=True)
def registry(world: World) -> None:
    world.host.registry |= {name: f"sha256:{name}" for name in ("traefik:1", "web:1", "web:2", "web:sick")}
    world.behaves("web:sick", healthy_after_s=None, unhealthy_after_s=3.0)


def shop(image: str, **more: Any) -> dict[str, Any]:
    return {"traefik": traefik(), "web": healthy(image=image, labels=led("web"), **more)}


def gaps(world: World) -> tuple[Any, ...]:
    return world.host.gaps(*WEB)


@pytest.fixture
def running(world: World) -> World:
    world.commit(shop("web:1"))
    assert world.settle().ready.status is Truth.TRUE
    assert world.host.told == {WEB: ()}
    return world


@pytest.mark.parametrize("image", ["web:2", "web:sick"])
def test_whatever_becomes_of_a_release_the_proxy_asks_who_serves_and_in_the_end_the_name(
    running: World, image: str
) -> None:
    running.commit(shop(image))
    running.settle()
    assert gaps(running) == ()
    assert running.host.told == {WEB: ()}


def test_a_proxy_that_reads_nothing_stops_nobody_and_the_release_is_tried_again(running: World) -> None:
    running.traffic.deaf = True
    running.commit(shop("web:2"))
    record = running.once()
    assert (record.ready.status, record.ready.reason) == (Truth.FALSE, "TrafficNotShifted")
    assert [box.image for box in running.boxes("web") if box.serves] == ["web:1"]
    assert not running.journal.releases(STACK)[-1].quarantined
    running.traffic.deaf = False
    running.clock.advance(600.0)
    assert running.settle().ready.status is Truth.TRUE
    assert [box.image for box in running.boxes("web")] == ["web:2"]
    assert gaps(running) == ()


def test_a_proxy_that_starts_and_reads_nothing_is_no_release_before_it_does(world: World) -> None:
    world.traffic.starts_deaf = True
    world.commit(shop("web:1"))
    record = world.once()
    assert (record.ready.status, record.ready.reason, record.applied_release) == (
        Truth.FALSE,
        "TrafficNotShifted",
        None,
    )
    world.traffic.starts_deaf = False
    world.clock.advance(600.0)
    assert world.settle().ready.status is Truth.TRUE


def test_a_proxy_that_is_put_back_keeps_nothing_from_being_mended(running: World) -> None:
    running.traffic.starts_deaf = True
    for box in running.boxes():
        running.host.stop(box)
    assert running.settle().ready.status is Truth.TRUE


def test_requests_under_way_are_waited_for(running: World) -> None:
    (old,) = running.boxes("web")
    running.traffic.under[old.id] = 100
    running.commit(shop("web:2"))
    running.settle()
    assert running.traffic.under[old.id] == 0


def test_what_somebody_told_the_proxies_is_put_right(running: World) -> None:
    running.host.told[WEB] = ("elsewhere",)
    running.settle()
    assert running.host.told == {WEB: ()}


def test_a_service_that_goes_and_a_stack_that_is_forgotten_are_told_of_no_more(running: World) -> None:
    running.commit({"traefik": traefik()})
    running.settle()
    assert running.host.told == {}
    running.commit(shop("web:1"))
    running.settle()
    assert running.host.told == {WEB: ()}
    for box in running.boxes():
        running.somebody.remove(box.name)
    assert running.once(gone=True).ready.reason == "Forgotten"
    assert running.host.told == {}


def test_a_release_that_was_undone_leaves_nothing_behind(world: World) -> None:
    world.commit(shop("web:sick"))
    world.settle()
    assert world.journal.releases(STACK)[-1].outcome is Outcome.FAILED
    assert world.host.told == {}
