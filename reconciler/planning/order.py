"""The order in which a stack's services are started: what is depended on comes first."""

from __future__ import annotations

from graphlib import TopologicalSorter

from reconciler.model.desired import ServiceSpec
from reconciler.planning.strategy import joined_services


def levels(services: tuple[ServiceSpec, ...]) -> tuple[tuple[ServiceSpec, ...], ...]:
    """Groups in the order of starting; the services of a group do not depend on each other.

    Compose refuses cycles, so there are none here.
    """
    by_name = {spec.name: spec for spec in services}
    graph = {spec.name: needs(spec) & by_name.keys() for spec in services}
    sorter = TopologicalSorter(graph)
    sorter.prepare()
    found = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        found.append(tuple(by_name[name] for name in ready))
        sorter.done(*ready)
    return tuple(found)


def with_dependents(names: frozenset[str], services: tuple[ServiceSpec, ...]) -> frozenset[str]:
    """``names``, and whatever must be started after one of them."""
    found = set(names)
    for level in levels(services):
        found |= {spec.name for spec in level if needs(spec) & found}
    return frozenset(found)


def needs(spec: ServiceSpec) -> set[str]:
    """Names of the services that must be started before it."""
    return {dependency.service for dependency in spec.depends_on} | set(joined_services(spec.definition))
