"""How a service's container is replaced, by rule, each rule with the sentence that the plan prints.

Source of the rules: DESIGN, decision 3, and what Compose and the engine were measured to do (docs/decisions/0002).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.model.desired import ServiceSpec
from reconciler.model.manifest import Strategy
from reconciler.model.observed import Container

# Folders of the host that containers mount writable by habit and never write to as one of several writers.
_NOT_WRITTEN = ("/etc/", "/dev/", "/proc/", "/sys/", "/run/", "/var/run/", "/usr/share/", "/lib/modules")


@dataclass(frozen=True, slots=True)
class Chosen:
    strategy: Strategy
    reason: str


def choose(
    spec: ServiceSpec, outgoing: tuple[Container, ...], asked: Strategy | None, linked_by: tuple[str, ...] = ()
) -> Chosen:
    """The strategy for replacing ``outgoing`` with containers of ``spec``. ``asked`` is what ``stack.yaml`` wants;
    ``linked_by`` the services with ``links`` to it."""
    forced = _must_recreate(spec, outgoing, linked_by)
    if forced:
        return Chosen(Strategy.RECREATE, forced)
    if asked is Strategy.RECREATE or asked is Strategy.STOP_FIRST:
        return Chosen(asked, "stack.yaml asks for it")
    single = _only_one_at_a_time(spec.definition)
    if asked is Strategy.START_FIRST:
        if single and not single.is_a_writer:
            return Chosen(Strategy.STOP_FIRST, f"start-first was asked for, but {single.reason}")
        return Chosen(asked, "stack.yaml asks for it")
    if single:
        return Chosen(Strategy.STOP_FIRST, single.reason)
    return Chosen(Strategy.START_FIRST, "nothing of it is held by one container only")


def may_start_first(definition: Mapping[str, Any], asked: Strategy | None) -> bool:
    """Whether that is how a container of it is replaced, unless what runs of it forbids."""
    if asked in (Strategy.RECREATE, Strategy.STOP_FIRST) or joined_services(definition):
        return False
    single = _only_one_at_a_time(definition)
    return single is None or (asked is Strategy.START_FIRST and single.is_a_writer)


def fixed_ports(definition: Mapping[str, Any]) -> tuple[str, ...]:
    """The host ports a container of it holds, as ``address:port/protocol``; the engine's own choices are left out."""
    found = []
    for port in definition.get("ports") or ():
        published = str(port.get("published") or "")
        if published and published != "0":
            address = port.get("host_ip") or "0.0.0.0"
            found.append(f"{address}:{published}/{port.get('protocol', 'tcp')}")
    return tuple(found)


def fixed_addresses(definition: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Each network's key with the address that a container of it has there whatever happens."""
    return tuple(
        (name, str(network[key]))
        for name, network in (definition.get("networks") or {}).items()
        for key in ("ipv4_address", "ipv6_address")
        if network and network.get(key)
    )


def joined_services(definition: Mapping[str, Any]) -> tuple[str, ...]:
    """Services whose namespaces or volumes it uses: it cannot outlive their containers."""
    sources = (str(source).split(":")[0] for source in definition.get("volumes_from") or ())
    return (*lived_in(definition), *(name for name in sources if name != "container"))


def lived_in(definition: Mapping[str, Any]) -> tuple[str, ...]:
    """Services whose namespaces it uses, which end with the process that they were made for."""
    uses = (use.partition(":") for use in _namespaces(definition))
    return tuple(name for kind, _, name in uses if kind == "service" and name)


def lenders(definition: Mapping[str, Any]) -> tuple[str, ...]:
    """Containers that no service names, whose namespaces or volumes it uses: their names or ids."""
    uses = (*_namespaces(definition), *(str(source) for source in definition.get("volumes_from") or ()))
    return tuple(use.split(":")[1] for use in uses if use.startswith("container:"))


def _namespaces(definition: Mapping[str, Any]) -> tuple[str, ...]:
    """Whose it uses, as Compose writes it; "" for its own."""
    return tuple(str(definition.get(key) or "") for key in ("network_mode", "pid", "ipc"))


def linked_services(definition: Mapping[str, Any]) -> tuple[str, ...]:
    """Services whose containers it knows by a name of its own."""
    return tuple(str(link).partition(":")[0] for link in definition.get("links") or ())


def _must_recreate(spec: ServiceSpec, outgoing: tuple[Container, ...], linked_by: tuple[str, ...]) -> str:
    joined = joined_services(spec.definition)
    if joined:
        return f"it lives in the namespaces or volumes of {', '.join(joined)}"
    if any(container.has_anonymous_volumes for container in outgoing):
        return "its anonymous volumes must carry over to the new container"
    if linked_by:
        return f"its new container must have the old one's name, which the links of {', '.join(linked_by)} lead to"
    return ""


@dataclass(frozen=True, slots=True)
class _Single:
    """Why two containers of a service cannot run side by side. Two writers are unwise, the rest is impossible."""

    reason: str
    is_a_writer: bool = False


def _only_one_at_a_time(definition: Mapping[str, Any]) -> _Single | None:
    ports = fixed_ports(definition)
    if ports:
        return _Single(f"host port {', '.join(_port(port) for port in ports)} can be held by one container only")
    if definition.get("network_mode") == "host":
        return _Single("it uses the host's network, where its ports can be held by one container only")
    kind, _, lender = str(definition.get("network_mode") or "").partition(":")
    if kind == "container":
        return _Single(
            f"it uses the network of the container {lender}, where its ports can be held by one container only"
        )
    for name, address in fixed_addresses(definition):
        return _Single(f"its address {address} on network {name} can be held by one container only")
    if definition.get("mac_address") or any(
        (network or {}).get("mac_address") for network in (definition.get("networks") or {}).values()
    ):
        return _Single("its fixed MAC address can be held by one container only")
    written = written_mounts(definition)
    if written:
        return _Single(f"it writes to {', '.join(written)}: one writer at a time", is_a_writer=True)
    return None


def written_mounts(definition: Mapping[str, Any]) -> tuple[str, ...]:
    """Sources of the mounts that a container of it can write to and another container could see."""
    found = []
    for mount in definition.get("volumes") or ():
        source = str(mount.get("source") or "")
        if not source or mount.get("read_only") or mount.get("type") not in ("volume", "bind"):
            continue
        if mount["type"] == "bind" and (source.endswith(".sock") or source.startswith(_NOT_WRITTEN)):
            continue
        if mount["type"] == "bind" and "/state/objects/" in source:
            continue
        found.append(f"volume {source}" if mount["type"] == "volume" else source)
    return tuple(found)


def _port(port: str) -> str:
    address, _, rest = port.rpartition(":")
    number = rest.removesuffix("/tcp")
    return number if address == "0.0.0.0" else f"{address}:{number}"
