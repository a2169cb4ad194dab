"""Where the engine keeps images: how much room there is, and taking one away. Decides nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from reconciler.adapters.docker_engine.connection import Client
from reconciler.model.observed import Room


def room_at(info: Mapping[str, Any]) -> Room | None:
    """``info``: the engine's own words on itself. None where its folder is on another host, or hidden from us."""
    path = str(info.get("DockerRootDir") or "")
    try:
        found = os.statvfs(path)
    except OSError:
        return None
    return Room(path, found.f_bavail * found.f_frsize)


def is_used(client: Client, image_id: str) -> bool:
    """By a container of anybody's, whatever its state: the engine would untag it all the same."""
    return bool(client.containers(all=True, filters={"ancestor": image_id}))


def remove(client: Client, image_id: str) -> None:
    """Each tag by its name, since the engine takes an id with several tags for a mistake; then what is left."""
    details: Mapping[str, Any] = client.inspect_image(image_id)  # type: ignore[no-untyped-call]
    for name in details.get("RepoTags") or (image_id,):
        client.remove_image(name)
