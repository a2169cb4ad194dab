"""In which order stacks are worked on: what is depended on comes first. And which of them depend on themselves."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from graphlib import TopologicalSorter


def order(depends: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The names of ``depends``, each after those it depends on, otherwise by the alphabet.

    Names that are no key are ignored. Within a circle no order can be right; it is by the alphabet there.
    """
    circles = cycles(depends)
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for name in sorted(depends):
        sorter.add(name, *(other for other in _known(depends, name) if not _is_circular(depends, circles, name, other)))
    sorter.prepare()
    found: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        found.extend(ready)
        sorter.done(*ready)
    return tuple(found)


def cycles(depends: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """For each name that depends on itself, the shortest way round: ``{"a": ("a", "b"), "b": ("b", "a")}``."""
    found = {name: _way(depends, name, name) for name in sorted(depends)}
    return {name: way for name, way in found.items() if way}


def _is_circular(
    depends: Mapping[str, tuple[str, ...]], circles: Mapping[str, tuple[str, ...]], name: str, other: str
) -> bool:
    """Whether ``name``, which depends on ``other``, is depended on by it, too."""
    return name in circles and other in circles and (name == other or bool(_way(depends, other, name)))


def _way(depends: Mapping[str, tuple[str, ...]], start: str, goal: str) -> tuple[str, ...]:
    """The shortest way from ``start`` through what it depends on to ``goal``, which is left out; empty: there is none."""
    came_from: dict[str, str] = {}
    ahead = deque([start])
    while ahead:
        here = ahead.popleft()
        for other in _known(depends, here):
            if other == goal:
                return _trail(came_from, start, here)
            if other not in came_from and other != start:
                came_from[other] = here
                ahead.append(other)
    return ()


def _trail(came_from: Mapping[str, str], start: str, end: str) -> tuple[str, ...]:
    trail = [end]
    while trail[-1] != start:
        trail.append(came_from[trail[-1]])
    return tuple(reversed(trail))


def _known(depends: Mapping[str, tuple[str, ...]], name: str) -> list[str]:
    return sorted(other for other in set(depends[name]) if other in depends)
