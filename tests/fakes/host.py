"""A host in memory that behaves: containers start, become healthy, fail, exit and restart as the clock moves on.

``FakeEngine`` and ``FakeCompose`` act on it through the product's ports, ``Somebody`` behind the product's back. What
each service served, and what was touched, is remembered for laws like "it never stops working".
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count

from reconciler.model.desired import Injection, LifecycleHook
from reconciler.model.errors import EngineUnavailableError, ReconcilerError, StalledError, WaitingError
from reconciler.model.event import Event, Trigger
from reconciler.model.observed import Container, Endpoint, Image, LiveSettings, Network, Probe, Room, State
from tests.fakes.clock import FakeClock

RESTART_DELAY_S = 1.0
NO_LIMITS: Mapping[str, str | int] = {
    **dict.fromkeys(("BlkioWeight", "CpuPeriod", "CpuQuota", "CpuShares", "Memory", "MemoryReservation"), 0),
    **dict.fromkeys(("MemorySwap", "NanoCpus", "PidsLimit", "RestartPolicy.MaximumRetryCount"), 0),
    "CpusetCpus": "",
    "CpusetMems": "",
    "RestartPolicy.Name": "no",
}


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What containers of an image do; times are seconds after each start, None is never.

    The healthcheck's own times matter only where there is one: in the model, or in the image (``healthcheck``).
    """

    healthcheck: bool = False
    healthy_after_s: float | None = 0.5
    unhealthy_after_s: float = 10.0  # one that never becomes healthy is called unhealthy then
    fails_after_s: float | None = None
    exits_after_s: float | None = None
    exit_code: int = 1
    crash_loop: bool = False  # restarts whatever its restart policy says
    cannot_start: str = ""  # the engine's words
    hook_status: int = 0
    log: str = ""


