"""Translates what the engine answers (``list`` and ``inspect`` JSON) into model values. Pure; asks nobody."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

from reconciler.adapters.docker_engine.resources import Capacity, normal
from reconciler.model.desired import LABEL_DEFINITION, LABEL_ROOT, LABEL_STACK
from reconciler.model.observed import Container, Endpoint, Image, LiveSettings, Network, Probe, State

LABEL_PROJECT = "com.docker.compose.project"
LABEL_SERVICE = "com.docker.compose.service"
LABEL_NUMBER = "com.docker.compose.container-number"
LABEL_ONEOFF = "com.docker.compose.oneoff"

_ANONYMOUS_VOLUME = re.compile(r"[0-9a-f]{64}")
_NETWORKLESS = ("host", "none", "container:")
_SHORT_ID_LENGTH = 12


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads for one root (whose containers are ours) on one host (whose size bounds its limits)."""

    root_id: str
    capacity: Capacity

    def container(self, details: Mapping[str, Any]) -> Container:
        """``GET /containers/{id}/json``."""
        labels = _labels(details["Config"])
        state = details["State"]
        return Container(
            id=details["Id"],
            name=_name(details),
            stack=stack_of(labels) or "",
            service=labels.get(LABEL_SERVICE, ""),
            number=_number(labels.get(LABEL_NUMBER, "")),
            definition=labels.get(LABEL_DEFINITION, ""),
            image_id=details["Image"],
            image=details["Config"].get("Image", ""),
            state=State(state["Status"]),
            probe=_probe(state),
            exit_code=state.get("ExitCode", 0),
            started_at=seconds(state.get("StartedAt", "")),
            restart_count=details.get("RestartCount", 0),
            owned=self.owns(labels),
            oneoff=labels.get(LABEL_ONEOFF, "").lower() == "true",
            settings=self.settings(details),
            has_anonymous_volumes=any(_is_anonymous(mount) for mount in details.get("Mounts") or ()),
            joins=_joins(details["HostConfig"]),
            ports=_ports(details),
            addresses=_addresses(details),
            labels=tuple(sorted((key, value) for key, value in labels.items() if key.lower().startswith("traefik."))),
        )

    def settings(self, details: Mapping[str, Any]) -> LiveSettings:
        return LiveSettings(
            name=_name(details),
            resources=normal(details["HostConfig"], self.capacity),
            endpoints=_endpoints(details),
        )

    def network(self, entry: Mapping[str, Any]) -> Network:
        """One entry of ``GET /networks``."""
        labels = _labels(entry)
        return Network(
            id=entry["Id"],
            name=entry["Name"],
            definition=labels.get(LABEL_DEFINITION, ""),
            stack=stack_of(labels) or "",
            owned=self.owns(labels),
        )

    def owns(self, labels: Mapping[str, str]) -> bool:
        return labels.get(LABEL_ROOT) == self.root_id and LABEL_STACK in labels


def image(details: Mapping[str, Any]) -> Image:
    """``GET /images/{name}/json``."""
    config = details.get("Config") or {}
    return Image(
        id=details["Id"],
        labels=MappingProxyType(_labels(config)),
        repo_digests=tuple(details.get("RepoDigests") or ()),
        size=int(details.get("Size") or 0),
        tags=tuple(sorted(details.get("RepoTags") or ())),
    )


def stack_of(labels: Mapping[str, str]) -> str | None:
    """The stack or foreign Compose project that a container or network belongs to."""
    return labels.get(LABEL_STACK) or labels.get(LABEL_PROJECT) or None


def signature(entry: Mapping[str, Any]) -> tuple[object, ...]:
    """What one entry of ``GET /containers/json`` tells of its container: while it stays equal, and no event came, the
    details read before still hold. Its ``Status`` counts seconds: only the part in brackets (health, exit status)."""
    networks = (entry.get("NetworkSettings") or {}).get("Networks") or {}
    return (
        entry["State"],
        tuple(sorted(entry.get("Names") or ())),
        entry.get("ImageID"),
        "".join(re.findall(r"\(.*?\)", entry.get("Status", ""))),
        tuple(sorted((name, (endpoint or {}).get("EndpointID", "")) for name, endpoint in networks.items())),
    )


