"""Reads what another Compose project runs, with all that taking over from it must know. Changes nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from docker.errors import NotFound

from reconciler import refusals
from reconciler.adapters.docker_engine.connection import Connection
from reconciler.adapters.docker_engine.read import LABEL_PROJECT, LABEL_SERVICE
from reconciler.model.desired import LABEL_ROOT
from reconciler.model.project import Mount, ProjectContainer

_FOLDER = "com.docker.compose.project.working_dir"
_NEEDS = "com.docker.compose.depends_on"


class Projects:
    def __init__(self) -> None:
        self._connection = Connection(os.environ)

    @property
    def is_of_this_host(self) -> bool:
        return self._connection.is_of_this_host

    def containers(self) -> tuple[ProjectContainer, ...]:
        """Every container of the engine, whoever made it. Raises EngineUnavailableError, WaitingError."""
        found = []
        with self._connection.speaking(lambda *said: refusals.refused("list containers", *said)) as client:
            for entry in client.containers(all=True):
                try:
                    found.append(container(client.inspect_container(entry["Id"])))
                except NotFound:
                    continue
        return tuple(sorted(found, key=lambda each: each.name))

    def image_environment(self, reference: str) -> Mapping[str, str]:
        """What an image sets by itself; nothing where the engine has no such image."""
        with self._connection.speaking(lambda *said: refusals.refused(f"look at image {reference}", *said)) as client:
            try:
                details: Mapping[str, Any] = client.inspect_image(reference)  # type: ignore[no-untyped-call]
            except NotFound:
                return {}
        return _environment(details.get("Config") or {})


def container(details: Mapping[str, Any]) -> ProjectContainer:
    """Of ``GET /containers/{id}/json``."""
    config, host = details["Config"], details["HostConfig"]
    labels: Mapping[str, str] = config.get("Labels") or {}
    policy = host.get("RestartPolicy") or {}
    return ProjectContainer(
        id=details["Id"],
        name=str(details["Name"]).removeprefix("/"),
        project=labels.get(LABEL_PROJECT, ""),
        service=labels.get(LABEL_SERVICE, ""),
        folder=labels.get(_FOLDER, ""),
        owner=labels.get(LABEL_ROOT, ""),
        image_id=details["Image"],
        running=details["State"]["Status"] in ("running", "paused", "restarting"),
        restart=policy.get("Name") or "no",
        restart_count=int(policy.get("MaximumRetryCount") or 0),
        ports=_ports(details),
        mounts=tuple(sorted(map(_mount, details.get("Mounts") or ()), key=lambda mount: mount.target)),
        networks=tuple(sorted((details.get("NetworkSettings") or {}).get("Networks") or {})),
        needs=tuple(part.partition(":")[0] for part in labels.get(_NEEDS, "").split(",") if part),
        environment=_environment(config),
    )


def _ports(details: Mapping[str, Any]) -> tuple[str, ...]:
    given = ((details.get("NetworkSettings") or {}).get("Ports") or {}) | (
        details["HostConfig"].get("PortBindings") or {}
    )
    live = (details.get("NetworkSettings") or {}).get("Ports") or {}
    found = set()
    for inside in given:
        for binding in live.get(inside) or given[inside] or ():
            port, address = binding.get("HostPort") or "", binding.get("HostIp") or "0.0.0.0"
            if port.isdecimal() and port != "0" and ":" not in address:
                found.add(f"{address}:{port}/{inside.partition('/')[2] or 'tcp'}")
    return tuple(sorted(found))


def _mount(entry: Mapping[str, Any]) -> Mount:
    is_volume = entry.get("Type") == "volume"
    return Mount(entry["Destination"], entry.get("Source") or "", (entry.get("Name") or "") if is_volume else "")


def _environment(config: Mapping[str, Any]) -> dict[str, str]:
    pairs = (str(entry).partition("=") for entry in config.get("Env") or ())
    return {name: value for name, _, value in pairs}
