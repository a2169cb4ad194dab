"""Old projects for the laws about adopting: containers as the engine tells of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from reconciler.adoption.deciding import Wanted, decide
from reconciler.adoption.model import Adoption, Clone, Found
from reconciler.model.project import Mount, ProjectContainer
from tests.builders import ROOT, Services, release

FOLDER = "/opt/old"
DATA = f"{ROOT}/data"


def container(service: str, **more: Any) -> ProjectContainer:
    values: dict[str, Any] = {
        "id": f"{service}-id",
        "name": f"old-{service}-1",
        "project": "old",
        "service": service,
        "folder": FOLDER,
        "restart": "always",
        **more,
    }
    return ProjectContainer(**values)


def kept(volume: str, target: str = "/data") -> Mount:
    return Mount(target, f"/var/lib/docker/volumes/{volume}/_data", volume)


def folder(name: str, target: str = "/data") -> Mount:
    return Mount(target, f"{FOLDER}/{name}")


def adoption(
    containers: tuple[ProjectContainer, ...],
    services: Services,
    *,
    clone: Clone | None = None,
    others: tuple[ProjectContainer, ...] = (),
    volumes: tuple[str, ...] = (),
    **wanted: Any,
) -> Adoption:
    """Of a stack named shop. ``volumes``: keys of its named volumes."""
    found = release(services, volumes={key: {"name": f"shop_{key}"} for key in volumes})
    base = Wanted(found, DATA)
    return decide(Found(clone or Clone(FOLDER), containers, others), replace(base, **wanted))
