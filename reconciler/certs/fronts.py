"""Which names a release serves, and through which proxies, read from what Compose rendered: labels. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reconciler.certs.names import canonical
from reconciler.model.desired import Release, ServiceSpec
from reconciler.planning.fronts import Front

_HOSTS = re.compile(r"(!\s*)?\b(?:Host|HostSNI)\(([^)]*)\)")
_QUOTED = re.compile(r"[`\"']([^`\"']+)[`\"']")
_NAME = re.compile(r"(\*\.)?([a-z0-9_]([a-z0-9_-]*[a-z0-9_])?\.)*[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_ROUTER = re.compile(r"traefik\.(http|tcp)\.routers\.([^.]+)\.(.+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Router:
    """A router of a service's labels that terminates TLS or plain requests. ``domains``: concrete or wildcard names, in
    small letters. ``enabled``: its service says ``traefik.enable=true``."""

    stack: str
    service: str
    name: str
    domains: tuple[str, ...]
    entry_points: tuple[str, ...] = ()
    tls: bool = False
    resolver: str = ""
    options: str = ""
    enabled: bool = False


def routers(release: Release) -> tuple[Router, ...]:
    """Those of every service whose labels do not switch Traefik off."""
    return tuple(router for spec in release.services for router in _routers(release.stack, spec))


def serves(front: Front, router: Router) -> bool:
    """Whether the router's names are reached through ``front``, by TLS."""
    if router.stack != front.stack and not front.sees_others:
        return False
    if front.waits_for_enable and not router.enabled:
        return False
    points = [point for point in front.entry_points if not router.entry_points or point.name in router.entry_points]
    return bool(points) and (router.tls or any(point.tls for point in points))


def tls_port(front: Front, router: Router | None = None) -> int | None:
    """The container's port on which ``router`` answers by TLS; of any router, if None."""
    wanted = router.entry_points if router is not None else ()
    points = [point for point in front.entry_points if not wanted or point.name in wanted]
    chosen = next((point for point in points if point.tls), points[0] if points else None)
    return chosen.port if chosen else None


def _routers(stack: str, spec: ServiceSpec) -> Iterator[Router]:
    labels = {str(key): str(value) for key, value in (spec.definition.get("labels") or {}).items()}
    enabled = next((value for key, value in labels.items() if key.lower() == "traefik.enable"), "").strip().lower()
    if enabled == "false":
        return
    settings: dict[tuple[str, str], dict[str, str]] = {}
    for key, value in labels.items():
        match = _ROUTER.fullmatch(key)
        if match:
            settings.setdefault((match[1].lower(), match[2]), {})[match[3].lower()] = value
    for (_, name), own in sorted(settings.items()):
        if own.get("tls.passthrough", "").lower() == "true":
            continue  # TLS ends at the service: what it shows is not ours to judge at the proxy
        yield Router(
            stack=stack,
            service=spec.name,
            name=name,
            domains=_domains(own),
            entry_points=tuple(part.strip().lower() for part in own.get("entrypoints", "").split(",") if part.strip()),
            tls=own.get("tls", "").lower() == "true" or any(key.startswith("tls.") for key in own),
            resolver=own.get("tls.certresolver", ""),
            options=own.get("tls.options", ""),
            enabled=enabled == "true",
        )


def _domains(own: Mapping[str, str]) -> tuple[str, ...]:
    """Of the rule, and those that ``tls.domains`` names besides."""
    hosts = [match[2] for match in _HOSTS.finditer(own.get("rule", "")) if not match[1]]
    named = [name for host in hosts for name in _QUOTED.findall(host)]
    for key, value in own.items():
        if key.startswith("tls.domains["):
            named.extend(value.split(","))
    names = map(canonical, named)
    return tuple(dict.fromkeys(name for name in names if _NAME.fullmatch(name)))
