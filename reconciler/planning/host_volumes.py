"""What volumes of a stack are on this host where ``volumes:`` of host.yaml says so: one that is there already, or a folder.

Changes the model that Compose rendered, before it is resolved. Whether the volume or folder is there is for Compose to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.model.errors import Problem
from reconciler.planning.nearest import did_you_mean


def with_host_volumes(model: Mapping[str, Any], places: Mapping[str, str]) -> Mapping[str, Any]:
    """``places``: by key, the name of a volume or the absolute path of a folder. Keys that the model lacks are left out."""
    volumes = model.get("volumes") or {}
    found = {key: _placed(str((volumes[key] or {}).get("name", key)), places[key]) for key in places if key in volumes}
    return {**model, "volumes": {**volumes, **found}} if found else model


def _placed(name: str, place: str) -> dict[str, Any]:
    if not place.startswith("/"):
        return {"name": place, "external": True}
    return {"name": name, "driver": "local", "driver_opts": {"type": "none", "o": "bind", "device": place}}


def unknown_volumes(model: Mapping[str, Any], stack: str, places: Mapping[str, str]) -> tuple[Problem, ...]:
    """A key that nothing answers to would let the stack begin with an empty volume, silently."""
    keys = list(model.get("volumes") or {})
    return tuple(
        Problem("host.yaml", 0, f"volumes.{stack}.{key}", f'no volume of this stack is named "{key}"{_hint(key, keys)}')
        for key in places
        if key not in keys
    )


def _hint(key: str, keys: list[str]) -> str:
    return did_you_mean(key, keys) or f"; its volumes are {', '.join(keys) or 'none'}"
