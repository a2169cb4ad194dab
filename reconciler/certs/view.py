"""What the stacks of this host serve by TLS, and where that can be seen: fronts, the domains behind them, spots to look at.

Pure: made of releases.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from reconciler.certs.acme import Held
from reconciler.certs.fronts import Router, routers, serves, tls_port
from reconciler.certs.model import Pair
from reconciler.model.desired import Release
from reconciler.planning.fronts import Front, fronts

_PROBE = "reconciler-probe"


@dataclass(frozen=True, slots=True)
class Spot:
    """A name at a front: what a client sees there is what counts. ``port``: of the container."""

    front: Front
    domain: str
    port: int

    @property
    def name(self) -> str:
        """What a client would ask for: a concrete one, where the domain is a wildcard."""
        return self.domain.replace("*", _PROBE, 1)


@dataclass(frozen=True)
class View:
    fronts: tuple[Front, ...] = ()
    routers: tuple[Router, ...] = ()

    @cached_property
    def served(self) -> Mapping[str, tuple[tuple[Front, Router], ...]]:
        """Of each domain that is served by TLS, through which fronts and by which routers."""
        found: dict[str, list[tuple[Front, Router]]] = {}
        for router in self.routers:
            for front in self.fronts:
                if serves(front, router):
                    for domain in router.domains:
                        found.setdefault(domain, []).append((front, router))
        return {domain: tuple(found[domain]) for domain in sorted(found)}

    @cached_property
    def domains(self) -> frozenset[str]:
        return frozenset(self.served)

    def spots(self, pairs: Iterable[Pair]) -> tuple[Spot, ...]:
        """Every served domain at every front of it. While no domain is known, one name of each pair at each front."""
        known = {
            Spot(front, domain, port)
            for domain, places in self.served.items()
            for front, router in places
            if (port := tls_port(front, router)) is not None
        }
        if not known:
            names = [pair.domains[0] for pair in pairs]
            known = {
                Spot(front, domain, port)
                for front in self.fronts
                for domain in names
                if (port := tls_port(front)) is not None
            }
        return tuple(sorted(known, key=lambda spot: (spot.front.place, spot.domain, spot.port)))

    def orderers(self, domain: str) -> tuple[tuple[Front, Router], ...]:
        """Through whom a certificate for the domain can be ordered."""
        return tuple((front, router) for front, router in self.served.get(domain, ()) if front.resolver is not None)

    def storages(self) -> frozenset[str]:
        """Where the fronts' ACME files lie on this host."""
        return frozenset(r.storage for front in self.fronts for r in front.resolvers if r.storage is not None)


def view_of(releases: Iterable[Release], folder_of: Callable[[str], str]) -> View:
    """``folder_of``: a stack's ``RECONCILER_TRAEFIK_DIR``."""
    kept = tuple(releases)
    return View(
        fronts=tuple(front for release in kept for front in fronts(release, folder_of(release.stack))),
        routers=tuple(router for release in kept for router in routers(release)),
    )


def held_by(front: Front, holdings: Mapping[str, tuple[Held, ...]]) -> tuple[Held, ...]:
    """``holdings``: by the place of the ACME file."""
    names = {resolver.name for resolver in front.resolvers}
    storages = {resolver.storage for resolver in front.resolvers if resolver.storage is not None}
    return tuple(found for place in sorted(storages) for found in holdings.get(place, ()) if found.resolver in names)
