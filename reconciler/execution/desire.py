"""From a revision to what each stack should be: discovery, rendering by Compose, resolving, each cached by content.

A commit that touches nothing a stack reads renders nothing anew.
"""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reconciler.declared.stack_folders import STACK_FILE
from reconciler.execution.environments import Environments, Survey
from reconciler.execution.inputs import Inputs
from reconciler.execution.neighbours import Neighbours
from reconciler.execution.sealed_inputs import SealedInputs
from reconciler.layout import Layout
from reconciler.manifest import Discovery, discover
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
from reconciler.planning.secrets import Mask, mask_of
from reconciler.ports.books import MarkBook, UpdateBook
from reconciler.ports.engine import Compose
from reconciler.ports.host_files import EnvironmentFiles, SealedFiles
from reconciler.ports.repository import Objects, Tree
from reconciler.recent import Recent

_RENDERS_KEPT = 256
_REVISIONS_KEPT = 4
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
class _Rendered:
    """``declared``: what the Compose files say of the images that the stack tracks; ``release`` has what was found instead.
    ``unknown``: those of which nothing was found yet."""

    release: Release
    declared: Mapping[str, str]
    unknown: tuple[str, ...]


class Desire:
    """Safe to use from several threads."""

    def __init__(
        self,
        layout: Layout,
        settings: HostSettings,
        root_id: str,
        reading: Reading,
        running: Callable[[str], tuple[Proxy, ...]],
    ) -> None:
        """``running``: the Traefiks of a stack as it was last proven."""
        self._layout = layout
        self._neighbours = Neighbours(reading.tree, lambda stack: str(layout.traefik_of(stack)), running)
        self._settings = settings
        self._root_id = root_id
        self._reading = reading
        self.environments = Environments(reading.tree, reading.environment, reading.marks, reading.sealed)
        self._inputs = Inputs(reading.tree)
        self._sealed = SealedInputs(reading.tree, reading.sealed)
        self._discovered: Recent[str, Discovery] = Recent(_REVISIONS_KEPT)
        self._rendered: Recent[str, _Rendered | InvalidInputError] = Recent(_RENDERS_KEPT)

    def stacks(self, revision: Revision) -> Discovery:
        """The stacks of ``revision`` that run on this host, and what is wrong with those that cannot be read."""
        return self._discovered.or_made(revision.tree, lambda: self._discover(revision))

    def _discover(self, revision: Revision) -> Discovery:
        return discover(
            self._reading.tree.entries(revision),
            self._settings.source.path,
            self._reading.tree.read,
            self._settings.stacks,
            self._settings.name,
        )

    def release(self, manifest: Manifest, revision: Revision, instead: Mapping[str, str] | None = None) -> Release:
        """What ``manifest``'s stack should be at ``revision``, with the images that were found for what it tracks.
        ``instead``: images by service that count in place of those. Raises InvalidInputError with every problem at once."""
        return replace(self._rendered_at(manifest, revision, instead or {}).release, revision=revision.commit)

    def declared_images(self, manifest: Manifest, revision: Revision) -> Mapping[str, str]:
        """What the Compose files say of the images that the stack tracks, by service. Raises as ``release`` does."""
        return self._rendered_at(manifest, revision, {}).declared

    def unknown_images(self, manifest: Manifest, revision: Revision) -> tuple[str, ...]:
        """Services that track an image of which nothing was found yet. Raises as ``release`` does."""
        return self._rendered_at(manifest, revision, {}).unknown

    def _rendered_at(self, manifest: Manifest, revision: Revision, instead: Mapping[str, str]) -> _Rendered:
        return self._remembered(manifest, revision, instead, self._proxies_beside(manifest, revision))

    def _proxies_beside(self, manifest: Manifest, revision: Revision) -> tuple[Proxy, ...]:
        return self._neighbours.proxies(
            manifest, revision, self.stacks, lambda other, at: self._remembered(other, at, {}, ()).release
        )

    def _remembered(
        self, manifest: Manifest, revision: Revision, instead: Mapping[str, str], beside: tuple[Proxy, ...]
    ) -> _Rendered:
        survey = self._sound_environment(manifest, revision)
        found = {record.service: record for record in self.found_images(manifest)}
        images = {name: record.reference for name, record in found.items()} | dict(instead)
        key = self._key(manifest, revision, images, beside)
        known = self._rendered.or_made(
            key, lambda: self._render_or_refuse(manifest, revision, survey, found, instead, beside)
        )
        if isinstance(known, InvalidInputError):
            raise known
        return known

    def _sound_environment(self, manifest: Manifest, revision: Revision) -> Survey:
        """Outside of what is remembered of renders: what may not change any more is not known by what is rendered. Raises
        InvalidInputError with all that is wrong with the variables."""
        survey = self.environments.of(manifest, revision)
        problems = (*survey.problems, *self.environments.changed(manifest, survey))
        if problems:
            entries = self._reading.tree.entries(revision)
            raise InvalidInputError((*self._broken_links(manifest, entries), *problems))
        return survey

    def _broken_links(self, manifest: Manifest, entries: Mapping[str, TreeEntry]) -> tuple[Problem, ...]:
        """Of the stack's folder, and of those that this host lays over it."""
        folders = (manifest.folder, *manifest.overlays)
        return tuple(found for folder in folders for found in self._reading.tree.problems(entries, folder))

    def found_images(self, manifest: Manifest) -> tuple[ImageRecord, ...]:
        """What is known of the images that the stack tracks. Nothing is read for one that tracks none."""
        return self._reading.updates.images(manifest.name) if manifest.updates.images else ()

    def environment(self, stack: str, values: Mapping[str, str]) -> dict[str, str]:
        """What interpolation sees besides the environment files, which set ``values``."""
        return {
            "RECONCILER_TRAEFIK_DIR": str(self._layout.traefik_of(stack)),
            "RECONCILER_ACME_FILE": acme_file(values),
            "RECONCILER_STACK": stack,
        }

    def process_environment(self, manifest: Manifest, revision: Revision | None) -> dict[str, str]:
        """What Compose gets when it creates: secrets and configs that are declared by variable are read from it."""
        known = self.environments.of(manifest, revision).environment
        own = {**known.of_host, **known.defaults}
        return {**own, **self.environment(manifest.name, own)}

    def variables(self, manifest: Manifest, revision: Revision | None) -> dict[str, str]:
        """The stack's own, as Compose files see them: of its tracked files as far as they can be read, and the host's."""
        known = self.environments.of(manifest, revision).environment
        return {**known.values, **self.environment(manifest.name, known.values)}

    def mask(self, manifest: Manifest, revision: Revision | None, before: Iterable[Revision]) -> Mask:
        """What must not be shown of the stack: values of its host-local variables, what its schema calls a secret, and what
        lies encrypted in Git, at any of the revisions ``before``, too."""
        survey = self.environments.of(manifest, revision)
        called = frozenset(survey.schema.secrets if survey.schema else ()) | manifest.environment.generate.keys()
        tracked = {name: value for name, value in survey.environment.values.items() if name in called}
        seen = (*before, revision) if revision is not None else tuple(before)
        sealed = [mask_of(self._sealed.values(manifest, at), called) for at in seen]
        return mask_of({**tracked, **survey.environment.of_host}, called).with_all(sealed)

    def _render_or_refuse(
        self,
        manifest: Manifest,
        revision: Revision,
        survey: Survey,
        found: Mapping[str, ImageRecord],
        instead: Mapping[str, str],
        beside: tuple[Proxy, ...],
    ) -> _Rendered | InvalidInputError:
        """Wrong input is remembered like a good render: it stays wrong until it changes."""
        try:
            model, place, environment = self._model(manifest, revision, survey.environment)
            place = replace(place, proxies=beside)
            declared = declared_images(model, manifest.updates.images)
            images = manifest.updates.images
            pins = {name: pin_of(image, images[name], found.get(name)) for name, image in declared.items()}
            unknown = tuple(name for name, pin in pins.items() if not pin)
            model = pinned(model, {name: pin for name, pin in pins.items() if pin} | dict(instead))
            return _Rendered(mark_jobs(resolve(model, manifest, place, environment), manifest), declared, unknown)
        except InvalidInputError as error:
            return error

    def _model(
        self, manifest: Manifest, revision: Revision, known: Environment
    ) -> tuple[Mapping[str, Any], Place, Mapping[str, str]]:
        """What Compose makes of the stack's files; where things lie; and the variables that it saw."""
        reading = self._reading
        entries = reading.tree.entries(revision)
        if problems := self._broken_links(manifest, entries):
            raise InvalidInputError(problems)
        checkout = self._layout.checkouts / revision.tree
        reading.tree.export(revision.tree, checkout)
        folder = checkout / manifest.folder
        values = {**known.values, **dict.fromkeys(known.to_make, _TO_COME)}
        # Stronger than the files, because they stand in for what a file sets to nothing.
        defaults = {**known.defaults, **{name: values[name] for name in known.to_make}}
        environment = {**defaults, **self.environment(manifest.name, values)}
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

    def _key(self, manifest: Manifest, revision: Revision, images: Mapping[str, str], beside: tuple[Proxy, ...]) -> str:
        own = (self._reading.environment.read(manifest.name) or b"") + f"\0{self._sealed.state()}".encode()
        parts = [repr(manifest), self._inputs.id_of(manifest, revision), self._reading.compose.version()]
        if beside:
            parts.append(repr(beside))
        if images:
            parts.append(repr(sorted(images.items())))
        return hashlib.sha256("\0".join(parts).encode() + own).hexdigest()


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
