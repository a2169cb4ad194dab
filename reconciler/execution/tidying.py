"""What nothing needs any more goes: commits, copies of files and images of releases that are no longer kept.

Only what is ours, and only what is known not to be in use; whatever is in doubt stays.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from reconciler.execution.observe import Observer
from reconciler.execution.shelf import Shelf
from reconciler.model.desired import Release
from reconciler.planning.images import is_named_by_us_only, no_longer_needed
from reconciler.ports.books import ImageBook, Journal
from reconciler.ports.engine import Engine
from reconciler.ports.repository import Objects, Source

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Tidier:
    source: Source
    objects: Objects
    journal: Journal
    images: ImageBook
    shelf: Shelf
    observer: Observer
    engine: Engine

    def tidy(self) -> None:
        """Forget what belongs to containers and releases that are gone. Raises EngineUnavailableError, WaitingError.

        What containers may have mounted, or may be started from, is only taken away while every container of ours is
        explained by a kept release: where a record was lost, nobody knows what is in use.
        """
        containers = self.observer.look().containers
        self.journal.forget_baselines(frozenset(found.id for found in containers))
        commits = self.source.kept()  # asked first, so that a commit which is kept meanwhile is not among them
        brought = self.images.brought()  # and so is an image
        kept = self.shelf.kept()
        self._let_go(commits, kept)
        known = {spec.digest for release in kept for spec in release.services}
        if all(found.definition in known for found in containers if found.owned):
            self.objects.collect(frozenset(entry.object_id for release in kept for entry in release.objects))
            for image_id in no_longer_needed(brought, (release.images for release in kept)):
                self._remove(image_id, brought[image_id])

    def _let_go(self, commits: frozenset[str], kept: tuple[Release, ...]) -> None:
        """Commits that no kept release and no stack's status names need not survive force-pushes any longer."""
        records = self.journal.stacks()
        named = {release.revision for release in kept}
        named |= {commit for record in records for commit in (record.applied_revision, record.attempted_revision)}
        for commit in sorted(commits - named):
            self.source.release(commit)

    def _remove(self, image_id: str, names: frozenset[str]) -> None:
        image = self.engine.image(image_id)
        if image is None:
            self.images.forget_brought(image_id)
        elif is_named_by_us_only(image, names) and self.engine.remove_image(image_id):
            log.info("image_removed", image=", ".join(sorted(names)), id=image_id)
            self.images.forget_brought(image_id)
