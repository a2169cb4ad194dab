"""Which services' upstreams are ours to say, how that changes what they are made from, and what the file says of them.

Pure (docs/decisions/0014). A service keeps its ``traefik.*`` labels; its routers are led to load balancers of a file that
the reconciler writes, and it gets a name that nobody else has on the networks it shares with Traefik.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reconciler.model.desired import Release, ServiceSpec
from reconciler.model.manifest import Manifest
from reconciler.planning import traefik_labels
from reconciler.planning.proxies import Proxy, leading_to, networks_of
from reconciler.planning.strategy import linked_services, may_start_first

PREFIX = "upstreams-"
_MARK = re.compile(rb"/\.reconciler/[^`]*/([0-9a-f]{32})`")
_FIRST_OF_ALL = "1000000"  # the mark's router must win over whatever catches all
NOBODY = "nobody.invalid"  # a load balancer must have a server, and nobody ever has this name (RFC 6761)


@dataclass(frozen=True, slots=True)
class Taken:
    """What taking over the upstreams of a stack makes of its services. ``definitions``: all of them, by name.
    ``declined``: why those that ask for Traefik are left to its Docker provider, by name."""

    definitions: Mapping[str, dict[str, Any]]
    declined: Mapping[str, str] = field(default_factory=dict)


def take_over(
    definitions: Mapping[str, dict[str, Any]], manifest: Manifest, networks: Mapping[str, str], known: Sequence[Proxy]
) -> Taken:
    """``networks``: the engine's names, by key. ``known``: the Traefiks of this host, those of the stack included."""
    found, declined = dict(definitions), dict[str, str]()
    for name, definition in definitions.items():
        labels = labels_of(definition)
        if not traefik_labels.asks_for_traefik(labels):
            continue
        leading = leading_to(manifest.name, labels, networks_of(definition, networks), known)
        if not any(proxy.reads_us for proxy in leading):
            continue
        why = _why_not(name, definitions, manifest, leading)
        if why:
            declined[name] = why
        elif traefik_labels.leads(labels, manifest.name):
            found[name] = _led(name, definition, manifest.name, networks, leading)
    return Taken(found, declined)


def labels_of(definition: Mapping[str, Any]) -> dict[str, str]:
    """As the container gets them: in a model, ``$`` is written twice."""
    return {str(key): str(value).replace("$$", "$") for key, value in (definition.get("labels") or {}).items()}


def is_led(spec: ServiceSpec, stack: str) -> bool:
    """Whether its upstreams are ours to say."""
    return traefik_labels.is_pointed(labels_of(spec.definition), stack)


def name_of(service: str, stack: str) -> str:
    """What it is reached by. ``internal`` is nobody's on the internet, so a name that nobody has leads nowhere."""
    return f"{service}.{stack}.internal".lower()


def file_of(stack: str, service: str) -> str:
    return f"{PREFIX}{stack}.{service}.yml"


def service_of(file: str) -> tuple[str, str] | None:
    """Stack and service; None for a file that is not of ours. A stack's name has no dot."""
    if not file.startswith(PREFIX) or not file.endswith(".yml"):
        return None
    stack, _, service = file.removeprefix(PREFIX).removesuffix(".yml").partition(".")
    return (stack, service) if stack and service else None


def mark_of(stack: str, service: str, mark: str) -> str:
    """The path that is answered by whoever has read the file with this mark."""
    return f"/.reconciler/{stack}/{service}/{mark}"


def mark_in(content: bytes) -> str | None:
    found = _MARK.search(content)
    return found[1].decode() if found else None


def points_in(content: bytes, stack: str, service: str) -> frozenset[str]:
    """The entry points at which the mark is answered; none of a file that somebody else wrote."""
    try:
        router = json.loads(content)["http"]["routers"][_mark_router(stack, service)]
        return frozenset(str(router["entryPoints"]).split(","))
    except (ValueError, KeyError, TypeError):
        return frozenset()


def _mark_router(stack: str, service: str) -> str:
    return f"{stack}.{service}.mark"


@dataclass(frozen=True, slots=True)
class Upstreams:
    """``hosts``: names or addresses; none for the service's own name. ``entry_points``: where the mark is answered."""

    stack: str
    service: str
    labels: Mapping[str, str]
    hosts: tuple[str, ...] = ()
    entry_points: tuple[str, ...] = ()

    def rendered(self, mark: str) -> bytes:
        """Equal input gives equal bytes. JSON, which is YAML; two braces would begin a template of Traefik's."""
        hosts = self.hosts or (name_of(self.service, self.stack),)
        content = traefik_labels.configuration(self.labels, self.stack, self.service, hosts, is_brief=bool(self.hosts))
        http = content.setdefault("http", {})
        http.setdefault("routers", {})[_mark_router(self.stack, self.service)] = {
            "rule": f"Path(`{mark_of(self.stack, self.service, mark)}`)",
            "priority": _FIRST_OF_ALL,
            "entryPoints": ",".join(self.entry_points),
            "service": "noop@internal",
        }
        text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False)
        return text.replace("{{", "{\\u007b").encode() + b"\n"


def is_in_front_of(proxy: Proxy, spec: ServiceSpec, release: Release) -> bool:
    """Whether what the proxy reads of us must say where the service is."""
    networks = {network.key: network.name for network in release.networks}
    labels = labels_of(spec.definition)
    return proxy.reads_us and bool(leading_to(release.stack, labels, networks_of(spec.definition, networks), (proxy,)))


def _why_not(name: str, definitions: Mapping[str, dict[str, Any]], manifest: Manifest, leading: Sequence[Proxy]) -> str:
    definition = definitions[name]
    linked = any(name in linked_services(other) for other in definitions.values())
    own = manifest.rollout.of(name)
    if own.job or linked or not may_start_first(definition, own.strategy):
        return "it is not replaced start-first"
    for proxy in leading:
        if not proxy.reads_us:
            return f"the Traefik {proxy.front.place} serves it, too, and does not mount ${{RECONCILER_TRAEFIK_DIR}}"
        if proxy.front.on_host:
            return f"the Traefik {proxy.front.place} uses the host's network, where no service has a name"
        if not proxy.asked_at:
            return (
                f"the Traefik {proxy.front.place} has no entry point on its command line that answers without a redirection or a "
                "middleware of its own, so it cannot be asked what it has read"
            )
    mine = traefik_labels.claims(labels_of(definition))
    for other, theirs in definitions.items():
        if other != name and mine & traefik_labels.claims(labels_of(theirs)):
            return f"it shares a router or a load balancer with {other}"
    return traefik_labels.why_not(labels_of(definition), manifest.name, _scale(definition))


def _scale(definition: Mapping[str, Any]) -> int:
    given = definition.get("scale", (definition.get("deploy") or {}).get("replicas"))
    return 1 if given is None else int(given)


def _led(
    name: str, definition: dict[str, Any], stack: str, networks: Mapping[str, str], leading: Sequence[Proxy]
) -> dict[str, Any]:
    labels = {str(key): str(value) for key, value in definition["labels"].items()}
    shared = frozenset[str]().union(*(proxy.networks for proxy in leading))
    alias = name_of(name, stack)
    own = {
        key: _known_as(network, alias) if networks.get(key, key) in shared else network
        for key, network in definition["networks"].items()
    }
    return {**definition, "labels": traefik_labels.pointed(labels, stack), "networks": own}


def _known_as(network: Mapping[str, Any] | None, alias: str) -> dict[str, Any]:
    aliases = (network or {}).get("aliases") or []
    return {**(network or {}), "aliases": [*aliases, alias]}
