"""Somebody who acts on a host in memory behind the product's back, with ``docker`` in hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from reconciler.model.event import Event, Trigger
from reconciler.model.observed import Endpoint, State
from tests.fakes.host import FakeHost


class Somebody:
    """Names containers by name."""

    def __init__(self, host: FakeHost) -> None:
        self._host = host

    @contextmanager
    def _acting(self) -> Iterator[FakeHost]:
        with self._host.lock:
            self._host.settle()
            yield self._host
            self._host.record(self._host.clock.monotonic())

    def stop(self, name: str) -> None:
        with self._acting() as host:
            host.stop(host.named(name))

    def kill(self, name: str) -> None:
        """SIGKILL: as ``docker kill``, which the engine takes for a stop by hand, whatever the restart policy says."""
        self.stop(name)

    def start(self, name: str) -> None:
        with self._acting() as host:
            host.start(host.named(name))

    def pause(self, name: str) -> None:
        with self._acting() as host:
            host.named(name).state = State.PAUSED
            host.tell(host.named(name), "pause")

    def remove(self, name: str) -> None:
        with self._acting() as host:
            box = host.named(name)
            host.stop(box)
            host.remove(box)

    def rename(self, name: str, to: str) -> None:
        with self._acting() as host:
            host.rename(host.named(name), to)

    def limit_memory(self, name: str, size: int) -> None:
        with self._acting() as host:
            host.named(name).resources.update({"Memory": size, "MemorySwap": 2 * size})
            host.tell(host.named(name), "update")

    def disconnect(self, name: str, network: str) -> None:
        with self._acting() as host:
            host.named(name).endpoints.pop(network, None)
            host.tell(host.named(name), f"disconnect network {network} of")

    def connect(self, name: str, network: str) -> None:
        with self._acting() as host:
            host.named(name).endpoints[network] = Endpoint(network)
            host.tell(host.named(name), f"connect network {network} of")

    def tag(self, image: str, reference: str) -> None:
        """``reference`` now names the image that ``image`` names."""
        with self._acting() as host:
            host.images[reference] = host.images[image]
            host.say(Event(Trigger.ENGINE, None, f"tag image {reference}"))
