"""One stack at a revision: its files go through Compose, the images that it tracks are pinned, and the model is resolved.

Remembers nothing, and creates nothing but the checkout that Compose reads.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reconciler.declared.stack_folders import STACK_FILE
from reconciler.execution.sealed_inputs import SealedInputs
from reconciler.layout import Layout
from reconciler.model.desired import Release
from reconciler.model.environment import Environment
from reconciler.model.errors import InvalidInputError, Problem
from reconciler.model.manifest import HostSettings, Manifest
from reconciler.model.source import Revision, TreeEntry
from reconciler.model.updates import ImageRecord
from reconciler.planning.acme_file import acme_file
from reconciler.planning.host_volumes import unknown_volumes, with_host_volumes
from reconciler.planning.paths import Place
from reconciler.planning.pinning import declared_images, pin_of, pinned, wrong_tracking
from reconciler.planning.proxies import Proxy
from reconciler.planning.resolve import mark_jobs, resolve
from reconciler.ports.books import MarkBook, UpdateBook
from reconciler.ports.engine import Compose
from reconciler.ports.host_files import EnvironmentFiles, SealedFiles
from reconciler.ports.repository import Objects, Tree

_TO_COME = "(generated when the stack is next reconciled)"


@dataclass(frozen=True, slots=True)
class Reading:
    """The ports that what is desired is read through."""

    tree: Tree
    objects: Objects
    compose: Compose
    environment: EnvironmentFiles
    updates: UpdateBook
    marks: MarkBook
    sealed: SealedFiles


@dataclass(frozen=True, slots=True)
class Case:
    """What a stack is rendered with. ``found``: what is known of the images that it tracks, by service; ``instead``: images
    that count in place of those. ``proxies``: of other stacks, which lead to services of this one."""

    environment: Environment
    found: Mapping[str, ImageRecord]
    instead: Mapping[str, str]
    proxies: tuple[Proxy, ...]


@dataclass(frozen=True, slots=True)
class Rendered:
    """``declared``: what the Compose files say of the images that the stack tracks; ``release`` has what was found instead.
    ``unknown``: those of which nothing was found yet."""

    release: Release
    declared: Mapping[str, str]
    unknown: tuple[str, ...]


class Renderer:
    def __init__(
        self, layout: Layout, settings: HostSettings, root_id: str, reading: Reading, sealed: SealedInputs
    ) -> None:
        self._layout = layout
        self._settings = settings
        self._root_id = root_id
        self._reading = reading
        self._sealed = sealed

    def rendered(self, manifest: Manifest, revision: Revision, case: Case) -> Rendered:
        """Raises InvalidInputError with every problem at once."""
        model, place, environment = self._model(manifest, revision, case.environment)
        place = replace(place, proxies=case.proxies)
        images = manifest.updates.images
        declared = declared_images(model, images)
        pins = {name: pin_of(image, images[name], case.found.get(name)) for name, image in declared.items()}
        unknown = tuple(name for name, pin in pins.items() if not pin)
        model = pinned(model, {name: pin for name, pin in pins.items() if pin} | dict(case.instead))
        return Rendered(mark_jobs(resolve(model, manifest, place, environment), manifest), declared, unknown)

    def _model(
        self, manifest: Manifest, revision: Revision, known: Environment
    ) -> tuple[Mapping[str, Any], Place, Mapping[str, str]]:
        """What Compose makes of the stack's files; where things lie; and the variables that it saw."""
        reading = self._reading
        entries = reading.tree.entries(revision)
        if problems := broken_links(reading.tree, manifest, entries):
            raise InvalidInputError(problems)
        checkout = self._layout.checkouts / revision.tree
        reading.tree.export(revision.tree, checkout)
        folder = checkout / manifest.folder
        values = {**known.values, **dict.fromkeys(known.to_make, _TO_COME)}
        # Stronger than the files, because they stand in for what a file sets to nothing.
        defaults = {**known.defaults, **{name: values[name] for name in known.to_make}}
        environment = {**defaults, **root_variables(self._layout, manifest.name, values)}
        with self._sealed.env_paths(manifest, folder) as env:
            own = self._reading.environment.path(manifest.name)
            env_files = (
                [*env.paths, own] if own is not None else env.paths
            )  # what the host says wins over what Git says
            try:
                model = reading.compose.render(manifest.name, folder, manifest.compose_files, env_files, environment)
            except InvalidInputError as error:
                raise _in_repository(error, manifest, folder, env.names) from error
        volumes = self._settings.volumes.get(manifest.name, {})
        if problems := unknown_volumes(model, manifest.name, volumes):
            raise InvalidInputError(problems)
        model = with_host_volumes(model, volumes)
        place = Place(
            root=str(self._layout.root),
            root_id=self._root_id,
            checkout=str(checkout),
            revision=revision.commit,
            entries=entries,
            object_path=lambda entry: str(reading.objects.path(entry)),
            target_of=reading.tree.target,
            source_path=self._settings.source.path,
            secret=self._sealed.secret,
        )
        file = posixpath.join(manifest.folder, STACK_FILE)
        wrong = wrong_tracking(model, manifest.updates.images)
        if problems := tuple(Problem(file, 0, f"updates.images.{name}", fault) for name, fault in wrong):
            raise InvalidInputError(problems)
        return model, place, {**values, **environment}


def root_variables(layout: Layout, stack: str, values: Mapping[str, str]) -> dict[str, str]:
    """What interpolation sees besides the environment files, which set ``values``."""
    return {
        "RECONCILER_TRAEFIK_DIR": str(layout.traefik_of(stack)),
        "RECONCILER_ACME_FILE": acme_file(values),
        "RECONCILER_STACK": stack,
    }


def broken_links(tree: Tree, manifest: Manifest, entries: Mapping[str, TreeEntry]) -> tuple[Problem, ...]:
    """Of the stack's folder, and of those that this host lays over it."""
    folders = (manifest.folder, *manifest.overlays)
    return tuple(found for folder in folders for found in tree.problems(entries, folder))


def _in_repository(
    error: InvalidInputError, manifest: Manifest, folder: Path, names: Mapping[str, str]
) -> InvalidInputError:
    """Compose names files as they are below the stack's folder, or by ``names``; people know them as they are in the
    repository."""
    return InvalidInputError(
        tuple(
            replace(problem, file=posixpath.normpath(posixpath.join(manifest.folder, problem.file)))
            if problem.file and problem.file not in names and (folder / problem.file).exists()
            else replace(problem, file=names.get(problem.file, problem.file))
            for problem in error.problems
        )
    )
