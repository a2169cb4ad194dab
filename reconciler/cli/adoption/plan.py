"""The plan of an adoption: the old project, its folder, and the stack that takes over, looked at with the variables that it
would have. Changes nothing."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.adapters.docker_engine.projects import Projects
from reconciler.adoption import host_file
from reconciler.adoption.book import TextChange
from reconciler.adoption.carrying import holds_something
from reconciler.adoption.clone import Destinations, read_clone, size_of
from reconciler.adoption.cron import Cron
from reconciler.adoption.deciding import Wanted, decide, nothing_runs
from reconciler.adoption.model import Adoption, Found
from reconciler.adoption.mounts import fates
from reconciler.adoption.variables import differing, merged, unused
from reconciler.cli import roots
from reconciler.cli.errors import WRONG_USE, Failure
from reconciler.cli.wiring import Parts, opened
from reconciler.layout import Layout
from reconciler.model.errors import InvalidInputError
from reconciler.planning.dotenv import read_dotenv

if TYPE_CHECKING:
    from reconciler.model.desired import Release
    from reconciler.model.manifest import Manifest
    from reconciler.model.project import ProjectContainer

_BACKUP_VARIABLES = ("DB_BACKUP_FREQUENCY", "MAX_DB_BACKUPS", "DB_BACKUPS_PATH", "COMPOSE_PROJECT_NAME")
_MOST_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Asked:
    """What was typed. ``stack``, ``project``: "" where there is only one to choose."""

    folder: Path
    stack: str = ""
    project: str = ""


@dataclass(frozen=True, slots=True)
class Planned:
    """``has_dumps``: the stack declares databases, which are backed up before anything else."""

    adoption: Adoption
    texts: tuple[TextChange, ...]
    has_dumps: bool


def plan(layout: Layout, asked: Asked, level: int) -> Planned:
    """Looks at everything, and changes nothing. Raises Failure, ReconcilerError."""
    with opened(layout, log_level=level) as parts, _own_environment(parts) as env:
        parts.source.fetch()
        manifest = _manifest(parts, asked.stack)
        stack = manifest.name
        to = Destinations(layout.certs, layout.adopted_dumps_of(stack))
        clone = read_clone(asked.folder, to, Cron(layout.staging), time.time())
        found = _found(clone.folder, asked.project)
        if not found.containers:
            raise Failure(nothing_runs(clone.folder, asked.project))
        own = parts.environment.read(stack)
        variables = merged(own, clone.variables, str(Path(clone.folder) / ".env"))
        if variables is not None:
            _write_private(env / f"{stack}.env", variables)
        release = _release(parts, manifest, clone.folder)
        found = replace(found, clone=clone)
        adoption = decide(found, _wanted(parts, found, release))
        texts, refusals = _settings(layout, parts, adoption)
        refusals = (*_conflicts(own, clone.variables, clone.folder, stack), *adoption.refusals, *refusals)
        notes = (*adoption.notes, *_unused(parts, manifest, clone.variables))
        adoption = replace(adoption, refusals=refusals, notes=notes)
        texts = (*_variables(layout.env_file(stack), own, variables), *texts)
        return Planned(adoption, texts, has_dumps=bool(manifest.backups))


def _variables(path: Path, own: bytes | None, wanted: bytes | None) -> tuple[TextChange, ...]:
    if wanted is None or wanted == own:
        return ()
    return (TextChange(str(path), own.decode() if own is not None else None, wanted.decode()),)


@contextmanager
def _own_environment(parts: Parts) -> Iterator[Path]:
    """The root's env files in a folder of this process's own, where what would be written can be tried out."""
    from reconciler.adapters.env_files import EnvFolder

    with tempfile.TemporaryDirectory(prefix="reconciler-") as name:
        folder = Path(name)
        for path in parts.layout.env.glob("*.env"):
            _write_private(folder / path.name, path.read_bytes())
        parts.environment = EnvFolder(folder, folder / ".staging")
        yield folder


def _write_private(path: Path, content: bytes) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        file.write(content)


def _manifest(parts: Parts, stack: str) -> Manifest:
    tip = parts.source.tip()
    assert tip is not None, "it was fetched"
    discovery = parts.desire.stacks(tip)
    if stack in discovery.broken:
        raise InvalidInputError(tuple(discovery.broken[stack]))
    names = [manifest.name for manifest in discovery.manifests]
    if not stack and len(names) != 1:
        known = f": {', '.join(sorted(names))}" if names else "; see source.path and stacks: in host.yaml"
        raise Failure(f"the repository holds {len(names)} stacks for this host{known}. Say --stack NAME", WRONG_USE)
    found = next((manifest for manifest in discovery.manifests if manifest.name == (stack or names[0])), None)
    if found is None:
        raise roots.unknown_stack(stack, names)
    return found


def _release(parts: Parts, manifest: Manifest, folder: str) -> Release:
    tip = parts.source.tip()
    assert tip is not None, "it was fetched"
    try:
        return parts.desire.release(manifest, tip)
    except InvalidInputError as error:
        told = "\n".join(f"  {problem}" for problem in error.problems)
        raise Failure(
            f"{manifest.name} cannot be rendered with the variables of {folder}/.env:\n{told}\n"
            f"What is missing belongs into {parts.layout.env_file(manifest.name)}, which is taken together with it."
        ) from error


def _found(folder: str, project: str) -> Found:
    from reconciler.adoption.model import Clone

    projects = Projects()
    if not projects.is_of_this_host:
        raise Failure(
            "the engine is another machine's (DOCKER_HOST), and so are the old project's files; adopt it there"
        )
    containers = projects.containers()
    mine = tuple(one for one in containers if _is_of(one, folder) and project in ("", one.project))
    ids = {one.id for one in mine}
    return Found(Clone(folder), mine, tuple(one for one in containers if one.id not in ids))


def _is_of(container: ProjectContainer, folder: str) -> bool:
    return bool(container.folder) and os.path.realpath(container.folder) == folder


def _wanted(parts: Parts, found: Found, release: Release) -> Wanted:
    from reconciler.adapters.host_ports import HostPorts
    from reconciler.planning.strategy import fixed_ports

    layout, projects = parts.layout, Projects()
    copies = fates(found.containers, release, str(layout.data)).copies
    ports = [port for spec in release.services for port in fixed_ports(spec.definition)]
    networks = {network.name for network in parts.engine.networks() if not network.owned}
    images = {spec.image for spec in release.services if spec.image}
    return Wanted(
        release=release,
        data=str(layout.data),
        volumes=parts.settings.volumes.get(release.stack, {}),
        here={image: projects.image_environment(image) for image in images},
        taken=frozenset(HostPorts().taken(ports)),
        networks=frozenset(networks),
        filled=frozenset(copy.target for copy in copies if holds_something(Path(copy.target))),
        free=shutil.disk_usage(layout.data if layout.data.is_dir() else layout.root).free,
        sizes={copy.source: size_of(Path(copy.source)) for copy in copies},
    )


def _settings(layout: Layout, parts: Parts, adoption: Adoption) -> tuple[tuple[TextChange, ...], tuple[str, ...]]:
    """host.yaml as it is to be, nothing where it says all of it; and why it cannot be."""
    from reconciler.settings import load_settings

    said = dict(parts.settings.volumes.get(adoption.stack, {}))
    if not adoption.volumes or all(said.get(key) == place for key, place in adoption.volumes.items()):
        return (), ()
    volumes = {**said, **adoption.volumes}
    before = layout.settings.read_text()
    text = host_file.with_volumes(before, adoption.stack, volumes)
    now = load_settings(before.encode(), "host.yaml")
    wanted = replace(now, volumes={**now.volumes, adoption.stack: volumes})
    if text is not None and load_settings(text.encode(), "host.yaml") == wanted:
        return (TextChange(str(layout.settings), before, text),), ()
    lines = host_file.lines(adoption.stack, volumes)
    return (), (
        f"{layout.settings} must say whose data {adoption.stack} goes on with; write into it:\nvolumes:\n{lines}",
    )


def _conflicts(own: bytes | None, old: bytes | None, folder: str, stack: str) -> tuple[str, ...]:
    names = ", ".join(differing(own, old))
    if not names:
        return ()
    return (f"env/{stack}.env and {folder}/.env say different things of {names}; take them out of one of the two",)


def _unused(parts: Parts, manifest: Manifest, variables: bytes | None) -> tuple[str, ...]:
    from reconciler.model.source import EntryKind

    tip = parts.source.tip()
    if variables is None or tip is None:
        return ()
    entries = parts.tree.entries(tip)
    prefix = f"{manifest.folder}/" if manifest.folder else ""
    files = [e for p, e in entries.items() if p.startswith(prefix) and e.kind in (EntryKind.FILE, EntryKind.EXECUTABLE)]
    text = b"\n".join(parts.tree.read(entry.object_id)[:_MOST_BYTES] for entry in files).decode(errors="replace")
    names = unused(read_dotenv(variables, ".env").names, text, _BACKUP_VARIABLES)
    return (f"nothing of the stack reads {', '.join(names)}; they are taken along all the same",) if names else ()
