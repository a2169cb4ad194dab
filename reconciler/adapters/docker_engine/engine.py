"""The Engine port: what is there, and one method per thing done to it. Decides nothing."""

from __future__ import annotations

import math
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from docker.utils import parse_repository_tag

from reconciler import refusals
from reconciler.adapters.docker_engine import messages, read, storage
from reconciler.adapters.docker_engine.archive import archive
from reconciler.adapters.docker_engine.calls import Calls
from reconciler.adapters.docker_engine.connection import READ_S, Connection, is_gone, is_in_use
from reconciler.adapters.docker_engine.details import Details, Images
from reconciler.adapters.docker_engine.executing import executed
from reconciler.adapters.docker_engine.networks import lost_networks
from reconciler.adapters.docker_engine.processes import is_signalled
from reconciler.adapters.docker_engine.pull import pull
from reconciler.adapters.docker_engine.resources import Capacity, update_bodies
from reconciler.model.desired import Injection, LifecycleHook
from reconciler.model.errors import (
    EngineUnavailableError,
    ReconcilerError,
    StalledError,
    WaitingError,
)
from reconciler.model.event import Event
from reconciler.model.observed import Container, Endpoint, Image, Network, Room

PULL_SILENCE_S = 180.0  # unpacking a big layer on a slow disk says nothing for a while
HOOK_S = 120.0
_HOST = "127.0.0.1"
_LOG_BYTES = 4096
_DEFAULT_GRACE_S = 10  # the engine's own, for containers that name none
_OF_COMPOSE = {"label": [read.LABEL_PROJECT]}


