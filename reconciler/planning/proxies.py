"""Which Traefiks send requests to which services, and where they can be asked what they have read. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.model.desired import Release
from reconciler.planning.fronts import EntryPoint, Front, entry_points, front_of, mounts, static_settings
from reconciler.planning.traefik_labels import is_enabled

_LOOPBACK = ("127.", "[::1]", "localhost")


@dataclass(frozen=True, slots=True)
class Proxy:
    """A Traefik with a Docker provider. ``networks``: the engine's names. ``reads_us``: it mounts its stack's
    ``RECONCILER_TRAEFIK_DIR``. ``asked_at``: entry points that answer as routers say, with no redirection or middleware
    before them, those without TLS first; a router of plain TCP may still take all of one for itself."""

    front: Front
    networks: frozenset[str]
    reads_us: bool
    asked_at: tuple[EntryPoint, ...] = ()


def proxies(
    stack: str, definitions: Mapping[str, Mapping[str, Any]], networks: Mapping[str, str], folder: str
) -> tuple[Proxy, ...]:
    """Those among the services of a stack. ``networks``: the engine's names, by key; ``folder``: the stack's
    ``RECONCILER_TRAEFIK_DIR``."""
    found = (_proxy(stack, name, own, networks, folder) for name, own in sorted(definitions.items()))
    return tuple(proxy for proxy in found if proxy is not None)


def proxies_of(release: Release, folder: str) -> tuple[Proxy, ...]:
    definitions = {spec.name: spec.definition for spec in release.services}
    return proxies(release.stack, definitions, names_of_networks(release), folder)


def names_of_networks(release: Release) -> dict[str, str]:
    return {network.key: network.name for network in release.networks}


def networks_of(definition: Mapping[str, Any], networks: Mapping[str, str]) -> frozenset[str]:
    """The engine's names of those that a service is on."""
    return frozenset(networks.get(key, key) for key in definition.get("networks") or {})


def leading_to(
    stack: str, labels: Mapping[str, str], on_networks: frozenset[str], known: Iterable[Proxy]
) -> tuple[Proxy, ...]:
    """Those that serve what a service of ``stack`` with these labels declares."""
    return tuple(
        proxy
        for proxy in known
        if (proxy.front.stack == stack or proxy.front.sees_others)
        and is_enabled(labels, by_default=not proxy.front.waits_for_enable)
        and (proxy.networks & on_networks or proxy.front.on_host)
    )


def _proxy(
    stack: str, name: str, definition: Mapping[str, Any], networks: Mapping[str, str], folder: str
) -> Proxy | None:
    settings = static_settings(definition)
    reads_us = mounts(definition, folder)
    has_docker = any(key == "providers.docker" or key.startswith("providers.docker.") for key in settings)
    if not has_docker and (settings or not reads_us):
        return None
    return Proxy(
        front=front_of(stack, name, definition),
        networks=networks_of(definition, networks),
        reads_us=reads_us,
        asked_at=_asked_at(settings),
    )


def _asked_at(settings: Mapping[str, str]) -> tuple[EntryPoint, ...]:
    found = (point for point in entry_points(settings) if _answers(point, settings))
    return tuple(sorted(found, key=lambda point: point.tls))


def _answers(point: EntryPoint, settings: Mapping[str, str]) -> bool:
    own = f"entrypoints.{point.name}."
    if settings.get(f"{own}address", "").startswith(_LOOPBACK):
        return False
    return not any(key.startswith((f"{own}http.redirections", f"{own}http.middlewares")) for key in settings)
