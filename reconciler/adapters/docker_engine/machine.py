"""Answers what the engine says of itself: its version, the machine it runs on, and which containers hold ports of it."""

from __future__ import annotations

import os
from dataclasses import dataclass

from reconciler import refusals
from reconciler.adapters.docker_engine.connection import Connection
from reconciler.model.desired import LABEL_ROOT

_PROJECT = "com.docker.compose.project"


@dataclass(frozen=True, slots=True)
class EngineMachine:
    """``folder``: where it keeps images, "" where that is not on this host. ``memory``: bytes."""

    address: str
    version: str
    cpus: int
    memory: int
    folder: str


@dataclass(frozen=True, slots=True)
class Published:
    """A container that runs and holds ports of the host, as ``number/protocol``. ``root``: the value of LABEL_ROOT."""

    name: str
    project: str
    root: str
    ports: frozenset[str]


def engine_machine() -> EngineMachine:
    """Raises EngineUnavailableError."""
    connection = Connection(os.environ)
    with connection.speaking(lambda *said: refusals.refused("ask the engine about itself", *said)) as client:
        version, info = client.version(api_version=False), client.info()
    folder = str(info.get("DockerRootDir") or "") if connection.is_of_this_host else ""
    return EngineMachine(
        address=connection.address,
        version=str(version.get("Version", "")),
        cpus=int(info.get("NCPU") or 0),
        memory=int(info.get("MemTotal") or 0),
        folder=folder if os.path.isdir(folder) else "",
    )


def published() -> tuple[Published, ...]:
    """Of every container that runs, whoever started it. Raises EngineUnavailableError."""
    connection = Connection(os.environ)
    with connection.speaking(lambda *said: refusals.refused("list containers", *said)) as client:
        entries = client.containers()
    found = []
    for entry in entries:
        ports = frozenset(f"{port['PublicPort']}/{port['Type']}" for port in entry["Ports"] if port.get("PublicPort"))
        if ports:
            labels = entry.get("Labels") or {}
            name = str((entry.get("Names") or ["?"])[0]).lstrip("/")
            found.append(Published(name, labels.get(_PROJECT, ""), labels.get(LABEL_ROOT, ""), ports))
    return tuple(found)