def networks_by_id(entry: Mapping[str, Any]) -> dict[str, str]:
    """The names of the networks that one entry of ``GET /containers/json`` is on, by id; none before its first start."""
    networks = (entry.get("NetworkSettings") or {}).get("Networks") or {}
    return {endpoint["NetworkID"]: name for name, endpoint in networks.items() if (endpoint or {}).get("NetworkID")}


def taken_off(container: Container, networks: Collection[str]) -> Container:
    """The same without its places on ``networks`` (names), which are no more."""
    if not networks:
        return container
    endpoints = tuple(endpoint for endpoint in container.settings.endpoints if endpoint.network not in networks)
    return replace(container, settings=replace(container.settings, endpoints=endpoints))


def seconds(timestamp: str) -> float:
    """RFC 3339 with nanoseconds, as the engine writes it; the year 1 means never and becomes 0."""
    if not timestamp or timestamp.startswith("0001-"):
        return 0.0
    whole, _, rest = timestamp.partition(".")
    fraction = re.match(r"\d*", rest)
    zone = timestamp[len(whole) + 1 + len(fraction[0]) :] if fraction and rest else ""
    moment = datetime.fromisoformat((whole + zone).replace("Z", "+00:00"))
    return moment.timestamp() + (float(f"0.{fraction[0]}") if fraction and fraction[0] else 0.0)


def _name(details: Mapping[str, Any]) -> str:
    return str(details["Name"]).removeprefix("/")


def _labels(holder: Mapping[str, Any]) -> dict[str, str]:
    return dict(holder.get("Labels") or {})


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0


def _probe(state: Mapping[str, Any]) -> Probe:
    status = (state.get("Health") or {}).get("Status", "none")
    return Probe(status) if status in tuple(Probe) else Probe.NONE


def _is_anonymous(mount: Mapping[str, Any]) -> bool:
    return mount.get("Type") == "volume" and bool(_ANONYMOUS_VOLUME.fullmatch(mount.get("Name") or ""))


def _joins(host_config: Mapping[str, Any]) -> tuple[str, ...]:
    modes = (str(host_config.get(key) or "") for key in ("NetworkMode", "PidMode", "IpcMode"))
    joined = {mode.removeprefix("container:") for mode in modes if mode.startswith("container:")}
    lenders = {str(lender).partition(":")[0] for lender in host_config.get("VolumesFrom") or ()}
    return tuple(sorted(joined | lenders))


def _ports(details: Mapping[str, Any]) -> tuple[str, ...]:
    """Asked for, and given: of a range or of a port of the engine's choice only the latter says which."""
    asked = (details["HostConfig"].get("PortBindings") or {}).items()
    given = ((details.get("NetworkSettings") or {}).get("Ports") or {}).items()
    found = set()
    for inside, bindings in (*asked, *given):
        for binding in bindings or ():
            port = binding.get("HostPort") or ""
            if port.isdecimal() and port != "0":
                found.add(f"{binding.get('HostIp') or '0.0.0.0'}:{port}/{inside.partition('/')[2] or 'tcp'}")
    return tuple(sorted(found))


def _addresses(details: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    networks = (details.get("NetworkSettings") or {}).get("Networks") or {}
    found = ((name, own.get("IPAddress") or own.get("GlobalIPv6Address")) for name, own in networks.items() if own)
    return tuple(sorted((name, address) for name, address in found if address))


def _endpoints(details: Mapping[str, Any]) -> tuple[Endpoint, ...]:
    """Only what somebody asked for, so that a container reads the same before and after its start. Engines before 26
    mix the short id, which they add themselves, into the aliases."""
    mode = str(details["HostConfig"].get("NetworkMode") or "")
    if mode.startswith(_NETWORKLESS):
        return ()
    short_id = details["Id"][:_SHORT_ID_LENGTH]
    networks = (details.get("NetworkSettings") or {}).get("Networks") or {}
    return tuple(sorted(_endpoint(name, endpoint or {}, short_id) for name, endpoint in networks.items()))


def _endpoint(network: str, endpoint: Mapping[str, Any], short_id: str) -> Endpoint:
    fixed = endpoint.get("IPAMConfig") or {}
    return Endpoint(
        network=network,
        aliases=tuple(sorted({alias for alias in endpoint.get("Aliases") or () if alias != short_id})),
        ipv4=fixed.get("IPv4Address") or "",
        ipv6=fixed.get("IPv6Address") or "",
    )
