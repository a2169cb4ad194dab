"""The switch of a stack's traffic: writes the files that Traefiks read, and does not call it done before they have.

Decides neither when it is switched nor what a file says; never touches a container but to nudge a Traefik.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reconciler import files
from reconciler.model.desired import Release, ServiceSpec
from reconciler.model.errors import ReconcilerError, WaitingError
from reconciler.model.observed import Container
from reconciler.planning import traefik_labels
from reconciler.planning.proxies import Proxy
from reconciler.planning.traffic import led_services
from reconciler.planning.upstreams import (
    NOBODY,
    PREFIX,
    Upstreams,
    file_of,
    is_in_front_of,
    labels_of,
    mark_in,
    mark_of,
    points_in,
    service_of,
)
from reconciler.ports.clock import Clock
from reconciler.ports.engine import Engine
from reconciler.traffic.confirming import Ask, Confirmation
from reconciler.traffic.connections import Connection


@dataclass(frozen=True, slots=True)
class Kit:
    """What a switch works with.

    ``folder``: the one that holds each stack's; ``staging``: of the same file system, watched by nobody. ``proxies``: the
    Traefiks that serve a release's services. ``connections``: those to a process's network, None where they cannot be seen.
    """

    folder: Path
    staging: Path
    engine: Engine
    clock: Clock
    proxies: Callable[[Release], Iterable[Proxy]]
    ask: Ask
    connections: Callable[[int], Sequence[Connection] | None]


@dataclass(frozen=True, slots=True)
class _Place:
    """A file, and who reads it: the Traefiks of one stack share a folder."""

    path: Path
    proxies: tuple[Proxy, ...]

    @property
    def entry_points(self) -> tuple[str, ...]:
        return tuple(sorted({point.name for proxy in self.proxies for point in proxy.asked_at}))

    @property
    def networks(self) -> frozenset[str]:
        return frozenset[str]().union(*(proxy.networks for proxy in self.proxies))


class Switch:
    """Implements ``Traffic``."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._confirmation = Confirmation(kit.engine, kit.clock, kit.ask)

    def clear_leftovers(self) -> None:
        """Of a process that was killed while it wrote. Only for the holder of the root's lock, before its first pass."""
        files.clear(self._kit.staging)

    def astray(self, release: Release) -> frozenset[str]:
        return frozenset(self._astray(release))

    def unled(self, release: Release) -> frozenset[str]:
        return frozenset(service for service, _ in self._unled(release))

    def shift(self, release: Release, service: str, containers: Sequence[Container]) -> None:
        spec = release.service(service)
        assert spec is not None, "only services of the release are shifted"
        before: dict[_Place, bytes | None] = {}
        marks: dict[_Place, str] = {}
        try:
            for place in self._places(release, spec):
                upstreams = self._upstreams(place, release, spec, containers)
                held = files.content_of(place.path)
                if upstreams.labels != labels_of(spec.definition) and not self._is_read(place):
                    upstreams = replace(upstreams, labels={})
                mark = _mark_of_equal(upstreams, held) or uuid.uuid4().hex
                before[place], marks[place] = held, mark
                self._put(place, upstreams.rendered(mark))
            self._confirm(release.stack, spec, marks)
        except ReconcilerError:
            for place, held in before.items():
                self._put_back(place, held)
            raise

    def see_read(self, release: Release, service: str) -> None:
        """One file that it cannot read keeps a Traefik from reading any, certificates included, and its health says nothing of
        that. A file that names none of its entry points is from before it was given others."""
        place = (release.stack, service)
        for proxy in self._kit.proxies(release):
            if (proxy.front.stack, proxy.front.service) != place or not proxy.reads_us:
                continue
            for path in sorted((self._kit.folder / release.stack).glob(f"{PREFIX}*.yml")):
                self._see_read(proxy, path)

    def _is_read(self, place: _Place) -> bool:
        """Otherwise nobody was ever sent to what these labels declare: Traefik cannot read them on the container either, and
        they must not keep those that mend them from being told."""
        try:
            for proxy in place.proxies:
                self._see_read(proxy, place.path)
        except WaitingError:
            return False
        return True

    def _see_read(self, proxy: Proxy, path: Path) -> None:
        held, whose = _held(path), service_of(path.name)
        mark = mark_in(held) if held is not None else None
        if held is None or mark is None or whose is None:
            return
        points = [point for point in proxy.asked_at if point.name in points_in(held, *whose)]
        if points:
            self._confirmation.await_read(proxy, points, mark_of(*whose, mark))

    def drop(self, release: Release, services: Sequence[str]) -> None:
        for service, path in self._unled(release):
            if service in services:
                files.remove(path)

    def under_way(self, release: Release, container: Container) -> int | None:
        """Where proxies lead to it, only what they ask counts: others may keep connections open for ever."""
        found = self._kit.connections(self._kit.engine.process(container.id))
        if found is None:
            return None
        spec = release.service(container.service)
        places = self._places(release, spec) if spec is not None else ()
        if not places:
            return len(found)
        peers = self._addresses(proxy for place in places for proxy in place.proxies)
        ports = traefik_labels.ports(dict(container.labels))
        return sum(1 for known in found if known.peer in peers and known.port in ports)

    def _astray(self, release: Release) -> Iterator[str]:
        for service in led_services(release):
            spec = release.service(service)
            assert spec is not None
            for place in self._places(release, spec):
                upstreams = self._upstreams(place, release, spec, ())
                if _mark_of_equal(upstreams, _held(place.path)) is None:
                    yield service

    def _unled(self, release: Release) -> Iterator[tuple[str, Path]]:
        led = led_services(release)
        right = {place.path for name in led if (spec := release.service(name)) for place in self._places(release, spec)}
        for path in sorted(self._kit.folder.glob(f"*/{PREFIX}{release.stack}.*.yml")):
            found = service_of(path.name)
            if found is not None and found[0] == release.stack and path not in right:
                yield found[1], path

    def _places(self, release: Release, spec: ServiceSpec) -> tuple[_Place, ...]:
        mine: dict[Path, list[Proxy]] = {}
        for proxy in self._kit.proxies(release):
            if proxy.asked_at and is_in_front_of(proxy, spec, release):
                path = self._kit.folder / proxy.front.stack / file_of(release.stack, spec.name)
                mine.setdefault(path, []).append(proxy)
        return tuple(_Place(path, tuple(own)) for path, own in sorted(mine.items()))

    def _upstreams(
        self, place: _Place, release: Release, spec: ServiceSpec, containers: Sequence[Container]
    ) -> Upstreams:
        """What leads to a container is what that one's own labels declare: of another release, they may say otherwise."""
        labels: Mapping[str, str] = labels_of(spec.definition)
        if containers and all(container.definition != spec.digest for container in containers):
            labels = dict(containers[0].labels)
        hosts = tuple(_hosts(containers, spec, place, labels))
        return Upstreams(release.stack, spec.name, labels, hosts, place.entry_points)

    def _put(self, place: _Place, content: bytes) -> None:
        owner = next((proxy.front.owner for proxy in place.proxies if proxy.front.owner is not None), None)
        files.put(place.path, content, self._kit.staging, owner=owner)

    def _put_back(self, place: _Place, content: bytes | None) -> None:
        if content is not None:
            self._put(place, content)
        else:
            files.remove(place.path)

    def _confirm(self, stack: str, spec: ServiceSpec, marks: Mapping[_Place, str]) -> None:
        taken = traefik_labels.points_of_tcp(labels_of(spec.definition))
        for place, mark in marks.items():
            for proxy in place.proxies:
                points = sorted(proxy.asked_at, key=lambda point: point.name in taken)
                self._confirmation.await_read(proxy, points, mark_of(stack, spec.name, mark))

    def _addresses(self, proxies: Iterable[Proxy]) -> frozenset[str]:
        fronts = {(proxy.front.stack, proxy.front.service) for proxy in proxies}
        return frozenset(
            address
            for stack in {stack for stack, _ in fronts}
            for found in self._kit.engine.containers(stack)
            if (found.stack, found.service) in fronts and found.owned
            for _, address in found.addresses
        )


