"""Which services Compose takes along when some are asked for. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def closure(model: Mapping[str, Any], services: Sequence[str]) -> frozenset[str]:
    """``services`` and all that they need, directly or not; every service, if none is asked for."""
    definitions: Mapping[str, Mapping[str, Any]] = model.get("services") or {}
    found: set[str] = set()
    waiting = list(services or definitions)
    while waiting:
        service = waiting.pop()
        if service not in found:
            found.add(service)
            waiting += _needs(definitions.get(service) or {})
    return frozenset(found)


def _needs(definition: Mapping[str, Any]) -> Iterator[str]:
    yield from definition.get("depends_on") or ()
    for key in ("network_mode", "pid", "ipc", "uts", "cgroup"):
        mode = str(definition.get(key) or "")
        if mode.startswith("service:"):
            yield mode.removeprefix("service:")
    for key in ("links", "volumes_from"):
        yield from (str(entry).partition(":")[0] for entry in definition.get(key) or ())
