"""Laws of being interrupted: at every single deed of a pass the process is killed, or the deed fails. The next passes
bring the stack to one of the two ends that it may have, with one container for each place and no leftovers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.model.errors import EngineUnavailableError, ReconcilerError, StalledError, WaitingError
from reconciler.model.record import Outcome, Truth
from tests.builders import STACK, healthy, manifest, port
from tests.unit.loop.world import Killed, World

OF_THE_ENGINE = ("engine.", "compose.")
SICK = "web:sick"


def stack(db: str, web: str) -> dict[str, Any]:
    """The database must stop first, the web server starts first, after the database and a job."""
    return {
        "db": healthy(image="db:1", ports=[port(5432)], environment={"VERSION": db}),
        "job": {"image": "job:1", "environment": {"VERSION": db}, "depends_on": {"db": "service_healthy"}},
        "web": healthy(
            image=web,
            container_name="the-web",
            depends_on={"db": "service_healthy", "job": "service_completed_successfully"},
        ),
    }


ANONYMOUS = {"type": "volume", "target": "/data"}


def recreated(version: str, web: str) -> dict[str, Any]:
    """What a swap cannot serve: Compose recreates it."""
    return {
        "vpn": healthy(image="db:1", environment={"VERSION": version}),
        "web": {"image": web, "network_mode": "service:vpn", "depends_on": {"vpn": "service_healthy"}},
        "store": {"image": "db:1", "environment": {"VERSION": version}, "volumes": [ANONYMOUS]},
    }


def renamed(name: str, web: str) -> dict[str, Any]:
    return {name: healthy(image=web, ports=[port(80)], container_name="front"), "db": healthy(image="db:1")}


@pytest.fixture
def worlds(tmp_path: Path) -> Iterator[Callable[[], World]]:
    """As many worlds as there are deeds to be interrupted at."""
    made: list[World] = []

    def make() -> World:
        while made:
            made.pop().stop()
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        world = World(folder, manifest(timeout_s=20, soak_s=1))
        for image in ("db:1", "job:1", "more:1", "web:1", "web:2", SICK):
            world.host.registry[image] = f"sha256:{image}"
        world.behaves("job:1", exits_after_s=0.3, exit_code=0)
        world.behaves(SICK, healthy_after_s=None, unhealthy_after_s=2.0)
        made.append(world)
        return world

    yield make
    for world in made:
        world.stop()


def at_each_deed(
    worlds: Callable[[], World],
    commits: tuple[Any, ...],
    blow: Callable[[], BaseException],
    about: tuple[str, ...] = (),
) -> Iterator[World]:
    """A world for each deed of the pass to the last of ``commits``: struck there, started again, and settled."""
    for at in range(1, 1000):
        world = worlds()
        for services in commits[:-1]:
            world.commit(services)
            assert world.settle().ready.status is Truth.TRUE
        world.commit(commits[-1])
        world.since = world.clock.monotonic()
        world.fate.strike(at, blow(), about)
        struck = False
        try:
            world.loop.reconcile(world.work())
        except Killed:
            struck = True
            world.start()
        except EngineUnavailableError:
            struck = True
        struck = struck or not world.fate.pending
        world.fate.spare()
        world.settle()
        yield world
        if not struck:
            assert at > 4
            return


def in_place(world: World) -> None:
    """What is applied runs, whole, once, under its names."""
    found = world.applied()
    assert found is not None
    assert sorted(box.service for box in world.boxes()) == sorted(spec.name for spec in found.services)
    for box in world.boxes():
        spec = found.service(box.service)
        assert spec is not None
        assert box.definition == spec.digest
        assert box.name == (spec.container_name or f"{STACK}-{box.service}-{box.number}")
        assert (box.exit_code, box.alive) == (0, False) if spec.job else box.serves
    assert world.next_plan().empty


GOOD = {
    "swaps": ((stack("1", "web:1"), stack("2", "web:2"))),
    "recreates": ((recreated("1", "web:1"), recreated("2", "web:2"))),
    "a service renamed": ((renamed("web", "web:1"), renamed("server", "web:2"))),
    "a first install": ((stack("1", "web:1"),)),
}
BAD = {
    "swaps": ((stack("1", "web:1"), stack("2", SICK))),
    "a service renamed": ((renamed("web", "web:1"), renamed("server", SICK))),
    "services added": ((renamed("web", "web:1"), {**renamed("web", "web:1"), "more": {}, "sick": healthy(image=SICK)})),
    "a service that ends": ((renamed("web", "web:1"), {**renamed("web", "web:1"), "ends": {"image": "job:1"}})),
}


@pytest.mark.parametrize("commits", GOOD.values(), ids=GOOD.keys())
def test_killed_anywhere_on_the_way_to_a_good_release_the_stack_still_gets_there(worlds: Any, commits: Any) -> None:
    for world in at_each_deed(worlds, commits, Killed):
        assert world.record.ready.status is Truth.TRUE
        assert world.record.applied_release == len(commits)
        in_place(world)
        assert world.host.gaps(STACK, "web", world.since) == () or commits is not GOOD["swaps"]


@pytest.mark.parametrize("commits", BAD.values(), ids=BAD.keys())
def test_killed_anywhere_on_the_way_to_a_bad_release_and_back_the_old_one_serves(worlds: Any, commits: Any) -> None:
    for world in at_each_deed(worlds, commits, Killed):
        assert world.record.applied_release == 1
        in_place(world)
        (failed,) = [found for found in world.journal.releases(STACK) if found.number == 2]
        assert (failed.outcome, bool(failed.quarantined)) == (Outcome.FAILED, True)
        assert world.host.gaps(STACK, "web", world.since) == () or commits is not BAD["swaps"]


def test_killed_anywhere_on_the_way_to_a_bad_first_release_and_back_nothing_is_left(worlds: Any) -> None:
    for world in at_each_deed(worlds, (stack("1", SICK),), Killed):
        assert world.boxes() == []
        assert world.host.networks == {}
        assert world.record.ready.status is Truth.FALSE


FAULTS: dict[str, Callable[[], ReconcilerError]] = {
    "time mends": lambda: WaitingError("try later", reason="EngineRefused"),
    "a commit must mend": lambda: StalledError("never", reason="Refused"),
    "the engine is away": lambda: EngineUnavailableError("gone"),
}


@pytest.mark.parametrize("commits", list(GOOD.values())[:3], ids=list(GOOD)[:3])
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_whatever_deed_of_the_engine_fails_the_stack_ends_whole(
    worlds: Any, commits: Any, fault: Callable[[], ReconcilerError]
) -> None:
    for world in at_each_deed(worlds, commits, fault, OF_THE_ENGINE):
        in_place(world)
        assert world.host.gaps(STACK, "web", world.since) == () or commits is not GOOD["swaps"]
        if not isinstance(fault(), StalledError):
            assert world.record.applied_release == 2


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_whatever_deed_fails_while_going_back_the_old_one_serves_in_the_end(
    worlds: Any, fault: Callable[[], ReconcilerError]
) -> None:
    for world in at_each_deed(worlds, BAD["swaps"], fault, OF_THE_ENGINE):
        assert world.record.applied_release == 1
        in_place(world)
