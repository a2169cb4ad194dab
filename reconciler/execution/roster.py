"""Which stacks a host has, as of a revision, in the order of what they depend on, and what a pass over each is about.

Reads only, and judges none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

from reconciler.execution.desire import Desire
from reconciler.execution.newer import Newer, Said
from reconciler.execution.renamed import Renamed
from reconciler.execution.shelf import Shelf
from reconciler.execution.work import Work
from reconciler.manifest import Discovery
from reconciler.model.desired import Release
from reconciler.model.errors import Problem, ReconcilerError
from reconciler.model.manifest import Manifest
from reconciler.model.source import Revision
from reconciler.planning.stack_order import order
from reconciler.ports.books import Journal
from reconciler.ports.engine import Progress
from reconciler.ports.repository import Source


@dataclass(frozen=True, slots=True)
class Roster:
    """``rendered``: what Git says of a stack. ``stop``: asked between steps; a reason to leave, "" to go on. ``progress``:
    lines for people."""

    source: Source
    journal: Journal
    shelf: Shelf
    desire: Desire
    rendered: Callable[[Work], Release | None]
    stop: Callable[[], str]
    progress: Progress

    def works(self, revision: Revision | None = None) -> tuple[Work, ...]:
        """Every stack of this host, those depended on first, as of ``revision`` (of the last fetched tip, if None).

        Stacks that Git no longer has are among them as long as something of theirs may run.
        """
        revision = revision or self.source.tip()
        found = Discovery((), {}) if revision is None else self.desire.stacks(revision)
        works = {manifest.name: self._work(manifest, revision) for manifest in found.manifests}
        records = self.journal.stacks()
        if revision is not None:
            here = {*works, *found.broken, *found.elsewhere}
            gone = (record for record in records if record.name not in here)
            renamed = Renamed(self.journal, self.shelf, self.source.revision, self.desire.stacks)
            works = renamed.marked(works.values(), gone)
        for name, problems in found.broken.items():
            works[name] = replace(self._work(self._last_manifest(name), revision), problems=tuple(problems))
        for record in records:
            if record.name not in works:
                work = self._work(self._last_manifest(record.name), revision)
                why = found.elsewhere.get(record.name)
                work = replace(work, gone_because=f"it is not for this host any more: {why}") if why else work
                works[record.name] = replace(work, gone=revision is not None)
        depends = {name: tuple(d for d in work.manifest.depends_on if d in works) for name, work in works.items()}
        return tuple(works[name] for name in order(depends))

    def warnings(self, revision: Revision) -> tuple[Problem, ...]:
        """What somebody may have meant otherwise. Raises InvalidInputError, SourceError, as ``works`` does."""
        return self.desire.stacks(revision).warnings

    def anew(self, work: Work) -> Work:
        """With what its variables are now."""
        new = self._work(work.manifest, work.revision)
        return replace(work, mask=new.mask, environment=new.environment, variables=new.variables, warnings=new.warnings)

    def _work(self, manifest: Manifest, revision: Revision | None) -> Work:
        desire = self.desire
        mask = desire.mask(manifest, revision, self._before(manifest, revision))
        work = Work(
            name=manifest.name,
            manifest=manifest,
            revision=revision,
            asked_by=f"commit by {revision.author}" if revision else "",
            mask=mask,
            environment=desire.process_environment(manifest, revision),
            variables=desire.variables(manifest, revision) if _reads_variables(manifest) else {},
            warnings=desire.environments.of(manifest, revision).warnings,
            progress=lambda text: self.progress(mask.clean(text)),
            stop=self.stop,
        )
        return replace(work, newer=Newer(work, self.source.tip, self._told_by))

    def _before(self, manifest: Manifest, revision: Revision | None) -> Iterator[Revision]:
        """What Git said of what runs: a secret that was changed stays one."""
        record = self.journal.stack(manifest.name)
        applied = record.applied_revision if record else ""
        if applied and (revision is None or applied != revision.commit):
            with suppress(ReconcilerError):
                yield self.source.revision(applied)

    def _told_by(self, name: str, revision: Revision) -> Said | None:
        """What Git says of one stack; None where it cannot be read, which is no reason to give anything up."""
        try:
            work = next(work for work in self.works(revision) if work.name == name)
            release = self.rendered(work)
            return None if release is None else Said(release.digest, work.manifest.rollout)
        except (ReconcilerError, StopIteration):
            return None

    def _last_manifest(self, name: str) -> Manifest:
        record = self.journal.stack(name)
        number = record.applied_release if record else None
        kept = self.shelf.manifest(name, number) if number is not None else None
        return kept or Manifest(name=name, folder="", compose_files=("compose.yaml",))


def _reads_variables(manifest: Manifest) -> bool:
    return bool(manifest.hooks or manifest.backups or manifest.actions or manifest.requires.reach)
