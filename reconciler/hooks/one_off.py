"""What a one-off container of a service is made from: the release's model, less what only its real containers are for. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LABEL_OF_PROXIES = "traefik."


def one_off_model(model: Mapping[str, Any], service: str, networks: frozenset[str]) -> dict[str, Any]:
    """No proxy sends requests to it, and networks that are there (``networks``, by the engine's names) are taken as they
    are: a hook changes none."""
    services = {name: dict(definition) for name, definition in (model.get("services") or {}).items()}
    mine = services[service]
    mine.pop("depends_on", None)
    mine["labels"] = {
        key: value for key, value in (mine.get("labels") or {}).items() if not key.startswith(_LABEL_OF_PROXIES)
    }
    found = {**model, "services": services}
    if model.get("networks"):
        found["networks"] = {key: _network(own, networks) for key, own in model["networks"].items()}
    return found


def _network(own: Mapping[str, Any] | None, networks: frozenset[str]) -> Mapping[str, Any] | None:
    name = (own or {}).get("name")
    return {"name": name, "external": True} if name in networks else own
