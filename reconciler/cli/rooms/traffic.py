"""How the traffic's room is made of a root's parts: which Traefiks run here, and the switch that tells them whom to ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.cli.wiring import Parts
    from reconciler.traffic.known import KnownProxies
    from reconciler.traffic.switch import Switch


def known(parts: Parts) -> KnownProxies:
    from reconciler.traffic.known import KnownProxies

    def applied() -> Iterator[tuple[str, int]]:
        for record in parts.journal.stacks():
            if record.applied_release is not None:
                yield record.name, record.applied_release

    return KnownProxies(applied, parts.shelf.load, lambda stack: str(parts.layout.traefik_of(stack)))


def switch(parts: Parts) -> Switch:
    from reconciler.traffic.asking import has_read
    from reconciler.traffic.connections import connections_of
    from reconciler.traffic.switch import Kit, Switch

    return Switch(
        Kit(
            folder=parts.layout.traefik,
            staging=parts.layout.upstreams_staging,
            engine=parts.engine,
            clock=parts.clock,
            proxies=parts.proxies.serving,
            ask=has_read,
            connections=connections_of,
        )
    )


def leads_others(parts: Parts, stack: str) -> bool:
    """Whether the stack runs a proxy that leads to services of other stacks."""
    return any(proxy.reads_us and proxy.front.sees_others for proxy in parts.proxies.running(stack))
