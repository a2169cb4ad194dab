"""Networks that containers know by their ids, which tell of none that is gone. Changes nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.adapters.docker_engine import read
from reconciler.adapters.docker_engine.connection import Client

_ID = re.compile(r"[0-9a-f]{64}")


def with_network_names(client: Client, details: Mapping[str, Any]) -> Mapping[str, Any]:
    """Until it is started, a container knows by its id a network that it was given by id, as Compose 2.26 gives
    external ones. Read so, each would seem to be another network afterwards."""
    settings = details.get("NetworkSettings") or {}
    networks: Mapping[str, Any] = settings.get("Networks") or {}
    ids = [key for key in networks if _ID.fullmatch(key)]
    if not ids:
        return details
    names = {network["Id"]: network["Name"] for network in client.networks(ids=ids)}
    named = {names.get(key, key): endpoint for key, endpoint in networks.items()}
    return {**details, "NetworkSettings": {**settings, "Networks": named}}


def lost_networks(client: Client, entries: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    """By container id: names of networks that a stopped container was on and that were removed since, even where there is
    another one of that name. The engine remembers their ids, and never starts the container again."""
    held = {entry["Id"]: read.networks_by_id(entry) for entry in entries if entry["State"] != "running"}
    ids = {network for networks in held.values() for network in networks}
    there = {network["Id"] for network in client.networks(ids=sorted(ids))} if ids else set()
    return {
        container: tuple(name for network, name in networks.items() if network not in there)
        for container, networks in held.items()
    }
