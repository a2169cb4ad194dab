"""The plug is pulled at every moment of a rollout: each time the next start ends it, one way or the other, whole.

Two services: ``web`` is replaced start-first, ``db`` stop-first, since it holds a port, a fixed name and a volume.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import count
from typing import Any

import pytest

from tests.e2e.models import script, service, stack, version
from tests.e2e.starting import crashing
from tests.e2e.timeline import Timeline
from tests.e2e.world import World, eventually
from tests.free_ports import free_port

pytestmark = pytest.mark.engine

QUICK = {"rollout": {"soak": "100ms", "timeout": "20s"}}


class Crashes:
    """A daemon that is started again whenever it was killed."""

    def __init__(self, world: World, kind: str = "passes") -> None:
        self.world = world
        self.port = free_port()
        self._fuse = world.home / "fuse"
        self.daemon = world.start_daemon(crashing(kind, self._fuse))

    def at(self, *moments: int) -> None:
        """Be killed at these moments, each counted from the start of the process that is killed, the first from now."""
        lit = self._fuse.with_suffix(".lit")
        lit.write_text(" ".join(map(str, moments)))
        lit.rename(self._fuse)

    @property
    def kills(self) -> list[str]:
        """When it was killed, so far."""
        told = self._fuse.with_suffix(".kills")
        return told.read_text().splitlines() if told.exists() else []

    def moments(self, *again: int, first: int = 1, every: int = 1) -> Iterator[int]:
        """``first``, ... until nothing was killed any more: each is the moment at which what comes next is killed, and the
        start after that at ``again``. A step has three moments; with ``every`` 4 or 5 not each is, but their kinds in turn,
        and between them the parameters of a scenario kill in every step."""
        for moment in count(first, every):
            killed = len(self.kills)
            self.at(moment, *again)
            yield moment
            if len(self.kills) == killed:
                print("\n".join(self.kills))
                return

    def release(self, number: int, name: str = "shop", **web: Any) -> dict[str, str]:
        world = self.world
        db = service(
            environment=version(number),
            container_name=f"{world.name(name)}-the-db",
            ports=[f"127.0.0.1:{self.port}:80"],
            volumes=["rows:/rows"],
        )
        model = stack(db=db, web={**service(environment=version(number)), **web}) | {"volumes": {"rows": {}}}
        return world.compose(name, model, QUICK)

    def await_whole(self, number: int, name: str = "shop") -> None:
        eventually(partial(self.is_whole, number, name))

    def is_whole(self, number: int, name: str = "shop") -> bool:
        """One container of each service, of this release, under its right name; nothing left over, and nothing open."""
        found = {
            entry["Config"]["Labels"]["com.docker.compose.service"]: entry for entry in self.world.containers(name)
        }
        if len(self.world.containers(name)) != 2 or found.keys() != {"web", "db"}:
            return False
        project = self.world.name(name)
        counter = found["web"]["Config"]["Labels"]["com.docker.compose.container-number"]
        names = {entry["Name"] for entry in found.values()}
        return (
            all(f"VERSION={number}" in entry["Config"]["Env"] for entry in found.values())
            and all(entry["State"]["Status"] == "running" for entry in found.values())
            and names == {f"/{project}-the-db", f"/{project}-web-{counter}"}
            and not self.has_open_pass(name)
        )

    def has_open_pass(self, name: str) -> bool:
        with self.world.journal() as journal:
            return journal is not None and journal.open_pass(self.world.name(name)) is not None


@pytest.fixture
def crashes(world: World) -> Iterator[Crashes]:
    made = Crashes(world)
    yield made
    assert made.daemon.terminate() == 0


def begin(crashes: Crashes) -> None:
    """Release 0 runs, and its volume holds a row."""
    world = crashes.world
    world.await_ready("shop", world.commit(crashes.release(0)))
    world.execute(world.container("shop", "db")["Id"], "sh", "-c", "echo kept > /rows/row")


def row(world: World) -> str:
    return world.execute(world.container("shop", "db")["Id"], "cat", "/rows/row")


def swap(crashes: Crashes, moments: Iterator[int]) -> None:
    world = crashes.world
    begin(crashes)
    with Timeline(world, "shop") as timeline:
        for moment in moments:
            world.await_ready("shop", world.commit(crashes.release(moment)))
            crashes.await_whole(moment)
            assert row(world) == "kept"
        assert min(timeline.alive("web")) >= 1
    assert [event.reason for event in world.told("shop") if event.severity == "error"] == []


@pytest.mark.parametrize("first", [1, 2])
def test_a_swap_that_was_killed_at_any_moment_is_ended_by_the_next_start(crashes: Crashes, first: int) -> None:
    swap(crashes, crashes.moments(first=first, every=4))


def test_a_swap_that_was_killed_and_killed_again_while_it_recovered_is_ended_by_the_start_after(
    crashes: Crashes,
) -> None:
    swap(crashes, crashes.moments(3, every=5))


def test_a_failing_release_that_was_killed_at_any_moment_is_undone_and_stays_in_quarantine(crashes: Crashes) -> None:
    world = crashes.world
    begin(crashes)
    before = world.ids("shop")
    for moment in crashes.moments(every=5):
        commit = world.commit(crashes.release(moment, **script("exit 7")))
        eventually(partial(_is_refused, crashes, commit))
        crashes.await_whole(0)
        assert world.ids("shop") == before  # the very containers that served before
        assert row(world) == "kept"
    world.await_ready("shop", world.commit(crashes.release(1000)))
    crashes.await_whole(1000)


def _is_refused(crashes: Crashes, commit: str) -> bool:
    world = crashes.world
    status = world.status("shop")
    if (status["ready"], status["attemptedRevision"]) != ("False", commit):
        return False
    newest = world.releases("shop")[0]
    return newest["revision"] == commit and "exit status 7" in newest["quarantined"]


def test_a_first_install_that_was_killed_at_any_moment_is_ended_by_the_next_start(crashes: Crashes) -> None:
    world = crashes.world
    for moment in crashes.moments(every=5):
        name, crashes.port = f"shop{moment}", free_port()
        world.await_ready(name, world.commit(crashes.release(moment, name)))
        crashes.await_whole(moment, name)
