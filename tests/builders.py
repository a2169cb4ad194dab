"""Small builders of the values that planning works with: releases from a few words of Compose, containers that were made
from them, and a host as it looks then. They go through the product's own ``resolve``, so that digests and labels are real.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from reconciler.model.desired import Release, ServiceSpec
from reconciler.model.manifest import Manifest, Prune, Rollout, ServiceRollout, Strategy
from reconciler.model.observed import (
    Container,
    Endpoint,
    Image,
    LiveSettings,
    Network,
    Observed,
    Probe,
    State,
)
from reconciler.model.plan import CreateContainers, Plan
from reconciler.model.source import EntryKind, TreeEntry
from reconciler.planning.paths import Place
from reconciler.planning.planner import plan
from reconciler.planning.proxies import Proxy
from reconciler.planning.resolve import mark_jobs, resolve
from reconciler.planning.secrets import Mask
from reconciler.planning.story import describe, tell
from reconciler.planning.strategy import fixed_ports

STACK = "shop"
ROOT_ID = "root"
ROOT = "/srv/reconciler"
CHECKOUT = f"{ROOT}/state/checkouts/tree"

Services = Mapping[str, Mapping[str, Any]]


# What is declared


def manifest(
    *,
    stack: str = STACK,
    folder: str = STACK,
    data: tuple[str, ...] = (),
    timeout_s: float = 120.0,
    soak_s: float = 5.0,
    strategies: Mapping[str, Strategy] | None = None,
    jobs: Mapping[str, bool] | None = None,
    prune: Prune | None = None,
    **changes: Any,
) -> Manifest:
    names = {*(strategies or {}), *(jobs or {})}
    services = {
        name: ServiceRollout(strategy=(strategies or {}).get(name), job=(jobs or {}).get(name)) for name in names
    }
    return Manifest(
        name=stack,
        folder=folder,
        compose_files=("compose.yaml",),
        data_paths=data,
        rollout=Rollout(timeout_s=timeout_s, soak_s=soak_s, services=services),
        prune=prune or Prune(),
        **changes,
    )


# What should be


def model(services: Services, *, stack: str = STACK, **top: Any) -> dict[str, Any]:
    """As ``docker compose config --format json`` renders it, from the few keys that matter."""
    networks = {"default": None, **top.pop("networks", {})}
    named = {
        key: {"name": f"{stack}_{key}", **(definition or {})}
        for key, definition in networks.items()
        if definition is not None or key == "default"
    }
    return {
        "name": stack,
        "services": {name: _rendered(name, definition) for name, definition in services.items()},
        "networks": named,
        **top,
    }


def _rendered(name: str, definition: Mapping[str, Any]) -> dict[str, Any]:
    full = {"image": f"{name}:1", **definition}
    if "build" in full and "image" not in definition:
        del full["image"]
    if not full.get("network_mode"):
        full.setdefault("networks", {"default": None})
    needs = full.get("depends_on")
    if needs:
        conditions = needs if isinstance(needs, Mapping) else dict.fromkeys(needs, "service_started")
        full["depends_on"] = {other: _dependency(condition) for other, condition in conditions.items()}
    return full


def _dependency(condition: str | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(condition, Mapping):
        return {"condition": "service_started", "required": True, **condition}
    return {"condition": condition, "required": True}


def healthy(**more: Any) -> dict[str, Any]:
    """A service with a healthcheck."""
    return {"healthcheck": {"test": ["CMD", "true"]}, **more}


def traefik(**more: Any) -> dict[str, Any]:
    """A Traefik that reads what we tell it."""
    command = [
        "--providers.docker=true",
        "--entryPoints.web.address=:80",
        "--providers.providersThrottleDuration=200ms",
    ]
    mount = bind(f"{ROOT}/state/traefik/{STACK}", "/dynamic", read_only=True)
    return {"image": "traefik:1", "command": command, "volumes": [mount], **more}


def led(name: str, rule: str = "a.test", **more: str) -> dict[str, str]:
    """Labels of a service that Traefik leads to."""
    return {
        "traefik.enable": "true",
        f"traefik.http.routers.{name}.rule": f"Host(`{rule}`)",
        f"traefik.http.services.{name}.loadBalancer.server.port": "80",
        **more,
    }


def port(published: int, target: int = 80, **more: Any) -> dict[str, Any]:
    return {"mode": "ingress", "target": target, "published": str(published), "protocol": "tcp", **more}


def volume(source: str, target: str = "/data", **more: Any) -> dict[str, Any]:
    return {"type": "volume", "source": source, "target": target, **more}


def bind(source: str, target: str = "/mnt", **more: Any) -> dict[str, Any]:
    return {"type": "bind", "source": source, "target": target, **more}


def release(
    services: Services,
    *,
    declared: Manifest | None = None,
    pinned: bool = True,
    number: int | None = None,
    revision: str = "c1",
    environment: Mapping[str, str] | None = None,
    entries: Iterable[TreeEntry] = (),
    targets: Mapping[str, str] | None = None,
    root_id: str = ROOT_ID,
    beside: tuple[Proxy, ...] = (),
    **top: Any,
) -> Release:
    """``pinned``: as after its images were brought; each is then known by ``image_id``."""
    declared = declared or manifest()
    place = Place(
        root=ROOT,
        root_id=root_id,
        checkout=CHECKOUT,
        revision=revision,
        entries={entry.path: entry for entry in entries},
        object_path=object_path,
        target_of=lambda entry: (targets or {})[entry.path],
        proxies=beside,
    )
    rendered = model(services, stack=declared.name, **top)
    found = mark_jobs(resolve(rendered, declared, place, environment or {}), declared)
    images = {spec.image: image_id(spec.image) for spec in found.services} if pinned else {}
    return replace(found, images=images, number=number)


def object_path(entry: TreeEntry) -> str:
    suffix = "-x" if entry.kind is EntryKind.EXECUTABLE else ""
    return f"{ROOT}/state/objects/{entry.object_id}{suffix}/{entry.path.rpartition('/')[2]}"


def tracked(path: str, kind: EntryKind = EntryKind.FILE, object_id: str = "") -> TreeEntry:
    return TreeEntry(path, kind, object_id or path.encode().hex().ljust(40, "0")[:40])


def image_id(reference: str) -> str:
    return f"sha256:{reference}"


def spec_of(found: Release, service: str) -> ServiceSpec:
    spec = found.service(service)
    assert spec is not None, f"the release has no service {service}"
    return spec


# What is


def made(found: Release, service: str, number: int = 1, *, state: State = State.RUNNING, **changes: Any) -> Container:
    """A container of ``service`` as Compose made it from ``found``: running, and healthy if it has a healthcheck."""
    spec = spec_of(found, service)
    name = f"{found.stack}-{service}-{number}"
    probe = Probe.HEALTHY if spec.healthcheck and state is State.RUNNING else Probe.NONE
    values: dict[str, Any] = {
        "id": f"{service}{number}",
        "name": name,
        "stack": found.stack,
        "service": service,
        "number": number,
        "definition": spec.digest,
        "image_id": found.images.get(spec.image) or image_id(spec.image),
        "image": spec.image,
        "state": state,
        "probe": probe,
        "settings": LiveSettings(changes.get("name", name), (("Memory", 0),), tuple(_endpoints(found, spec))),
        "ports": fixed_ports(spec.definition),
        "has_anonymous_volumes": any(
            mount.get("type") == "volume" and not mount.get("source") for mount in spec.definition.get("volumes") or ()
        ),
    }
    return Container(**{**values, **changes})


def _endpoints(found: Release, spec: ServiceSpec) -> Iterable[Endpoint]:
    names = {network.key: network.name for network in found.networks}
    for key in spec.definition.get("networks") or {}:
        yield Endpoint(names[key], (spec.name,))


def stopped(container: Container, exit_code: int = 137) -> Container:
    return replace(container, state=State.EXITED, probe=Probe.NONE, exit_code=exit_code)


def seen(
    *containers: Container,
    of: Release | Iterable[Release],
    lacking: Iterable[str] = (),
    images: Mapping[str, Image | None] | None = None,
    networks: Iterable[Network] | None = None,
    baselines: Mapping[str, LiveSettings] | None = None,
    **more: Any,
) -> Observed:
    """The host with ``containers``, every image of the releases ``of`` but the ``lacking`` ones, and the networks of the
    first of them. Containers are as they were made, where ``baselines`` does not say otherwise."""
    releases = (of,) if isinstance(of, Release) else tuple(of)
    here: dict[str, Image | None] = {}
    for found in releases:
        for spec in found.services:
            identity = image_id(spec.image)
            here |= {spec.image: Image(identity), identity: Image(identity)}
    here |= dict.fromkeys((*lacking, *map(image_id, lacking)))
    return Observed(
        stack=releases[0].stack,
        containers=containers,
        images={**here, **(images or {})},
        networks=tuple(networks) if networks is not None else networks_of(releases[0]),
        baselines={found.id: found.settings for found in containers} | dict(baselines or {}),
        **more,
    )


def networks_of(found: Release) -> tuple[Network, ...]:
    return tuple(
        Network(f"id-{network.name}", network.name, network.digest, found.stack)
        for network in found.networks
        if not network.external
    )


def bare(found: Release, **more: Any) -> Observed:
    """A host that has the images, and nothing else of the stack."""
    return seen(of=found, networks=(), **more)


# What is decided


def decide(
    wanted: Release,
    observed: Observed,
    *,
    previous: Release | None = None,
    declared: Manifest | None = None,
    mask: Mask | None = None,
) -> Plan:
    return plan(wanted, observed, declared or manifest(stack=wanted.stack), previous, mask)


def steps(found: Plan) -> list[str]:
    return [describe(step.action) for step in found.steps]


def story(found: Plan) -> str:
    return "\n".join(tell(found))


def totals(found: Plan) -> dict[str, int]:
    """What the plan's one create step says of every service."""
    (create,) = [step.action for step in found.steps if isinstance(step.action, CreateContainers)]
    return dict(create.totals)