def _held(path: Path) -> bytes | None:
    try:
        return files.content_of(path)
    except WaitingError:
        return None  # whatever it says, it is not what it should be


def _mark_of_equal(upstreams: Upstreams, held: bytes | None) -> str | None:
    """The mark of what lies there, if that says the same already."""
    mark = mark_in(held) if held is not None else None
    return mark if mark is not None and upstreams.rendered(mark) == held else None


def _hosts(
    containers: Sequence[Container], spec: ServiceSpec, place: _Place, labels: Mapping[str, str]
) -> Iterator[str]:
    """Those of another release may stand where Traefik does not reach them: then nobody was ever sent there, and nobody is.
    Raises WaitingError for one of this release."""
    found = [address for container in containers if (address := _address(container, place, labels))]
    for container in containers:
        if container.definition == spec.digest and not _address(container, place, labels):
            raise WaitingError(
                f"{container.name} has no address on a network of the Traefik {place.proxies[0].front.place}, so nobody can be "
                "sent there",
                reason="TrafficNotShifted",
            )
    yield from found or ((NOBODY,) if containers else ())


def _address(container: Container, place: _Place, labels: Mapping[str, str]) -> str:
    """On the network that its labels name for Traefik, or the first that they share; "" for none."""
    shared = {network: address for network, address in container.addresses if network in place.networks and address}
    named = traefik_labels.label(labels, "traefik.docker.network")
    if named in shared:
        return shared[named]
    return shared[min(shared)] if shared else ""
