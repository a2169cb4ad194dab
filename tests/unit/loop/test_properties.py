"""Laws of the whole loop for any stack, any releases, any trouble: whatever happens, it ends, and ends whole.

A history is drawn as data: a stack's services, and then what happens to it, one thing after the other. After each of them
the daemon's passes are made until there is nothing left to do.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from reconciler.model.errors import EngineUnavailableError, ReconcilerError, StalledError, WaitingError
from reconciler.model.manifest import Prune
from reconciler.model.record import Outcome, Truth
from tests.builders import STACK, healthy, led, manifest, port, traefik, volume
from tests.unit.loop.world import Killed, World

EXAMPLES = int(os.environ.get("LAW_EXAMPLES", "40"))  # a night's search is a matter of one number

GOOD = ("1", "2", "3")
BAD = ("sick", "crashes", "broken", "missing")
FAULTS: Mapping[str, type[ReconcilerError]] = {
    "time mends": WaitingError,
    "a commit must mend": StalledError,
    "the engine is away": EngineUnavailableError,
}
NAMES = ("a", "b", "c", "d")


@dataclass(frozen=True)
class Service:
    """``kind``: what decides how it is replaced; the same in every release. ``needs``: names of earlier ones."""

    name: str
    kind: str
    needs: tuple[str, ...] = ()
    restarts: bool = False
    fixed_name: bool = False

    @property
    def is_start_first(self) -> bool:
        return self.kind in ("plain", "healthy", "led") and not self.restarts


@dataclass(frozen=True)
class Commit:
    """Versions by service; those that are not in it are not in the release."""

    versions: Mapping[str, str]
    scales: Mapping[str, int]


@dataclass(frozen=True)
class Drift:
    deed: str
    which: int


@dataclass(frozen=True)
class Strike:
    """Together with the next commit: at the ``at``-th deed of its pass the process is killed or the deed fails."""

    at: int
    fault: str  # "" for a kill


@dataclass(frozen=True)
class Ports:
    taken: bool


@dataclass(frozen=True)
class BrokenCommit:
    pass


@dataclass(frozen=True)
class Force:
    pass


Event = Commit | Drift | Strike | Ports | BrokenCommit | Force
DRIFTS = ("stop", "kill", "pause", "remove", "rename", "limit", "disconnect", "connect", "tag")


# Drawing


@st.composite
def stacks(draw: st.DrawFn) -> tuple[Service, ...]:
    found: list[Service] = []
    for name in NAMES[: draw(st.integers(1, 4))]:
        hosts = [other.name for other in found if other.kind in ("plain", "healthy")]
        kinds = ["plain", "healthy", "led", "led", "port", "writer", "anonymous", "job"] + (["joined"] if hosts else [])
        kind = draw(st.sampled_from(kinds))
        if kind == "joined":
            found.append(Service(name, kind, needs=(draw(st.sampled_from(hosts)),)))
            continue
        needs = draw(st.lists(st.sampled_from([other.name for other in found]), unique=True)) if found else []
        restarts = kind != "job" and bool(needs) and draw(st.integers(0, 4)) == 0
        found.append(Service(name, kind, tuple(sorted(needs)), restarts, fixed_name=draw(st.integers(0, 3)) == 0))
    return tuple(found)


def commits(stack: tuple[Service, ...], versions: tuple[str, ...]) -> st.SearchStrategy[Commit]:
    """The first service is in every release; the others come and go, with those that need them."""

    @st.composite
    def one(draw: st.DrawFn) -> Commit:
        there: dict[str, str] = {}
        scales: dict[str, int] = {}
        for service in stack:
            if service is not stack[0] and draw(st.integers(0, 5)) == 0:
                continue
            there[service.name] = draw(st.sampled_from(versions))
            one_only = service.fixed_name or service.kind in ("port", "job", "joined") or _is_host(service, stack)
            scales[service.name] = 1 if one_only else draw(st.sampled_from([1, 1, 2, 3]))
        for service in stack:
            if service.kind == "joined" and service.needs[0] not in there:
                there.pop(service.name, None)
        return Commit(there, scales)

    return one()


def _is_host(service: Service, stack: tuple[Service, ...]) -> bool:
    return any(other.kind == "joined" and other.needs == (service.name,) for other in stack)


@st.composite
def histories(draw: st.DrawFn) -> tuple[tuple[Service, ...], tuple[Event, ...]]:
    stack = draw(stacks())
    anything = st.one_of(
        commits(stack, (*GOOD, *GOOD, *BAD)),
        commits(stack, GOOD),
        st.builds(Drift, st.sampled_from(DRIFTS), st.integers(0, 9)),
        st.builds(Strike, st.integers(1, 70), st.sampled_from(["", "", *FAULTS])),
        st.builds(Ports, st.booleans()),
        st.just(BrokenCommit()),
        st.just(Force()),
    )
    first = draw(commits(stack, (*GOOD, *GOOD, *GOOD, *BAD)))
    return stack, (first, *draw(st.lists(anything, min_size=1, max_size=7)))


# Living


class Life:
    """A history, lived by a world."""

    def __init__(self, folder: Path, stack: tuple[Service, ...]) -> None:
        self.world = World(folder)
        self.stack = stack
        self.strike: Strike | None = None
        self.others = [self.world.host.add_foreign("other", "a").id, self.world.host.add_foreign("shopping", "a").id]
        self.their_network = self.world.host.add_network("other_default", stack="other")
        self.world.host.registry["traefik:1"] = "sha256:traefik:1"
        for service in stack:
            for version in (*GOOD, *BAD):
                self._image(service, version)

    def _image(self, service: Service, version: str) -> None:
        world, image = self.world, f"{service.name}:{version}"
        if version != "missing":
            world.host.registry[image] = f"sha256:{image}"
        world.behaves(image, healthy_after_s=0.1, unhealthy_after_s=0.3)
        if service.kind == "job":
            world.behaves(image, exits_after_s=0.1, exit_code=0 if version in GOOD else 1)
        elif version == "sick":
            # What has no healthcheck cannot be sick: it falls over instead.
            checked = service.kind in ("healthy", "led")
            world.behaves(image, healthy_after_s=None, exits_after_s=None if checked else 0.02)
        elif version == "crashes":
            world.behaves(image, exits_after_s=0.02, exit_code=3)
        if version == "broken":
            world.behaves(image, cannot_start="exec: no such file")

    def live(self, happening: Event) -> None:
        world = self.world
        match happening:
            case Commit():
                jobs = {service.name: True for service in self._there(happening) if service.kind == "job"}
                world.declared = manifest(timeout_s=5, soak_s=0.1, jobs=jobs, prune=Prune(max_remove_percent=100))
                world.commit(
                    {**self._proxy(), **{own.name: self._definition(own, happening) for own in self._there(happening)}}
                )
            case BrokenCommit():
                world.commit(None)
            case Drift(deed, which):
                self._drift(deed, which)
            case Ports(taken):
                held = {found for box in world.boxes() if box.alive for found in box.ports}
                wanted = {f"0.0.0.0:{self._port(service)}/tcp" for service in self.stack if taken}
                world.host.taken_ports = wanted - held
            case Strike():
                self.strike = happening
                return
            case Force():
                self._pass(forced=True)
        self._struck_pass()
        world.settle()
        # A kill right after a restart: its healthcheck has not spoken yet.
        if world.record.ready.reason == "Progressing":
            world.clock.advance(1.0)
            world.settle()

    def _there(self, commit: Commit) -> list[Service]:
        return [service for service in self.stack if service.name in commit.versions]

    def _proxy(self) -> dict[str, Any]:
        return {"traefik": traefik()} if any(service.kind == "led" for service in self.stack) else {}

    def _struck_pass(self) -> None:
        strike, self.strike = self.strike, None
        if strike is None:
            return
        blow = FAULTS[strike.fault]("struck", reason="Struck") if strike.fault else Killed()
        self.world.fate.strike(strike.at, blow, ("engine.", "compose.") if strike.fault else ())
        self._pass()
        self.world.fate.spare()

    def _pass(self, **changes: Any) -> None:
        try:
            self.world.once(**changes)
        except Killed:
            event("killed")
            self.world.start()

    def _definition(self, service: Service, commit: Commit) -> dict[str, Any]:
        found: dict[str, Any] = {"image": f"{service.name}:{commit.versions[service.name]}"}
        if service.kind == "joined":
            found["network_mode"] = f"service:{service.needs[0]}"
        if service.kind in ("healthy", "led"):
            found = healthy(**found)
        if service.kind == "led":
            found["labels"] = led(service.name, commit.versions[service.name])
        if service.kind == "port":
            found["ports"] = [port(self._port(service))]
        if service.kind == "writer":
            found["volumes"] = [volume(service.name)]
        if service.kind == "anonymous":
            found["volumes"] = [{"type": "volume", "target": "/data"}]
        if service.fixed_name:
            found["container_name"] = f"fixed-{service.name}"
        found["scale"] = commit.scales[service.name]
        kinds = {other.name: other.kind for other in self.stack}
        found["depends_on"] = {
            name: {"condition": CONDITIONS.get(kinds[name], "service_started"), "restart": service.restarts}
            for name in service.needs
            if name in commit.versions
        }
        return found

    def _port(self, service: Service) -> int:
        return 8000 + NAMES.index(service.name)

    def _drift(self, deed: str, which: int) -> None:
        boxes, somebody = self.world.boxes(), self.world.somebody
        if not boxes:
            return
        box = boxes[which % len(boxes)]
        match deed:
            case "stop" | "kill" | "remove":
                getattr(somebody, deed)(box.name)
            case "pause" if box.serves:
                somebody.pause(box.name)
            case "rename":
                somebody.rename(box.name, f"precious-{which}")
            case "limit":
                somebody.limit_memory(box.name, 64)
            case "disconnect" if box.endpoints:
                somebody.disconnect(box.name, next(iter(box.endpoints)))
            case "connect" if box.endpoints:
                somebody.connect(box.name, "other_default")
            case "tag":
                somebody.tag("foreign:1", box.image)

    # What must be so

    def check(self, happening: Event, since: float, before: frozenset[str]) -> None:
        self.nothing_of_others_was_touched()
        if not self.world.host.taken_ports:
            self.what_is_applied_is_in_place()
        if not isinstance(happening, Drift):
            self.what_served_never_stopped(since, before)

    def nothing_of_others_was_touched(self) -> None:
        host = self.world.host
        assert not {identity for _, identity in host.touched} & set(self.others)
        assert all(host.boxes[identity].serves for identity in self.others)
        assert host.networks[self.their_network.id] == self.their_network

    def what_is_applied_is_in_place(self) -> None:
        """Exactly as many containers as wanted, of its very definition, under their names, and nothing else."""
        found = self.world.applied()
        if found is None:
            assert self.world.boxes() == []
            return
        assert {box.service for box in self.world.boxes()} <= {spec.name for spec in found.services}
        for spec in found.services:
            boxes = self.world.boxes(spec.name)
            assert len(boxes) == spec.scale
            for box in boxes:
                assert box.definition == spec.digest
                assert box.image_id == found.images[spec.image]
                assert box.name == (spec.container_name or f"{STACK}-{spec.name}-{box.number}")
                assert (box.alive, box.exit_code) == (False, 0) if spec.job else box.serves
        assert self.world.next_plan().empty

    def what_served_never_stopped(self, since: float, before: frozenset[str]) -> None:
        """Of start-first services that the releases before and after have."""
        found = self.world.applied()
        after = {spec.name for spec in found.services} if found else set()
        for service in self.stack:
            if service.is_start_first and not _is_host(service, self.stack) and service.name in before & after:
                gaps = [gap for gap in self.world.host.gaps(STACK, service.name) if gap[0] >= since]
                assert not gaps, f"{service.name} was not served {gaps}"

    def serving(self) -> frozenset[str]:
        found = self.world.applied()
        names = {spec.name for spec in found.services} if found else set()
        return frozenset(name for name in names if any(box.serves for box in self.world.boxes(name)))


CONDITIONS = {"healthy": "service_healthy", "job": "service_completed_successfully"}


def lived(history: tuple[tuple[Service, ...], tuple[Event, ...]], folder: str) -> Life:
    stack, events = history
    life = Life(Path(folder), stack)
    for happening in events:
        since, before = life.world.clock.monotonic(), life.serving()
        life.live(happening)
        life.check(happening, since, before)
    return life


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(histories(), st.data())
def test_whatever_happens_to_a_stack_it_ends_and_ends_whole(history: Any, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        life = lived(history, folder)
        world = life.world
        for happening in (Ports(taken=False), data.draw(commits(life.stack, GOOD))):
            life.live(happening)
        life.check(happening, world.clock.monotonic(), frozenset())
        number = len(world.git.commits) - 1
        failed = [found for found in world.journal.releases(STACK) if found.outcome is Outcome.FAILED]
        if world.record.ready.status is Truth.TRUE:
            assert world.record.applied_revision == str(number)
        else:
            # Only a deed that failed for good on the way to this very release keeps it from being applied.
            assert any(found.quarantined and "struck" in found.quarantined for found in failed)
        world.stop()


@settings(max_examples=EXAMPLES // 4, deadline=None, suppress_health_check=list(HealthCheck))
@given(histories())
def test_what_is_quarantined_is_not_tried_again(history: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        life = lived(history, folder)
        world = life.world
        life.live(Ports(taken=False))
        world.settle()
        touched, pulls = list(world.host.touched), len(world.said)
        quarantined = {found.number for found in world.journal.releases(STACK) if found.quarantined}
        if world.record.attempted_release not in quarantined:
            return
        event("quarantined")
        for _ in range(3):
            world.clock.advance(5000)
            world.once()
        assert (world.host.touched, len(world.said)) == (touched, pulls)
        world.stop()
