"""Translates the engine's event messages into ours, and names the container whose details they make stale. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from reconciler.adapters.docker_engine.read import stack_of
from reconciler.model.event import Event, Trigger

CONNECTED = Event(Trigger.ENGINE, None, "connected")


def stale_container(message: Mapping[str, Any]) -> str | None:
    """Its id, where the message tells of a change that a cached container does not show."""
    actor = message.get("Actor") or {}
    if message.get("Type") == "container":
        return str(actor.get("ID") or "") or None
    if message.get("Type") == "network":
        return (actor.get("Attributes") or {}).get("container") or None
    return None


def is_of_an_image(message: Mapping[str, Any]) -> bool:
    """Then any reference may name another image."""
    return message.get("Type") == "image"


def event(message: Mapping[str, Any], stack_of_id: Callable[[str], str | None]) -> Event | None:
    """None where no stack can be concerned. ``stack_of_id``: the stack of a container or network, by id."""
    actor = message.get("Actor") or {}
    attributes = actor.get("Attributes") or {}
    action = str(message.get("Action") or "")
    match message.get("Type"):
        case "container":
            return _container(action, str(actor.get("ID") or ""), attributes)
        case "network":
            return _network(action, str(actor.get("ID") or ""), attributes, stack_of_id)
        case "image":
            return _image(action, str(attributes.get("name") or actor.get("ID") or ""))
    return None


def _container(action: str, container_id: str, attributes: Mapping[str, str]) -> Event | None:
    stack = stack_of(attributes)
    if stack is None or action.startswith("exec_"):
        return None
    return Event(Trigger.ENGINE, stack, f"{action} {_named(action, attributes)}", container_id)


def _named(action: str, attributes: Mapping[str, str]) -> str:
    name = attributes.get("name", "")
    if action == "die":
        return f"{name} (exit status {attributes.get('exitCode', '?')})"
    if action == "rename":
        return f"{attributes.get('oldName', '').removeprefix('/')} to {name}"
    return name


def _network(
    action: str, network_id: str, attributes: Mapping[str, str], stack_of_id: Callable[[str], str | None]
) -> Event | None:
    name = attributes.get("name", "")
    if action == "destroy":
        return Event(Trigger.ENGINE, stack_of_id(network_id), f"destroy network {name}")
    if action not in ("connect", "disconnect"):
        return None
    container_id = attributes.get("container", "")
    stack = stack_of_id(container_id)
    if stack is None:
        return None
    return Event(Trigger.ENGINE, stack, f"{action} network {name}", container_id)


def _image(action: str, reference: str) -> Event:
    """Any stack may use it."""
    return Event(Trigger.ENGINE, None, f"{action} image {reference}")