class DockerEngine:
    """Implements ``Engine``. ``root_id``: the value of LABEL_ROOT by which we know our own. ``environment``: where
    ``DOCKER_HOST`` and its like are read; None for this process's.

    ``read_s``: how long the engine may take for an answer; ``pull_silence_s``: for the next word of a pull; ``hook_s``:
    how long a hook may run. May be used by many threads at once; ``events`` by one at a time.
    """

    def __init__(
        self,
        root_id: str,
        *,
        environment: Mapping[str, str] | None = None,
        read_s: int = READ_S,
        pull_silence_s: float = PULL_SILENCE_S,
        hook_s: float = HOOK_S,
    ) -> None:
        self._connection = Connection(os.environ if environment is None else environment, read_s)
        self._root_id = root_id
        self._pull_silence_s = pull_silence_s
        self._hook_s = hook_s
        self._details = Details()
        self._images = Images()
        self._calls = Calls(self._connection, self._details)
        self._reader_now: read.Reader | None = None
        self._stacks_of_networks: dict[str, str] = {}

    # --- What is there

    def containers(self, stack: str | None = None) -> tuple[Container, ...]:
        reader = self._reader()
        begun = self._details.begin()
        with self._calls.speaking("list containers") as client:
            there = client.containers(all=True, filters=_OF_COMPOSE)
            entries = [entry for entry in there if stack in (None, read.stack_of(entry["Labels"]))]
            lost = lost_networks(client, entries)
        self._details.keep({entry["Id"] for entry in there}, begun)
        found = (self._container(reader, entry["Id"], read.signature(entry)) for entry in entries)
        return tuple(read.taken_off(container, lost.get(container.id, ())) for container in found if container)

    def inspect(self, container_id: str) -> Container | None:
        details = self._calls.inspect(container_id)
        return None if details is None else self._reader().container(details)

    def networks(self) -> tuple[Network, ...]:
        with self._calls.speaking("list networks") as client:
            entries = client.networks(filters=_OF_COMPOSE)
        found = tuple(self._reader().network(entry) for entry in entries)
        self._stacks_of_networks = {network.id: network.stack for network in found}
        return found

    def image(self, reference: str) -> Image | None:
        known = self._images.get(reference)
        if known is not None:
            return known
        begun = self._images.begin()
        image = self._inspect_image(reference)
        if image is not None:
            self._images.put(reference, image, begun)
        return image

    def logs(self, container_id: str, lines: int) -> str:
        """At most the last 4 KiB of them, since they go into messages for people."""
        kept: deque[bytes] = deque(maxlen=max(lines, 1))
        try:
            with self._calls.speaking("read the log") as client:
                for chunk in client.logs(container_id, stream=True, follow=False, tail=lines):
                    kept.append(chunk[-_LOG_BYTES:])
        except EngineUnavailableError:
            raise
        except ReconcilerError:
            return ""  # Gone, or its log driver lets nobody read.
        return _printable(b"".join(kept)[-_LOG_BYTES:])

    def events(self) -> Iterator[Event]:
        """First one that says "connected", a reason for a full look: what happened before it was not heard. While it
        is iterated, details are cached, so take events as they come. Ends when ``close`` is called."""
        try:
            for message in self._connection.messages():
                if message is None:
                    self._reader_now = None
                    self._details.trust()
                    self._images.trust()
                    yield messages.CONNECTED
                    continue
                self._forget(message)
                event = messages.event(message, self._stack_of)
                if event:
                    yield event
        finally:
            self._details.distrust()
            self._images.distrust()

    def close(self) -> None:
        """Ends ``events``, also from another thread, for good."""
        self._connection.close()

    # --- Images

    def pull(self, reference: str, progress: Callable[[str], None]) -> Image:
        pull(self._connection, reference, progress, self._pull_silence_s)
        self._images.drop()
        image = self.image(reference)
        if image is None:
            raise refusals.pull_refused(reference, "it was removed as soon as it was there")
        return image

    def tag(self, image_id: str, reference: str) -> None:
        repository, tag = parse_repository_tag(reference)
        if "@" in reference:
            raise StalledError(f"{reference} names an image by its digest, which no tag can change")
        with self._calls.speaking(f"tag {reference}") as client:
            client.tag(image_id, repository, tag or "latest")
        self._images.drop()

    def remove_image(self, image_id: str) -> bool:
        try:
            with self._calls.speaking(f"remove image {image_id}") as client:
                if storage.is_used(client, image_id):
                    return False
                storage.remove(client, image_id)
        except (WaitingError, StalledError) as error:
            if is_gone(error.__cause__) or is_in_use(error.__cause__):
                return False
            raise
        finally:
            self._images.drop()
        return True

    def room(self) -> Room | None:
        if not self._connection.is_of_this_host:
            return None
        with self._calls.speaking("ask where images are kept") as client:
            return storage.room_at(client.info())

    # --- Containers

    def start(self, container_id: str) -> None:
        with self._calls.starting(container_id) as client:
            client.start(container_id)

    def stop(self, container_id: str, grace_s: float | None) -> None:
        grace = self._grace(container_id, grace_s)
        with self._calls.unless_gone(), self._calls.doing("stop", container_id) as client:
            client.stop(container_id, timeout=grace)

    def restart(self, container_id: str, grace_s: float | None) -> None:
        grace = self._grace(container_id, grace_s)
        with self._calls.starting(container_id) as client:
            client.restart(container_id, timeout=grace)

    def signal(self, container_id: str, name: str) -> None:
        if is_signalled(self._calls.inspect(container_id) or {}, name):
            return
        with (
            self._calls.unless_gone(),
            self._calls.unless("is not running"),
            self._calls.doing(f"send {name} to", container_id) as client,
        ):
            client.kill(container_id, name)

    def address(self, container_id: str) -> str:
        details = self._calls.inspect(container_id) or {}
        if (details.get("HostConfig") or {}).get("NetworkMode") == "host":
            return _HOST
        networks = (details.get("NetworkSettings") or {}).get("Networks") or {}
        found = (endpoint.get("IPAddress") or endpoint.get("GlobalIPv6Address") for endpoint in networks.values())
        return next((address for address in found if address), "")

    def process(self, container_id: str) -> int:
        details = self._calls.inspect(container_id) or {}
        return int((details.get("State") or {}).get("Pid") or 0)

    def unpause(self, container_id: str) -> None:
        with self._calls.unless("not paused"), self._calls.doing("unpause", container_id) as client:
            client.unpause(container_id)

    def remove(self, container_id: str) -> None:
        with (
            self._calls.unless_gone(),
            self._calls.unless("is already in progress"),
            self._calls.doing("remove", container_id) as client,
        ):
            client.remove_container(container_id, v=False, force=False)

    def rename(self, container_id: str, name: str) -> None:
        with (
            self._calls.unless("same name as its current name"),
            self._calls.doing(f"give the name {name} to", container_id) as client,
        ):
            client.rename(container_id, name)

    def update(self, container_id: str, resources: Mapping[str, str | int]) -> None:
        """``resources``: keys as in LiveSettings; those left out stay as they are."""
        details = self._calls.inspect(container_id)
        if details is None:
            raise WaitingError(f"cannot update container {container_id[:12]}: it is gone", reason="NotFound")
        bodies = update_bodies(resources, details["HostConfig"], self._reader().capacity)
        with self._calls.doing("update", container_id) as client:
            for body in bodies:
                client.update_limits(container_id, body)

    def connect(self, container_id: str, endpoint: Endpoint) -> None:
        with (
            self._calls.unless("already exists in network", "is already attached to network"),
            self._calls.doing(f"connect to network {endpoint.network}", container_id) as client,
        ):
            client.connect_container_to_network(
                container_id,
                endpoint.network,
                aliases=list(endpoint.aliases) or None,
                ipv4_address=endpoint.ipv4 or None,
                ipv6_address=endpoint.ipv6 or None,
            )

    def disconnect(self, container_id: str, network: str) -> None:
        with (
            self._calls.unless("is not connected to"),
            self._calls.doing(f"disconnect from network {network}", container_id) as client,
        ):
            client.disconnect_container_from_network(container_id, network)

    def inject(self, container_id: str, files: Sequence[Injection]) -> None:
        if not files:
            return
        with self._calls.doing("copy configs and secrets into", container_id) as client:
            client.put_archive(container_id, "/", archive(files, time.time()))

    def execute(self, container_id: str, hook: LifecycleHook, within_s: float | None = None) -> int:
        """Raises WaitingError(reason="HookTimedOut") when it has not ended within the time limit."""
        with self._calls.doing("run a hook in", container_id) as client:
            return executed(client, container_id, hook, within_s or self._hook_s)

    # --- Networks

    def remove_network(self, network_id: str) -> None:
        with self._calls.unless_gone(), self._calls.speaking(f"remove network {network_id[:12]}") as client:
            client.remove_network(network_id)

    # --- Helpers, in the order of the calls

    def _reader(self) -> read.Reader:
        reader = self._reader_now
        if reader is None:
            with self._calls.speaking("ask for the host's size") as client:
                info = client.info()
            reader = read.Reader(self._root_id, Capacity(int(info["NCPU"]), int(info["MemTotal"])))
            self._reader_now = reader
        return reader

    def _container(self, reader: read.Reader, container_id: str, signature: tuple[object, ...]) -> Container | None:
        known = self._details.get(container_id, signature)
        if known is not None:
            return known
        begun = self._details.begin()
        details = self._calls.inspect(container_id)
        if details is None:
            return None
        container = reader.container(details)
        self._details.put(container, signature, begun)
        return container

    def _inspect_image(self, reference: str) -> Image | None:
        try:
            with self._calls.speaking(f"look at image {reference}") as client:
                return read.image(client.inspect_image(reference))  # type: ignore[no-untyped-call]
        except WaitingError as error:
            if is_gone(error.__cause__):
                return None
            raise

    def _forget(self, message: Mapping[str, Any]) -> None:
        container_id = messages.stale_container(message)
        if container_id:
            self._details.drop(container_id)
        if messages.is_of_an_image(message):
            self._images.drop()

    def _stack_of(self, some_id: str) -> str | None:
        """Of a container or network."""
        known = self._details.stack(some_id) or self._stacks_of_networks.get(some_id)
        if known is not None or not some_id:
            return known
        details = self._calls.inspect(some_id)
        return None if details is None else read.stack_of(details["Config"].get("Labels") or {})

    def _grace(self, container_id: str, grace_s: float | None) -> int:
        """Whole seconds. The engine answers once the container has stopped, so it must be known how long to wait."""
        if grace_s is not None:
            return math.ceil(grace_s)
        details = self._calls.inspect(container_id)
        own = None if details is None else details["Config"].get("StopTimeout")
        return _DEFAULT_GRACE_S if own is None or own < 0 else int(own)


def _printable(raw: bytes) -> str:
    text = raw.decode(errors="replace")
    return "".join(sign for sign in text if sign in "\n\t" or sign.isprintable()).strip("\n")
