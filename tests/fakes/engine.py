"""The Engine and Ports ports on a host in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from reconciler.model.desired import Injection, LifecycleHook
from reconciler.model.errors import EngineUnavailableError, WaitingError
from reconciler.model.event import Event, Trigger
from reconciler.model.manifest import HttpProbe
from reconciler.model.observed import Container, Endpoint, Image, Network, Room, State
from tests.fakes.host import FakeHost, meet


class FakeEngine:
    """Implements ``Engine``."""

    def __init__(self, host: FakeHost) -> None:
        self.host = host
        self._closed = False

    # --- What is there

    def containers(self, stack: str | None = None) -> tuple[Container, ...]:
        with self.host.call("containers"):
            boxes = (box for box in self.host.boxes.values() if box.stack)
            return tuple(box.seen() for box in boxes if stack in (None, box.stack))

    def inspect(self, container_id: str) -> Container | None:
        with self.host.call("inspect"):
            named = next((box for box in self.host.boxes.values() if box.name == container_id), None)
            box = self.host.boxes.get(container_id, named)
            return box.seen() if box else None

    def networks(self) -> tuple[Network, ...]:
        with self.host.call("networks"):
            return tuple(network for network in self.host.networks.values() if network.stack)

    def image(self, reference: str) -> Image | None:
        with self.host.call("image"):
            image_id = self.host.images.get(reference, reference)
            return self.host.image_now(image_id)

    def logs(self, container_id: str, lines: int) -> str:
        with self.host.call("logs"):
            box = self.host.boxes.get(container_id)
            text = self.host.behaviour(box).log if box and box.started_at else ""
            return "\n".join(text.splitlines()[-lines:])

    def events(self) -> Iterator[Event]:
        with self.host.call("events"):
            heard = self.host.listen()
        yield Event(Trigger.ENGINE, None, "connected")
        while True:
            event = heard.get()
            if event is not None:
                yield event
            elif self._closed:
                return
            else:
                raise EngineUnavailableError("the Docker engine's event stream ended")

    def close(self) -> None:
        self._closed = True
        down = self.host.down
        self.host.down = True  # Ends the streams ...
        self.host.down = down  # ... and nothing else.

    # --- Images

    def pull(self, reference: str, progress: Callable[[str], None]) -> Image:
        with self.host.call("pull"):
            progress(f"pulling {reference}")
            image_id = self.host.registry.get(reference)
            if image_id is None:
                raise WaitingError(f"cannot pull {reference}: manifest unknown", reason="ImagePullFailed")
            self.host.add_image(reference, image_id)
            self.host.say(Event(Trigger.ENGINE, None, f"pull image {reference}"))
            return self.host.image_details[image_id]

    def tag(self, image_id: str, reference: str) -> None:
        with self.host.call("tag"):
            image_id = self.host.images.get(image_id, image_id)
            if image_id not in self.host.image_details:
                raise WaitingError(f"cannot tag {reference}: No such image: {image_id}", reason="NotFound")
            self.host.images[reference] = image_id
            self.host.say(Event(Trigger.ENGINE, None, f"tag image {reference}"))

    def remove_image(self, image_id: str) -> bool:
        with self.host.call("remove image"):
            used = any(box.image_id == image_id for box in self.host.boxes.values())
            if used or self.host.image_details.pop(image_id, None) is None:
                return False
            for name in [name for name, held in self.host.images.items() if held == image_id]:
                del self.host.images[name]
            return True

    def room(self) -> Room | None:
        with self.host.call("room"):
            return self.host.room

    # --- Containers

    def start(self, container_id: str) -> None:
        with self.host.call("start"):
            self.host.start(self.host.box(container_id, "start"))

    def stop(self, container_id: str, grace_s: float | None) -> None:
        with self.host.call("stop"):
            if container_id in self.host.boxes:
                self.host.stop(self.host.box(container_id, "stop"))

    def restart(self, container_id: str, grace_s: float | None) -> None:
        with self.host.call("restart"):
            box = self.host.box(container_id, "restart")
            self.host.stop(box)
            self.host.record(self.host.clock.monotonic())
            self.host.start(box)

    def signal(self, container_id: str, name: str) -> None:
        with self.host.call("signal"):
            box = self.host.boxes.get(container_id)
            if box is not None and box.alive:
                self.host.signals.append((box.name, name))

    def process(self, container_id: str) -> int:
        box = self.host.boxes.get(container_id)
        return 4242 if box is not None and box.alive else 0

    def address(self, container_id: str) -> str:
        box = self.host.boxes.get(container_id)
        return "127.0.0.1" if box is not None and box.alive else ""

    def unpause(self, container_id: str) -> None:
        with self.host.call("unpause"):
            box = self.host.box(container_id, "unpause")
            if box.state is State.PAUSED:
                box.state = State.RUNNING
                self.host.tell(box, "unpause")

    def remove(self, container_id: str) -> None:
        with self.host.call("remove"):
            if container_id not in self.host.boxes:
                return
            box = self.host.box(container_id, "remove")
            if box.alive:
                raise WaitingError(f"cannot remove {box.name}: it runs", reason="EngineRefused")
            self.host.remove(box)

    def rename(self, container_id: str, name: str) -> None:
        with self.host.call("rename"):
            self.host.rename(self.host.box(container_id, "rename"), name)

    def update(self, container_id: str, resources: Mapping[str, str | int]) -> None:
        with self.host.call("update"):
            box = self.host.box(container_id, "update")
            box.resources.update(resources)
            self.host.tell(box, "update")

    def connect(self, container_id: str, endpoint: Endpoint) -> None:
        with self.host.call("connect"):
            box = self.host.box(container_id, "connect")
            if self.host.network_named(endpoint.network) is None:
                raise WaitingError(f"cannot connect {box.name}: no network {endpoint.network}", reason="NotFound")
            box.endpoints.setdefault(endpoint.network, endpoint)
            self.host.tell(box, f"connect network {endpoint.network} of")

    def disconnect(self, container_id: str, network: str) -> None:
        with self.host.call("disconnect"):
            box = self.host.box(container_id, "disconnect")
            box.endpoints.pop(network, None)
            self.host.tell(box, f"disconnect network {network} of")

    def inject(self, container_id: str, files: Sequence[Injection]) -> None:
        with self.host.call("inject"):
            self.host.box(container_id, "inject").injected.extend(files)

    def execute(self, container_id: str, hook: LifecycleHook, within_s: float | None = None) -> int:
        with self.host.call("execute"):
            box = self.host.box(container_id, "execute")
            if box.state is not State.RUNNING:
                raise WaitingError(f"cannot run a hook in {box.name}: it does not run", reason="EngineRefused")
            box.executed.append(hook)
            return self.host.behaviour(box).hook_status

    # --- Networks

    def remove_network(self, network_id: str) -> None:
        with self.host.call("remove_network"):
            network = self.host.networks.get(network_id)
            if network is None:
                return
            if any(box.alive and network.name in box.endpoints for box in self.host.boxes.values()):
                raise WaitingError(f"cannot remove network {network.name}: it is in use", reason="EngineRefused")
            del self.host.networks[network_id]


class FakeAsks:
    """Implements ``Asks``. ``answers``: the trouble with a probe now, "" for none."""

    def __init__(self) -> None:
        self.answers: Callable[[HttpProbe], str] = lambda _: ""

    def trouble(self, address: str, probe: HttpProbe) -> str:
        assert address, "only what runs is asked"
        return self.answers(probe)


class FakePorts:
    """Implements ``Ports``."""

    def __init__(self, host: FakeHost) -> None:
        self._host = host

    def taken(self, ports: Sequence[str]) -> tuple[str, ...]:
        with self._host.lock:
            held = set(self._host.taken_ports)
            for box in self._host.boxes.values():
                held |= set(box.ports) if box.alive else set()
            return tuple(port for port in ports if any(meet(port, other) for other in held))
