"""From a revision to what each stack should be, each answer remembered by the content that it was made from.

A commit that touches nothing a stack reads renders nothing anew. How a stack is rendered: ``rendering``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from reconciler.execution.environments import Environments, Survey
from reconciler.execution.inputs import Inputs
from reconciler.execution.neighbours import Neighbours
from reconciler.execution.rendering import Case, Reading, Rendered, Renderer, broken_links, root_variables
from reconciler.execution.sealed_inputs import SealedInputs
from reconciler.layout import Layout
from reconciler.manifest import Discovery, discover
from reconciler.model.desired import Release
from reconciler.model.errors import InvalidInputError
from reconciler.model.manifest import HostSettings, Manifest
from reconciler.model.source import Revision
from reconciler.model.updates import ImageRecord
from reconciler.planning.proxies import Proxy
from reconciler.planning.secrets import Mask, mask_of
from reconciler.recent import Recent

_RENDERS_KEPT = 256
_REVISIONS_KEPT = 4


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
        self._reading = reading
        self.environments = Environments(reading.tree, reading.environment, reading.marks, reading.sealed)
        self._inputs = Inputs(reading.tree)
        self._sealed = SealedInputs(reading.tree, reading.sealed)
        self._renderer = Renderer(layout, settings, root_id, reading, self._sealed)
        self._discovered: Recent[str, Discovery] = Recent(_REVISIONS_KEPT)
        self._rendered: Recent[str, Rendered | InvalidInputError] = Recent(_RENDERS_KEPT)

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

    def _rendered_at(self, manifest: Manifest, revision: Revision, instead: Mapping[str, str]) -> Rendered:
        return self._remembered(manifest, revision, instead, self._proxies_beside(manifest, revision))

    def _proxies_beside(self, manifest: Manifest, revision: Revision) -> tuple[Proxy, ...]:
        return self._neighbours.proxies(
            manifest, revision, self.stacks, lambda other, at: self._remembered(other, at, {}, ()).release
        )

    def _remembered(
        self, manifest: Manifest, revision: Revision, instead: Mapping[str, str], beside: tuple[Proxy, ...]
    ) -> Rendered:
        survey = self._sound_environment(manifest, revision)
        found = {record.service: record for record in self.found_images(manifest)}
        images = {name: record.reference for name, record in found.items()} | dict(instead)
        case = Case(survey.environment, found, instead, beside)
        key = self._key(manifest, revision, images, beside)
        known = self._rendered.or_made(key, lambda: self._rendered_or_refused(manifest, revision, case))
        if isinstance(known, InvalidInputError):
            raise known
        return known

    def _rendered_or_refused(self, manifest: Manifest, revision: Revision, case: Case) -> Rendered | InvalidInputError:
        """Wrong input is remembered like a good render: it stays wrong until it changes."""
        try:
            return self._renderer.rendered(manifest, revision, case)
        except InvalidInputError as error:
            return error

    def _sound_environment(self, manifest: Manifest, revision: Revision) -> Survey:
        """Outside of what is remembered of renders: what may not change any more is not known by what is rendered. Raises
        InvalidInputError with all that is wrong with the variables."""
        survey = self.environments.of(manifest, revision)
        problems = (*survey.problems, *self.environments.changed(manifest, survey))
        if problems:
            entries = self._reading.tree.entries(revision)
            raise InvalidInputError((*broken_links(self._reading.tree, manifest, entries), *problems))
        return survey

    def found_images(self, manifest: Manifest) -> tuple[ImageRecord, ...]:
        """What is known of the images that the stack tracks. Nothing is read for one that tracks none."""
        return self._reading.updates.images(manifest.name) if manifest.updates.images else ()

    def process_environment(self, manifest: Manifest, revision: Revision | None) -> dict[str, str]:
        """What Compose gets when it creates: secrets and configs that are declared by variable are read from it."""
        known = self.environments.of(manifest, revision).environment
        own = {**known.of_host, **known.defaults}
        return {**own, **root_variables(self._layout, manifest.name, own)}

    def variables(self, manifest: Manifest, revision: Revision | None) -> dict[str, str]:
        """The stack's own, as Compose files see them: of its tracked files as far as they can be read, and the host's."""
        known = self.environments.of(manifest, revision).environment
        return {**known.values, **root_variables(self._layout, manifest.name, known.values)}

    def mask(self, manifest: Manifest, revision: Revision | None, before: Iterable[Revision]) -> Mask:
        """What must not be shown of the stack: values of its host-local variables, what its schema calls a secret, and what
        lies encrypted in Git, at any of the revisions ``before``, too."""
        survey = self.environments.of(manifest, revision)
        called = frozenset(survey.schema.secrets if survey.schema else ()) | manifest.environment.generate.keys()
        tracked = {name: value for name, value in survey.environment.values.items() if name in called}
        seen = (*before, revision) if revision is not None else tuple(before)
        sealed = [mask_of(self._sealed.values(manifest, at), called) for at in seen]
        return mask_of({**tracked, **survey.environment.of_host}, called).with_all(sealed)

    def _key(self, manifest: Manifest, revision: Revision, images: Mapping[str, str], beside: tuple[Proxy, ...]) -> str:
        own = (self._reading.environment.read(manifest.name) or b"") + f"\0{self._sealed.state()}".encode()
        parts = [repr(manifest), self._inputs.id_of(manifest, revision), self._reading.compose.version()]
        if beside:
            parts.append(repr(beside))
        if images:
            parts.append(repr(sorted(images.items())))
        return hashlib.sha256("\0".join(parts).encode() + own).hexdigest()
