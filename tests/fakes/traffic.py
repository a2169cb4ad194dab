"""The Traffic port on a host in memory: what proxies were told is what the host's ``told`` says, at once."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.model.desired import Release
from reconciler.model.errors import WaitingError
from reconciler.model.observed import Container
from reconciler.planning.proxies import proxies_of
from reconciler.planning.traffic import led_services
from tests.fakes.host import FakeHost


class FakeTraffic:
    """``under``: requests under way by container id, of which each look takes one. ``deaf``: the proxy reads nothing;
    ``starts_deaf``: one that starts reads nothing of what it finds."""

    def __init__(self, host: FakeHost) -> None:
        self.host = host
        self.under: dict[str, int] = {}
        self.deaf = False
        self.starts_deaf = False

    def astray(self, release: Release) -> frozenset[str]:
        with self.host.lock:
            return frozenset(name for name in led_services(release) if self.host.told.get((release.stack, name)) != ())

    def unled(self, release: Release) -> frozenset[str]:
        with self.host.lock:
            mine = {service for stack, service in self.host.told if stack == release.stack}
        return frozenset(mine - led_services(release))

    def shift(self, release: Release, service: str, containers: Sequence[Container]) -> None:
        with self.host.call("shift"):
            if self.deaf:
                raise WaitingError("the Traefik has not read", reason="TrafficNotShifted")
            self.host.told[(release.stack, service)] = tuple(container.id for container in containers)

    def drop(self, release: Release, services: Sequence[str]) -> None:
        with self.host.call("drop"):
            for service in services:
                self.host.told.pop((release.stack, service), None)

    def see_read(self, release: Release, service: str) -> None:
        if self.starts_deaf and any(proxy.front.service == service for proxy in proxies_of(release, "")):
            raise WaitingError("the Traefik has not read", reason="TrafficNotShifted")

    def under_way(self, release: Release, container: Container) -> int | None:
        left = self.under.get(container.id, 0)
        self.under[container.id] = max(0, left - 1)
        return left
