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

Commits = tuple[dict[str, Any], ...]
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
def worlds(tmp_path: Path) -> Worlds:
    return Worlds(tmp_path)


class Worlds:
    """As many worlds as there are deeds to be interrupted at, all with the same past."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def at_each_deed(
        self, commits: Commits, blow: Callable[[], BaseException], about: tuple[str, ...] = ()
    ) -> Iterator[World]:
        """For each deed of the pass to the last of ``commits``: struck there, started again, and settled."""
        past = self._past(commits[:-1])
        for at in range(1, 1000):
            world = past.fork(self._folder / str(at))
            world.commit(commits[-1])
            world.host.settle()
            world.host.record(world.clock.monotonic())
            was_struck = _strike(world, at, blow(), about)
            world.settle()
            yield world
            world.stop()
            if not was_struck:
                assert at > 4
                return

    def _past(self, commits: Commits) -> World:
        folder = self._folder / "past"
        folder.mkdir()
        world = World(folder, manifest(timeout_s=5, soak_s=0.1))
        for image in ("db:1", "job:1", "more:1", "web:1", "web:2", SICK):
            world.host.registry[image] = f"sha256:{image}"
            world.behaves(image, healthy_after_s=0.1)
        world.behaves("job:1", exits_after_s=0.1, exit_code=0)
        world.behaves(SICK, healthy_after_s=None, unhealthy_after_s=0.3)
        for services in commits:
            world.commit(services)
            assert world.settle().ready.status is Truth.TRUE
        world.stop()
        return world


def _strike(world: World, at: int, blow: BaseException, about: tuple[str, ...]) -> bool:
    """One pass; whether it came to the ``at``-th deed."""
    world.fate.strike(at, blow, about)
    try:
        world.loop.reconcile(world.work())
    except Killed:
        world.start()
        return True
    except EngineUnavailableError:
        return True
    finally:
        pending = world.fate.pending
        world.fate.spare()
    return not pending


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


GOOD: dict[str, Commits] = {
    "swaps": (stack("1", "web:1"), stack("2", "web:2")),
    "recreates": (recreated("1", "web:1"), recreated("2", "web:2")),
    "a service renamed": (renamed("web", "web:1"), renamed("server", "web:2")),
    "a first install": (stack("1", "web:1"),),
}
BAD: dict[str, Commits] = {
    "swaps": (stack("1", "web:1"), stack("2", SICK)),
    "a service renamed": (renamed("web", "web:1"), renamed("server", SICK)),
    "services added": ((renamed("web", "web:1"), {**renamed("web", "web:1"), "more": {}, "sick": healthy(image=SICK)})),
    "a service that ends": ((renamed("web", "web:1"), {**renamed("web", "web:1"), "ends": {"image": "job:1"}})),
}


@pytest.mark.parametrize("commits", GOOD.values(), ids=GOOD.keys())
def test_killed_anywhere_on_the_way_to_a_good_release_the_stack_still_gets_there(
    worlds: Worlds, commits: Commits
) -> None:
    for world in worlds.at_each_deed(commits, Killed):
        assert world.record.ready.status is Truth.TRUE
        assert world.record.applied_release == len(commits)
        in_place(world)
        assert world.host.gaps(STACK, "web") == () or commits is not GOOD["swaps"]


@pytest.mark.parametrize("commits", BAD.values(), ids=BAD.keys())
def test_killed_anywhere_on_the_way_to_a_bad_release_and_back_the_old_one_serves(
    worlds: Worlds, commits: Commits
) -> None:
    for world in worlds.at_each_deed(commits, Killed):
        assert world.record.applied_release == 1
        in_place(world)
        (failed,) = [found for found in world.journal.releases(STACK) if found.number == 2]
        assert (failed.outcome, bool(failed.quarantined)) == (Outcome.FAILED, True)
        assert world.host.gaps(STACK, "web") == () or commits is not BAD["swaps"]


def test_killed_anywhere_on_the_way_to_a_bad_first_release_and_back_nothing_is_left(worlds: Worlds) -> None:
    for world in worlds.at_each_deed((stack("1", SICK),), Killed):
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
    worlds: Worlds, commits: Commits, fault: Callable[[], ReconcilerError]
) -> None:
    for world in worlds.at_each_deed(commits, fault, OF_THE_ENGINE):
        in_place(world)
        assert world.host.gaps(STACK, "web") == () or commits is not GOOD["swaps"]
        if not isinstance(fault(), StalledError):
            assert world.record.applied_release == 2


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_whatever_deed_fails_while_going_back_the_old_one_serves_in_the_end(
    worlds: Worlds, fault: Callable[[], ReconcilerError]
) -> None:
    for world in worlds.at_each_deed(BAD["swaps"], fault, OF_THE_ENGINE):
        assert world.record.applied_release == 1
        in_place(world)
