"""The looks of one stack: the machine, its ports, its domains, and what it talks to. Reads through ``Eyes`` only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from reconciler.certs.fronts import routers
from reconciler.certs.model import Pair
from reconciler.certs.view import View
from reconciler.model.desired import Release
from reconciler.model.manifest import Manifest
from reconciler.planning.strategy import fixed_ports
from reconciler.planning.substitution import InvalidTemplateError, substitute
from reconciler.preflight import domains, machine, network
from reconciler.preflight.facts import Capacity, Disk, DomainSeen, PortSeen, Publisher
from reconciler.preflight.finding import Finding, Level
from reconciler.preflight.together import Look

_DOMAIN_S = 8.0
_REACH_S = 8.0


@dataclass(frozen=True, slots=True)
class Eyes:
    """``disks``: where what the stack needs grows. ``is_taken``: of a port as ``address:number/protocol``. ``pairs``: those of
    certs/ that can be served. ``why_unreachable``: of a host and port, "" where it answers."""

    capacity: Callable[[], Capacity]
    disks: Callable[[], Sequence[Disk]]
    is_taken: Callable[[str], bool]
    publishers: Callable[[], Sequence[Publisher]]
    listener: Callable[[str], str]
    domain: Callable[[str], DomainSeen]
    why_unreachable: Callable[[str, int], str]
    pairs: Callable[[], Sequence[Pair]]


@dataclass(frozen=True, slots=True)
class Subject:
    """A stack as Git says it. ``view``: what this host serves, this stack included. ``root``: this root's identity."""

    manifest: Manifest
    release: Release
    view: View
    root: str
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        return self.release.stack


def machine_findings(manifest: Manifest, eyes: Eyes, *, is_used: bool) -> tuple[Finding, ...]:
    """Nothing for what the stack does not ask for. ``is_used``: a release of it was applied."""
    required, stack, found = manifest.requires, manifest.name, []
    if required.cpus or required.memory:
        capacity = eyes.capacity()
        if required.cpus:
            found.append(machine.cpus(required, capacity, stack))
        if required.memory:
            found.append(machine.memory(required, capacity, stack))
    if required.disk:
        tightest = min(eyes.disks(), key=lambda disk: disk.size if is_used else disk.free)
        found.append(machine.disk(required, tightest, stack, is_used=is_used))
    return tuple(found)


def port_findings(subject: Subject, eyes: Eyes) -> tuple[Finding, ...]:
    ports = dict.fromkeys(port for spec in subject.release.services for port in fixed_ports(spec.definition))
    if not ports:
        return ()
    publishers = eyes.publishers()
    return tuple(
        network.port(_seen(port, publishers, eyes), subject.name, subject.root) for port in ports if "-" not in port
    )


def _seen(port: str, publishers: Sequence[Publisher], eyes: Eyes) -> PortSeen:
    number = port.rpartition(":")[2]
    publisher = next((found for found in publishers if number in found.ports), None)
    is_free = publisher is None and not eyes.is_taken(port)
    return PortSeen(port, is_free, publisher, "" if is_free or publisher else eyes.listener(port))


def network_looks(subject: Subject, eyes: Eyes) -> tuple[Look, ...]:
    """None for a stack that has no domain and names nobody that it talks to."""
    own = {domain for router in routers(subject.release) for domain in router.domains}
    looks = [
        Look(f"domain {domain}", partial(_domain, subject, eyes, domain), _DOMAIN_S, stack=subject.name)
        for domain in sorted(own)
    ]
    for target in targets(subject):
        see = partial(_reach, subject, eyes, target)
        looks.append(Look(f"reach {target}", see, _REACH_S, Level.WARNING, subject.name))
    return tuple(looks)


def targets(subject: Subject) -> tuple[str, ...]:
    """What ``requires.reach`` comes to; without what says no host or no port."""
    found = []
    for text in subject.manifest.requires.reach:
        try:
            target, _ = substitute(text, subject.variables)
        except InvalidTemplateError:
            continue  # the schema's to tell
        if network.split_target(target):
            found.append(target.strip())
    return tuple(dict.fromkeys(found))


def _domain(subject: Subject, eyes: Eyes, domain: str) -> tuple[Finding, ...]:
    led = domains.leads_here(eyes.domain(domain), subject.name)
    if domain not in subject.view.served:
        return (led,)
    orderers = subject.view.orderers(domain)
    resolver = next((front.resolver.email for front, _ in orderers if front.resolver), "")
    return led, domains.covered(domain, eyes.pairs(), resolver, led.level is Level.OK, subject.name)


def _reach(subject: Subject, eyes: Eyes, target: str) -> tuple[Finding, ...]:
    place = network.split_target(target)
    assert place is not None
    return (network.reach(target, eyes.why_unreachable(*place), subject.name),)