@dataclass
class Box:
    """A container, as it is now."""

    id: str
    name: str
    stack: str
    service: str
    number: int
    definition: str
    image: str
    image_id: str
    owned: bool = True
    oneoff: bool = False
    healthcheck: bool = False
    resources: dict[str, str | int] = field(default_factory=lambda: dict(NO_LIMITS))
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    ports: tuple[str, ...] = ()
    addresses: tuple[tuple[str, str], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    has_anonymous_volumes: bool = False
    anonymous_volume: str = ""  # its contents' identity, to see who carries it on
    joins: tuple[str, ...] = ()
    made_from: str = ""  # Compose's own hash
    state: State = State.CREATED
    probe: Probe = Probe.NONE
    exit_code: int = 0
    started_at: float = 0.0  # wall clock
    running_since: float = 0.0  # monotonic
    restarts_at: float = 0.0  # monotonic
    restart_count: int = 0
    injected: list[Injection] = field(default_factory=list)
    executed: list[LifecycleHook] = field(default_factory=list)

    @property
    def alive(self) -> bool:
        return self.state in (State.RUNNING, State.PAUSED, State.RESTARTING)

    @property
    def serves(self) -> bool:
        return self.state is State.RUNNING and self.probe in (Probe.NONE, Probe.HEALTHY)

    def seen(self) -> Container:
        return Container(
            id=self.id,
            name=self.name,
            stack=self.stack,
            service=self.service,
            number=self.number,
            definition=self.definition,
            image_id=self.image_id,
            image=self.image,
            state=self.state,
            probe=self.probe,
            exit_code=self.exit_code,
            started_at=self.started_at,
            restart_count=self.restart_count,
            owned=self.owned,
            oneoff=self.oneoff,
            settings=LiveSettings(
                self.name, tuple(sorted(self.resources.items())), tuple(sorted(self.endpoints.values()))
            ),
            has_anonymous_volumes=self.has_anonymous_volumes,
            joins=self.joins,
            ports=self.ports,
            addresses=self.addresses or self._given_addresses(),
            labels=self.labels,
        )

    def _given_addresses(self) -> tuple[tuple[str, str], ...]:
        if not self.alive:
            return ()
        return tuple(
            (network, f"10.0.{place}.{int(self.id[:12], 16) % 250 + 2}")
            for place, network in enumerate(sorted(self.endpoints))
        )


@dataclass(frozen=True, slots=True)
class Served:
    """From ``at`` (monotonic seconds) on, and until the next entry, these (stack, service) pairs were served."""

    at: float
    services: frozenset[tuple[str, str]]


class FakeHost:
    """``images``: image id by reference; ``registry``: what a pull would give. ``behaviours``: by image id or
    reference. ``taken_ports``: held by other programs. ``touched``: (verb, container id) of all that our ports did."""

    def __init__(self, clock: FakeClock | None = None, root_id: str = "root") -> None:
        self.clock = clock or FakeClock()
        self.root_id = root_id
        self.boxes: dict[str, Box] = {}
        self.signals: list[tuple[str, str]] = []
        self.told: dict[
            tuple[str, str], tuple[str, ...]
        ] = {}  # whom proxies ask, by stack and service: () all of its name
        self.networks: dict[str, Network] = {}
        self.room: Room | None = None
        self.images: dict[str, str] = {}
        self.registry: dict[str, str] = {}
        self.image_details: dict[str, Image] = {}
        self.behaviours: dict[str, Behaviour] = {}
        self.taken_ports: set[str] = set()
        self.touched: list[tuple[str, str]] = []
        self.lock = threading.RLock()
        self._history: list[Served] = []
        self._failures: list[tuple[str, ReconcilerError, bool]] = []
        self._listeners: list[queue.SimpleQueue[Event | None]] = []
        self._serial = count(1)
        self._down = False

    # --- Setting the scene

    def add_image(self, reference: str, image_id: str | None = None, *, labels: Mapping[str, str] | None = None) -> str:
        """Let the engine hold it; its id."""
        image_id = image_id or f"sha256:{reference}"
        self.images[reference] = image_id
        self.image_details[image_id] = Image(image_id, dict(labels or {}))
        return image_id

    def image_now(self, image_id: str) -> Image | None:
        """With the tags that name it now."""
        found = self.image_details.get(image_id)
        tags = sorted(name for name, held in self.images.items() if held == image_id)
        return replace(found, tags=tuple(tags)) if found is not None else None

    def add_network(self, name: str, *, stack: str = "", definition: str = "", owned: bool = False) -> Network:
        network = Network(self.new_id(), name, definition, stack, owned)
        self.networks[network.id] = network
        return network

    def add_foreign(self, stack: str, service: str, image: str = "foreign:1", *, running: bool = True) -> Box:
        """A container of a Compose project that is not ours."""
        image_id = self.images.get(image) or self.add_image(image)
        box = Box(self.new_id(), f"{stack}-{service}-1", stack, service, 1, "", image, image_id, owned=False)
        self.boxes[box.id] = box
        if running:
            self.run(box)
        return box

    def fail_next(self, method: str, error: ReconcilerError, *, after: bool = False) -> None:
        """The next call of ``method`` raises ``error`` and does nothing; or, with ``after``, does all and then raises."""
        self._failures.append((method, error, after))

    @property
    def down(self) -> bool:
        return self._down

    @down.setter
    def down(self, down: bool) -> None:
        """The engine went away: every call raises EngineUnavailableError, every event stream ends."""
        self._down = down
        if down:
            for listener in self._listeners:
                listener.put(None)
            self._listeners.clear()

    def named(self, name: str) -> Box:
        return next(box for box in self.boxes.values() if box.name == name)

    # --- What the laws ask

    def served(self) -> tuple[Served, ...]:
        with self.lock:
            self.settle()
            return tuple(self._history)

    def gaps(self, stack: str, service: str, since: float = 0.0) -> tuple[tuple[float, float | None], ...]:
        """Each time from which, and until which, the service was not served after it had been; None: still is not.
        Only those that were not over by ``since`` (monotonic seconds)."""
        found: list[tuple[float, float | None]] = []
        was_served, down_from = False, None
        for entry in self.served():
            serves = (stack, service) in entry.services
            if serves and down_from is not None:
                found.append((down_from, entry.at))
                down_from = None
            elif was_served and not serves and down_from is None:
                down_from = entry.at
            was_served = was_served or serves
        if down_from is not None:
            found.append((down_from, None))
        return tuple(gap for gap in found if gap[1] is None or gap[1] >= since)

    # --- For the fakes of the ports

    @contextmanager
    def call(self, method: str) -> Iterator[None]:
        """Around every call of a port: time has passed, the engine may be down, and a fault may be due."""
        with self.lock:
            if self._down:
                raise EngineUnavailableError("the Docker engine does not answer")
            self.settle()
            due = next((failure for failure in self._failures if failure[0] == method), None)
            if due is not None:
                self._failures.remove(due)
            if due is not None and not due[2]:
                raise due[1]
            try:
                yield
            finally:
                self.record(self.clock.monotonic())
            if due is not None:
                raise due[1]

    def box(self, container_id: str, doing: str) -> Box:
        if container_id not in self.boxes:
            raise WaitingError(f"cannot {doing}: No such container: {container_id}", reason="NotFound")
        self.touched.append((doing, container_id))
        return self.boxes[container_id]

    def behaviour(self, box: Box) -> Behaviour:
        return self.behaviours.get(box.image_id) or self.behaviours.get(box.image) or Behaviour()

    def new_id(self) -> str:
        return f"{next(self._serial):012x}".ljust(64, "0")

    def network_named(self, name: str) -> Network | None:
        return next((network for network in self.networks.values() if network.name == name), None)

    def start(self, box: Box) -> None:
        if box.state is State.PAUSED:
            raise WaitingError(f"cannot start {box.name}: it is paused", reason="EngineRefused")
        if box.alive:
            return
        words = self.behaviour(box).cannot_start
        if words:
            raise StalledError(f"cannot start {box.name}: {words}", reason="StartFailed")
        self._check_networks(box)
        self._check_ports(box)
        self.run(box)

    def run(self, box: Box) -> None:
        now = self.clock.monotonic()
        self._run_at(box, now)
        self.tell(box, "start")

    def stop(self, box: Box, exit_code: int = 137) -> None:
        if not box.alive:
            return
        box.state, box.exit_code = State.EXITED, exit_code
        self._close_probe(box)
        self.tell(box, "die")

    def remove(self, box: Box) -> None:
        del self.boxes[box.id]
        self.tell(box, "destroy")

    def rename(self, box: Box, name: str) -> None:
        if any(other.name == name for other in self.boxes.values() if other is not box):
            raise WaitingError(f"cannot rename {box.name}: the name {name} is in use", reason="NameTaken")
        box.name = name
        self.tell(box, "rename")

    def listen(self) -> queue.SimpleQueue[Event | None]:
        listener: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        with self.lock:
            self._listeners.append(listener)
        return listener

    def tell(self, box: Box, action: str) -> None:
        self.say(Event(Trigger.ENGINE, box.stack, f"{action} {box.name}", box.id))

    def say(self, event: Event) -> None:
        for listener in self._listeners:
            listener.put(event)

    # --- Time

    def settle(self) -> None:
        """Let happen what was due since the last call, in order."""
        while True:
            due = [(at, box.id, change) for box in self.boxes.values() for at, change in self._changes(box)]
            due = [entry for entry in due if entry[0] <= self.clock.monotonic()]
            if not due:
                return
            at, box_id, change = min(due, key=lambda entry: (entry[0], entry[1]))
            self._happen(self.boxes[box_id], change, at)
            self.record(at)

    def record(self, at: float) -> None:
        serving = frozenset((box.stack, box.service) for box in self.boxes.values() if box.serves)
        serving = frozenset(found for found in serving if found not in self.told or self._is_sent_right(*found))
        if not self._history or self._history[-1].services != serving:
            self._history.append(Served(at, serving))

    def _is_sent_right(self, stack: str, service: str) -> bool:
        """Whether each container that a proxy may ask, serves."""
        mine = {box.id: box for box in self.boxes.values() if (box.stack, box.service) == (stack, service)}
        asked = self.told[(stack, service)] or tuple(
            identity for identity, box in mine.items() if box.state is State.RUNNING
        )
        return bool(asked) and all(identity in mine and mine[identity].serves for identity in asked)

    def _changes(self, box: Box) -> Iterator[tuple[float, str]]:
        behaviour = self.behaviour(box)
        if box.state is State.RESTARTING:
            yield box.restarts_at, "run again"
        if box.state is not State.RUNNING:
            return
        if box.probe is Probe.STARTING and behaviour.healthy_after_s is not None:
            yield box.running_since + behaviour.healthy_after_s, "healthy"
        if box.probe is Probe.STARTING and behaviour.healthy_after_s is None:
            yield box.running_since + behaviour.unhealthy_after_s, "unhealthy"
        if box.probe is Probe.HEALTHY and behaviour.fails_after_s is not None:
            yield box.running_since + behaviour.fails_after_s, "unhealthy"
        if behaviour.exits_after_s is not None:
            yield box.running_since + behaviour.exits_after_s, "exit"

    def _happen(self, box: Box, change: str, at: float) -> None:
        match change:
            case "healthy" | "unhealthy":
                box.probe = Probe(change)
                self.tell(box, f"health_status: {change}")
            case "exit":
                self._exit(box, at)
            case "run again":
                box.restart_count += 1
                self._run_at(box, at)
                self.tell(box, "start")

    def _exit(self, box: Box, at: float) -> None:
        behaviour = self.behaviour(box)
        box.exit_code = behaviour.exit_code
        box.state = State.RESTARTING if self._restarts(box, behaviour) else State.EXITED
        box.restarts_at = at + RESTART_DELAY_S
        self._close_probe(box)
        self.tell(box, "die")

    def _restarts(self, box: Box, behaviour: Behaviour) -> bool:
        policy = box.resources["RestartPolicy.Name"]
        failed = policy == "on-failure" and behaviour.exit_code != 0
        return behaviour.crash_loop or policy in ("always", "unless-stopped") or failed

    def _run_at(self, box: Box, at: float) -> None:
        box.state, box.exit_code, box.running_since = State.RUNNING, 0, at
        box.started_at = self.clock.now() - (self.clock.monotonic() - at)
        box.probe = Probe.STARTING if box.healthcheck or self.behaviour(box).healthcheck else Probe.NONE

    def _close_probe(self, box: Box) -> None:
        """The engine calls what has ended unhealthy."""
        if box.probe is not Probe.NONE:
            box.probe = Probe.UNHEALTHY

    def _check_networks(self, box: Box) -> None:
        for name in box.endpoints:
            if self.network_named(name) is None:
                raise WaitingError(f"cannot start {box.name}: network {name} not found", reason="NotFound")
        for joined in box.joins:
            lender = self.boxes.get(joined)
            if lender is None or not lender.alive:
                raise WaitingError(
                    f"cannot start {box.name}: it joins a container that does not run", reason="EngineRefused"
                )

    def _check_ports(self, box: Box) -> None:
        held = set(self.taken_ports)
        for other in self.boxes.values():
            if other.alive:
                held.update(other.ports)
        for port in box.ports:
            if any(meet(port, taken) for taken in held):
                raise WaitingError(f"cannot start {box.name}: host port {port} is held", reason="PortTaken")


def meet(one: str, other: str) -> bool:
    """Whether two ``address:port/protocol`` cannot be held at once."""
    (one_address, _, one_port), (other_address, _, other_port) = one.rpartition(":"), other.rpartition(":")
    everywhere = ("0.0.0.0", "::", "[::]")
    return one_port == other_port and (
        one_address == other_address or one_address in everywhere or other_address in everywhere
    )
