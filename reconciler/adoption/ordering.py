"""In which order old containers are stopped: nobody loses what it needs while it still serves. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from reconciler.model.project import ProjectContainer


def stopping_order(containers: Iterable[ProjectContainer]) -> tuple[ProjectContainer, ...]:
    """Those that depend on others before these; backwards, it is the order in which they are started again. Where they
    depend on each other in a circle, by name."""
    left = sorted(containers, key=lambda one: one.name)
    found: list[ProjectContainer] = []
    while left:
        needed = _needed({one.service: one.needs for one in left})
        free = [one for one in left if one.service not in needed] or left[:1]
        found += free
        left = [one for one in left if one not in free]
    return tuple(found)


def _needed(needs: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
    return frozenset(other for service, others in needs.items() for other in others if other != service)
