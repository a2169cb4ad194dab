"""From what was found of an old project, and the release that is to take its place, to what adopting it would do: which files
go where, which data are kept, who is stopped in which order. Or why it must not be done. Pure.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from reconciler.adoption.model import Adoption, Found, Standing
from reconciler.adoption.mounts import Fate, fates
from reconciler.adoption.ordering import stopping_order
from reconciler.adoption.variables import otherwise
from reconciler.model.desired import Release
from reconciler.model.project import ProjectContainer
from reconciler.planning.dotenv import read_dotenv
from reconciler.planning.strategy import fixed_ports

_ASIDE = ".before-adoption"
_ROOM = 1.1  # of what is copied must be free


@dataclass(frozen=True, slots=True)
class Wanted:
    """``release``: as it is rendered with the old project's variables. ``data``: the host's data folder. ``volumes``: what
    host.yaml says of the stack's volumes already. ``here``: of the release's images, those that the engine has, with what they
    set by themselves. ``taken``: ports that somebody holds. ``networks``: names of networks that are not ours. ``filled``:
    folders that hold something already. ``sizes``: bytes by folder. ``free``: bytes where copies go, None where it is not known."""

    release: Release
    data: str
    volumes: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    here: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: MappingProxyType({}))
    taken: frozenset[str] = frozenset()
    networks: frozenset[str] = frozenset()
    filled: frozenset[str] = frozenset()
    sizes: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    free: int | None = None


def decide(found: Found, wanted: Wanted) -> Adoption:
    release = wanted.release
    files = (*found.clone.certificates, *found.clone.dumps)
    carried = frozenset(posixpath.dirname(file.source) for file in files)
    fate = fates(found.containers, release, wanted.data, wanted.sizes, carried)
    return Adoption(
        stack=release.stack,
        folder=found.clone.folder,
        project=found.containers[0].project if found.containers else "",
        variables=_names(found.clone.variables),
        files=files,
        data=fate.copies,
        volumes=fate.volumes,
        containers=tuple(_standing(one, found, release) for one in stopping_order(found.containers)),
        cron=found.clone.cron,
        changes=found.clone.changes,
        notes=(*found.clone.notes, *fate.notes, *_notes(found, release)),
        refusals=tuple(dict.fromkeys(_refusals(found, wanted, fate))),
    )


def _names(variables: bytes | None) -> tuple[str, ...]:
    return tuple(sorted(read_dotenv(variables, "").names)) if variables is not None else ()


def _standing(container: ProjectContainer, found: Found, release: Release) -> Standing:
    spec = release.service(container.service)
    wanted = {spec.container_name for spec in release.services if spec.container_name}
    taken = {other.name for other in (*found.containers, *found.others)}
    aside = container.name + _ASIDE if container.name in wanted else ""
    while aside in taken:
        aside += "-"
    return Standing(
        id=container.id,
        name=container.name,
        service=container.service,
        ran=container.running,
        restart=container.restart,
        restart_count=container.restart_count,
        aside=aside,
        successor=spec.name if spec else "",
    )


def _notes(found: Found, release: Release) -> Iterator[str]:
    for container in found.containers:
        spec = release.service(container.service)
        if spec is None:
            continue
        names = ", ".join(otherwise(container.environment, _environment(spec.definition)))
        if names:
            yield f"{container.service} runs with another {names} now than its successor gets"
    lost = {port for one in found.containers for port in one.ports} - _ports(release)
    for port in sorted(lost):
        holder = next(one for one in found.containers if port in one.ports)
        yield f"{port} is published by {holder.name} now, and by nobody afterwards"


def _environment(definition: Mapping[str, Any]) -> Mapping[str, str | None]:
    found: Mapping[str, str | None] = definition.get("environment") or {}
    return found


def _ports(release: Release) -> frozenset[str]:
    return frozenset(port for spec in release.services for port in fixed_ports(spec.definition))


def _refusals(found: Found, wanted: Wanted, fate: Fate) -> Iterator[str]:
    folder, stack = found.clone.folder, wanted.release.stack
    if not found.containers:
        yield nothing_runs(folder)
        return
    yield from _not_for_us(found, stack)
    yield from (f"{claim}; take one of the two out of the old project first" for claim in fate.claims)
    yield from _held_elsewhere(found, fate.volumes)
    yield from _already_said(wanted, fate)
    yield from _in_the_way(found, wanted, fate)
    yield from other_majors(found.containers, wanted.release, wanted.here)


def nothing_runs(folder: str, project: str = "") -> str:
    whose = f"the Compose project {project}" if project else "a Compose project"
    return (
        f"no container of {whose} was made from {folder}; name the folder that docker compose up was called in, "
        "or bring the old project up there first"
    )


def _not_for_us(found: Found, stack: str) -> Iterator[str]:
    projects = sorted({one.project for one in found.containers})
    if len(projects) > 1:
        yield f"several Compose projects were made from {found.clone.folder}: {', '.join(projects)}; say --project NAME"
    if stack in projects:
        yield (
            f"the old project is named {stack}, as the stack is, and Compose could not tell their containers apart; "
            "give the stack's folder in Git another name"
        )
    if any(one.owner and one.project == stack for one in found.others):
        yield (
            f"the stack {stack} runs here already, with data of its own; if they are of no worth, suspend it (reconciler suspend "
            f"{stack}) and take it down (docker compose -p {stack} down, without -v)"
        )
    if any(one.owner for one in found.containers):
        names = ", ".join(one.name for one in found.containers if one.owner)
        yield f"{names} is a reconciler's already; there is nothing to adopt"


def _held_elsewhere(found: Found, volumes: Mapping[str, str]) -> Iterator[str]:
    kept = frozenset(volumes.values())
    for other in found.others:
        for mount in other.mounts:
            if other.running and mount.volume in kept and mount.volume:
                yield f"{other.name} uses the volume {mount.volume}, too; stop it first (docker stop {other.name})"


def _already_said(wanted: Wanted, fate: Fate) -> Iterator[str]:
    for key, place in fate.volumes.items():
        said = wanted.volumes.get(key)
        if said is not None and said != place:
            yield (
                f"host.yaml says that the volume {key} of {wanted.release.stack} is {said}, and the old project's is {place}; "
                f"take volumes.{wanted.release.stack}.{key} out of host.yaml, or correct it"
            )


def _in_the_way(found: Found, wanted: Wanted, fate: Fate) -> Iterator[str]:
    for file in (*found.clone.certificates, *found.clone.dumps):
        if file.there and file.there != file.sha256:
            yield f"{file.target} is there and is another one than {file.source}; move one of them away"
    for copy in fate.copies:
        if copy.target in wanted.filled:
            yield f"{copy.target} holds something already; move it away, or {copy.source} cannot be copied there"
    yield from _room(found, wanted, fate)
    held = {port for one in found.containers if one.running for port in one.ports}
    for port in sorted((_ports(wanted.release) & wanted.taken) - held):
        yield f"{port} is held by another program than the old project, and the stack publishes it; free it first"
    names = {network.name for network in wanted.release.networks if not network.external}
    for name in sorted(names & wanted.networks):
        yield f"there is a network {name} already that is not the stack's; rename it in the stack's Compose file"


def _room(found: Found, wanted: Wanted, fate: Fate) -> Iterator[str]:
    missing = [file.size for file in (*found.clone.certificates, *found.clone.dumps) if not file.there]
    needed = int((sum(missing) + sum(copy.size for copy in fate.copies)) * _ROOM)
    if wanted.free is not None and needed > wanted.free:
        yield f"the copies need {needed >> 20} MiB, and {wanted.data} has {wanted.free >> 20} MiB free; free some space"


def other_majors(
    containers: Iterable[ProjectContainer], release: Release, here: Mapping[str, Mapping[str, str]]
) -> Iterator[str]:
    """Data files of one major version of PostgreSQL are nothing to another one. ``here``: what images set by themselves."""
    for container in containers:
        spec = release.service(container.service)
        if spec is None:
            continue
        had, gets = container.environment.get("PG_MAJOR"), here.get(spec.image, {}).get("PG_MAJOR")
        if had and gets and had != gets:
            yield (
                f"{container.name} runs PostgreSQL {had}, and {spec.image} is PostgreSQL {gets}, which cannot read its files; "
                f"let the stack run {had} first, or restore a dump into an empty volume"
            )
